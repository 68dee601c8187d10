// State of one JavaScript environment (the main thread, or one worker): its tensors, operators and random generator.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <napi.h>

#include <cstdint>
#include <vector>

namespace dualpipe {

// Handles are slot + generation * 2^20: exact in a double, and a slot used again never answers to an older handle.
class TensorTable {
 public:
  static constexpr uint64_t kMaxTensors = uint64_t{1} << 20;

  double insert(at::Tensor tensor);
  const at::Tensor& get(double handle) const;
  void erase(double handle);
  size_t size() const { return slots_.size() - free_.size(); }

 private:
  struct Slot {
    at::Tensor tensor;
    uint32_t generation = 0;
  };
  size_t locate(double handle) const;

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

// What an operator's schema says of one argument, decided once when the operator is looked up.
enum class ArgumentKind : uint8_t {
  Tensor, TensorList, OptionalTensorList, Int, Float, Bool, Scalar, String,
  IntList, FloatList, BoolList, Device, Generator,
};

struct Argument {
  ArgumentKind kind;
  bool optional;
  std::string name;
  c10::optional<c10::IValue> defaultValue;
};

struct Operator {
  c10::OperatorHandle handle;
  std::string name;
  std::vector<Argument> arguments;
};

struct Environment {
  static Environment& of(napi_env env);

  TensorTable tensors;
  std::vector<Operator> operators;
  at::Generator generator;
  torch::jit::Stack stack;
  // True while a test uses LibTorch's own autograd as the oracle; kernels run below it otherwise.
  bool libtorchAutograd = false;
};

}  // namespace dualpipe
