// Conversions between JavaScript values and the few C++ types that cross the boundary. `what` names the value in
// errors.
#pragma once

#include "environment.h"

namespace dualpipe {

double number(napi_env env, napi_value value, const char* what);
bool boolean(napi_env env, napi_value value, const char* what);
std::string text(napi_env env, napi_value value, const char* what);
std::vector<double> numbers(napi_env env, napi_value value, const char* what);
// A list of handles, where null or undefined is an absent (undefined) tensor.
std::vector<at::Tensor> tensors(Environment& state, napi_env env, napi_value value, const char* what);
napi_value fromNumber(napi_env env, double value);
// The tensor's new handle, or null when the tensor is undefined.
napi_value fromTensor(Environment& state, napi_env env, at::Tensor tensor);
napi_value fromTensors(Environment& state, napi_env env, const std::vector<at::Tensor>& list);
bool isAbsent(napi_env env, napi_value value);
std::string dtypeName(at::ScalarType dtype);
// As errors show it, such as `float32[2, 3]`.
std::string describe(const at::Tensor& tensor);
// The same for any argument of an operator; of a long list, its first elements.
std::string describe(const c10::IValue& value);
// The same for a value of JavaScript that no operator can be called with.
std::string describe(napi_env env, napi_value value);

}  // namespace dualpipe
