// The state of one JavaScript environment: the main thread, or one worker. Each rank is a thread with its own tensors,
// operators and random generator, so nothing here is shared and nothing is locked.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <napi.h>
#include <torch/csrc/autograd/edge.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace dualpipe {

// Gives tensors numbers, because JavaScript can neither hold a C++ reference nor be trusted to free one in time: an
// external object is freed when the garbage collector runs, which does not see the memory that LibTorch needs.
//
// A handle is slot + generation * 2^20: exact in a double, and a slot that is used again does not answer to an older
// handle, so a stale handle is an error and never another tensor.
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

// What an operator's schema says about one argument; found once, when the operator is looked up.
enum class ArgumentKind : uint8_t {
  Tensor, TensorList, OptionalTensorList, Int, Float, Bool, Scalar, String,
  IntList, FloatList, BoolList, Device, Generator,
};

struct Argument {
  ArgumentKind kind;
  bool optional;
  std::string name;
  c10::optional<c10::IValue> defaultValue;
  // Whether this tensor may be undefined although the schema does not say so.
  bool mayBeUndefined = false;
  // Whether a number may take the place of this tensor; found at the first number.
  c10::optional<bool> takesNumber = c10::nullopt;
};

struct Operator {
  c10::OperatorHandle handle;
  std::string name;
  std::vector<Argument> arguments;
  // Whether it overwrites nothing, so that calls may be recorded; found at the first of them.
  bool isRecordable = false;
};

// The graph that LibTorch's autograd made of one call (recording.cpp). Edges without a function stand for tensors
// through which no gradient flows.
struct Recording {
  std::vector<torch::autograd::Edge> results;
  std::vector<torch::autograd::Edge> tensors;
  // The call's one function, when it made no more and all its gradients are those of tensors; the results own it.
  torch::autograd::Node* only = nullptr;
  // For each tensor, which of that function's gradients is its own, or -1.
  std::vector<int> outputs;
};

struct Environment {
  static Environment& of(napi_env env);

  TensorTable tensors;
  std::vector<Operator> operators;
  at::Generator generator;
  // By numbers that are never used again.
  std::unordered_map<double, Recording> recordings;
  double numRecordings = 0;
  // The arguments of the operator that is being called, then its results; reused, to allocate nothing per call.
  torch::jit::Stack stack;
  // LibTorchError; empty until a runtime registers it.
  Napi::FunctionReference errorClass;
  // True while a test uses LibTorch's own autograd as the oracle; otherwise kernels run below it.
  bool libtorchAutograd = false;
};

}  // namespace dualpipe
