// What no operator of the dispatcher does: tensors made from bytes, read as bytes, described and freed, and the random
// generator of the thread. These are the functions behind src/tensor/device.ts; the CPU's memory is in memory.cpp, and
// what only cards have in cuda_device.cpp.
//
// Bytes are copied, both ways. A view of JavaScript memory as a tensor, or of a tensor as an ArrayBuffer, would save
// the copy and cost the invariant that scopes are built on: a tensor's elements live exactly as long as its owners.
#include "tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/Parallel.h>

#include <cstring>
#include <mutex>
#include <set>

#include "convert.h"
#include "cuda.h"
#include "guard.h"

namespace dualpipe {

namespace {

Napi::Value fromBytes(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  auto bytes = info[0].As<Napi::TypedArray>();
  auto dtype = static_cast<at::ScalarType>(number(env, info[1], "dtype"));
  std::vector<int64_t> sizes;
  for (double size : numbers(env, info[2], "shape")) sizes.push_back(static_cast<int64_t>(size));
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(dtype));
  TORCH_CHECK(tensor.nbytes() == bytes.ByteLength(), "a tensor ", describe(tensor), " takes ", tensor.nbytes(), " bytes; got ", bytes.ByteLength());
  auto* source = static_cast<const uint8_t*>(bytes.ArrayBuffer().Data()) + bytes.ByteOffset();
  if (tensor.nbytes() > 0) std::memcpy(tensor.data_ptr(), source, tensor.nbytes());
  return Napi::Value(env, fromTensor(Environment::of(env), env, tensor));
}

// The elements in row-major order in the host's memory. For a tensor on a card, the host waits for the stream of this
// thread, and for nothing else.
at::Tensor onHost(const at::Tensor& tensor) {
  if (tensor.is_cuda()) awaitCard();
  return tensor.contiguous().cpu();
}

// toBytes(tensor): a copy of the elements in row-major order.
Napi::Value toBytes(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  at::Tensor tensor = onHost(Environment::of(env).tensors.get(number(env, info[0], "tensor")));
  auto buffer = Napi::ArrayBuffer::New(env, tensor.nbytes());
  if (tensor.nbytes() > 0) std::memcpy(buffer.Data(), tensor.data_ptr(), tensor.nbytes());
  return buffer;
}

// copyBytes(tensor, bytes): the same into memory of the caller's, which may be shared between threads.
Napi::Value copyBytes(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  at::Tensor tensor = onHost(Environment::of(env).tensors.get(number(env, info[0], "tensor")));
  size_t length = 0;
  void* bytes = nullptr;
  napi_typedarray_type type;
  TORCH_CHECK(napi_get_typedarray_info(env, info[1], &type, &length, &bytes, nullptr, nullptr) == napi_ok && type == napi_uint8_array, "bytes must be a Uint8Array");
  TORCH_CHECK(length == tensor.nbytes(), "a tensor ", describe(tensor), " has ", tensor.nbytes(), " bytes; got room for ", length);
  if (length > 0) std::memcpy(bytes, tensor.data_ptr(), length);
  return info.Env().Undefined();
}

Napi::Value shape(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  auto sizes = Environment::of(env).tensors.get(number(env, info[0], "tensor")).sizes();
  napi_value result;
  napi_create_array_with_length(env, sizes.size(), &result);
  for (size_t i = 0; i < sizes.size(); i++) napi_set_element(env, result, i, fromNumber(env, static_cast<double>(sizes[i])));
  return Napi::Value(env, result);
}

Napi::Value dtype(const Napi::CallbackInfo& info) {
  const auto& tensor = Environment::of(info.Env()).tensors.get(number(info.Env(), info[0], "tensor"));
  return Napi::Number::New(info.Env(), static_cast<int>(tensor.scalar_type()));
}

// The number of tensors, in any thread, that share this one's storage: a gradient is changed in place only when it is
// the only one. Operators such as contiguous, and mailboxes, keep another reference to the very same tensor: those
// count too.
Napi::Value storageUses(const Napi::CallbackInfo& info) {
  const auto& tensor = Environment::of(info.Env()).tensors.get(number(info.Env(), info[0], "tensor"));
  return Napi::Number::New(info.Env(), static_cast<double>(tensor.storage().use_count() + tensor.use_count() - 1));
}

Napi::Value freeTensor(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).tensors.erase(number(info.Env(), info[0], "tensor"));
  return info.Env().Undefined();
}

Napi::Value numTensors(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Environment::of(info.Env()).tensors.size()));
}

Napi::Value seed(const Napi::CallbackInfo& info) {
  auto value = static_cast<uint64_t>(number(info.Env(), info[0], "seed"));
  at::Generator& generator = Environment::of(info.Env()).generator;
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(value);
  return info.Env().Undefined();
}

Napi::Value randomState(const Napi::CallbackInfo& info) {
  Environment& state = Environment::of(info.Env());
  return Napi::Value(info.Env(), fromTensor(state, info.Env(), state.generator.get_state()));
}

Napi::Value setRandomState(const Napi::CallbackInfo& info) {
  Environment& state = Environment::of(info.Env());
  at::Tensor bytes = onHost(state.tensors.get(number(info.Env(), info[0], "state")));
  std::lock_guard<std::mutex> lock(state.generator.mutex());
  state.generator.set_state(bytes);
  return info.Env().Undefined();
}

Napi::Value setNumThreads(const Napi::CallbackInfo& info) {
  at::set_num_threads(static_cast<int>(number(info.Env(), info[0], "threads")));
  return info.Env().Undefined();
}

// isFirst(text): true to the first caller with this text, of all threads: what is said once in a process.
Napi::Value isFirst(const Napi::CallbackInfo& info) {
  static std::mutex mutex;
  // Never destroyed: threads may call until the very end of the process.
  static auto& texts = *new std::set<std::string>();
  std::lock_guard<std::mutex> lock(mutex);
  return Napi::Boolean::New(info.Env(), texts.insert(text(info.Env(), info[0], "text")).second);
}

}  // namespace

void defineTensors(Napi::Object& exports) {
  define<fromBytes>(exports, "fromBytes");
  define<toBytes>(exports, "toBytes");
  define<copyBytes>(exports, "copyBytes");
  define<shape>(exports, "shape");
  define<dtype>(exports, "dtype");
  define<storageUses>(exports, "storageUses");
  define<freeTensor>(exports, "free");
  define<numTensors>(exports, "numTensors");
  define<seed>(exports, "seed");
  define<randomState>(exports, "randomState");
  define<setRandomState>(exports, "setRandomState");
  define<setNumThreads>(exports, "setNumThreads");
  define<isFirst>(exports, "isFirst");
}

}  // namespace dualpipe
