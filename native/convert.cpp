#include "convert.h"

#include <algorithm>
#include <sstream>

namespace dualpipe {

double number(napi_env env, napi_value value, const char* what) {
  double result = 0;
  TORCH_CHECK(napi_get_value_double(env, value, &result) == napi_ok, what, " must be a number");
  return result;
}

bool boolean(napi_env env, napi_value value, const char* what) {
  bool result = false;
  TORCH_CHECK(napi_get_value_bool(env, value, &result) == napi_ok, what, " must be true or false");
  return result;
}

std::string text(napi_env env, napi_value value, const char* what) {
  // Every message has a label, which fits; a longer text is measured first.
  char buffer[256];
  size_t length = 0;
  TORCH_CHECK(napi_get_value_string_utf8(env, value, buffer, sizeof(buffer), &length) == napi_ok, what, " must be a string");
  if (length + 4 < sizeof(buffer)) return std::string(buffer, length);
  napi_get_value_string_utf8(env, value, nullptr, 0, &length);
  std::string result(length, '\0');
  napi_get_value_string_utf8(env, value, &result[0], length + 1, &length);
  return result;
}

static uint32_t lengthOf(napi_env env, napi_value value, const char* what) {
  uint32_t length = 0;
  TORCH_CHECK(napi_get_array_length(env, value, &length) == napi_ok, what, " must be an array");
  return length;
}

std::vector<double> numbers(napi_env env, napi_value value, const char* what) {
  uint32_t length = lengthOf(env, value, what);
  std::vector<double> result(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_get_element(env, value, i, &element);
    result[i] = number(env, element, what);
  }
  return result;
}

std::vector<at::Tensor> tensors(Environment& state, napi_env env, napi_value value, const char* what) {
  uint32_t length = lengthOf(env, value, what);
  std::vector<at::Tensor> result(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_get_element(env, value, i, &element);
    if (!isAbsent(env, element)) result[i] = state.tensors.get(number(env, element, what));
  }
  return result;
}

napi_value fromNumber(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value fromTensor(Environment& state, napi_env env, at::Tensor tensor) {
  if (tensor.defined()) return fromNumber(env, state.tensors.insert(std::move(tensor)));
  napi_value null;
  napi_get_null(env, &null);
  return null;
}

napi_value fromTensors(Environment& state, napi_env env, const std::vector<at::Tensor>& list) {
  napi_value result;
  napi_create_array_with_length(env, list.size(), &result);
  for (size_t i = 0; i < list.size(); i++) napi_set_element(env, result, i, fromTensor(state, env, list[i]));
  return result;
}

bool isAbsent(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type == napi_null || type == napi_undefined;
}

// The names that dtypes have in PyTorch and in src/tensor/dtype.ts.
std::string dtypeName(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return "float32";
    case at::kDouble: return "float64";
    case at::kBFloat16: return "bfloat16";
    case at::kHalf: return "float16";
    case at::kLong: return "int64";
    case at::kInt: return "int32";
    case at::kByte: return "uint8";
    case at::kBool: return "bool";
    default: return c10::toString(dtype);
  }
}

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "none";
  std::ostringstream out;
  out << dtypeName(tensor.scalar_type()) << tensor.sizes();
  return out.str();
}

static std::string describeList(const c10::ArrayRef<c10::IValue>& list) {
  constexpr size_t numShown = 6;
  std::string out = "[";
  for (size_t i = 0; i < std::min(list.size(), numShown); i++) out += (i == 0 ? "" : ", ") + describe(list[i]);
  if (list.size() > numShown) out += ", ... " + std::to_string(list.size() - numShown) + " more";
  return out + "]";
}

std::string describe(const c10::IValue& value) {
  if (value.isTensor()) return describe(value.toTensor());
  if (value.isList()) return describeList(value.toListRef());
  if (value.isNone()) return "null";
  if (value.isBool()) return value.toBool() ? "true" : "false";
  if (value.isString()) return '"' + value.toStringRef() + '"';
  if (value.isInt() || value.isDouble()) {
    std::ostringstream out;
    out << value;
    return out.str();
  }
  return value.tagKind();
}

std::string describe(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  bool isArray = false;
  napi_is_array(env, value, &isArray);
  if (isArray) return "an array";
  napi_value asText;
  switch (type) {
    case napi_number:
    case napi_boolean:
      napi_coerce_to_string(env, value, &asText);
      return text(env, asText, "value");
    case napi_string: return '"' + text(env, value, "value") + '"';
    case napi_null: return "null";
    case napi_undefined: return "undefined";
    case napi_bigint: return "a BigInt";
    case napi_function: return "a function";
    default: return "an object";
  }
}

}  // namespace dualpipe
