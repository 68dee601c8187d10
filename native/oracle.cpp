// LibTorch's own autograd, through the same dispatcher: tests compare ours with it.
#include "oracle.h"

#include <torch/csrc/autograd/autograd.h>

#include "convert.h"
#include "guard.h"

namespace dualpipe {

namespace {

Napi::Value enable(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).libtorchAutograd = boolean(info.Env(), info[0], "enabled");
  return info.Env().Undefined();
}

Napi::Value requireGradient(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).tensors.get(number(info.Env(), info[0], "tensor")).set_requires_grad(true);
  return info.Env().Undefined();
}

Napi::Value hasGradient(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = Environment::of(info.Env()).tensors.get(number(info.Env(), info[0], "tensor"));
  return Napi::Boolean::New(info.Env(), tensor.requires_grad());
}

// gradients(outputs, inputs, outputGradients): one gradient, or null, for each input.
Napi::Value gradients(const Napi::CallbackInfo& info) {
  Environment& state = Environment::of(info.Env());
  auto outputs = tensors(state, info.Env(), info[0], "outputs");
  auto inputs = tensors(state, info.Env(), info[1], "inputs");
  auto outputGradients = tensors(state, info.Env(), info[2], "outputGradients");
  auto result = torch::autograd::grad(outputs, inputs, outputGradients, c10::nullopt, false, /*allow_unused=*/true);
  // A gradient that is zero by its formula may be a tensor without memory.
  for (at::Tensor& gradient : result)
    if (gradient.defined() && gradient._is_zerotensor()) gradient = gradient.clone();
  return Napi::Value(info.Env(), fromTensors(state, info.Env(), result));
}

}  // namespace

void defineOracle(Napi::Object& exports) {
  auto oracle = Napi::Object::New(exports.Env());
  define<enable>(oracle, "enable");
  define<requireGradient>(oracle, "requireGradient");
  define<hasGradient>(oracle, "hasGradient");
  define<gradients>(oracle, "gradients");
  exports.Set("oracle", oracle);
}

}  // namespace dualpipe
