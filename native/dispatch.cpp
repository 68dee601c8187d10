// Every operator of LibTorch, without one line of code per operator.
//
// A binding usually has a function for each operator, generated from LibTorch's list: tens of thousands of lines, and
// another set for each version. But LibTorch's dispatcher can also call any operator "boxed": its arguments are
// pushed on a stack of IValues, its results are popped from it, and its schema, known at run time, says what each
// argument is. So:
//
//  - `op(name, overload)` looks an operator up once, turns its schema into a list of ArgumentKinds and gives its
//    number;
//  - `call(number, ...arguments)` packs each JavaScript value as its kind says, a tensor as its handle, and wraps what
//    comes back. What the caller leaves out gets the schema's default.
//
// Nothing here knows any operator: whatever LibTorch has can be called, and another version of it needs no other code.
//
// Two rules hold for every call. Kernels run below LibTorch's autograd, which would otherwise save tensors that our own
// autograd has saved or freed. And an argument that is a generator is always this thread's: LibTorch's default
// generator belongs to the process, and its numbers would depend on the timing of threads.
#include "dispatch.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <cmath>

#include "convert.h"
#include "guard.h"

namespace dualpipe {

namespace {

ArgumentKind kindOf(const c10::TypePtr& type, const std::string& where) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return ArgumentKind::Tensor;
    case c10::TypeKind::IntType: return ArgumentKind::Int;
    case c10::TypeKind::FloatType: return ArgumentKind::Float;
    case c10::TypeKind::BoolType: return ArgumentKind::Bool;
    case c10::TypeKind::NumberType: return ArgumentKind::Scalar;
    case c10::TypeKind::StringType: return ArgumentKind::String;
    case c10::TypeKind::DeviceObjType: return ArgumentKind::Device;
    case c10::TypeKind::GeneratorType: return ArgumentKind::Generator;
    case c10::TypeKind::ListType: {
      auto element = type->castRaw<c10::ListType>()->getElementType();
      if (element->kind() == c10::TypeKind::OptionalType) return ArgumentKind::OptionalTensorList;
      switch (element->kind()) {
        case c10::TypeKind::TensorType: return ArgumentKind::TensorList;
        case c10::TypeKind::IntType: return ArgumentKind::IntList;
        case c10::TypeKind::FloatType: return ArgumentKind::FloatList;
        case c10::TypeKind::BoolType: return ArgumentKind::BoolList;
        default: break;
      }
      break;
    }
    default: break;
  }
  TORCH_CHECK(false, where, " takes a ", type->str(), ", which cannot be passed from JavaScript");
}

Operator lookUp(const std::string& name, const std::string& overload) {
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  TORCH_CHECK(handle.has_value(), "this LibTorch has no operator ", name, overload.empty() ? "" : ".", overload);
  Operator result{*handle, overload.empty() ? name : name + "." + overload, {}};
  for (const auto& argument : handle->schema().arguments()) {
    auto type = argument.type();
    bool optional = type->kind() == c10::TypeKind::OptionalType;
    if (optional) type = type->castRaw<c10::OptionalType>()->getElementType();
    result.arguments.push_back({kindOf(type, result.name), optional, argument.name(), argument.default_value()});
  }
  return result;
}

c10::Scalar toScalar(napi_env env, napi_value value, const char* what) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  if (type == napi_boolean) return boolean(env, value, what);
  double x = number(env, value, what);
  // A whole number is an integer, so that int64 tensors stay int64; float tensors keep their dtype either way.
  if (std::floor(x) == x && std::abs(x) < 9007199254740992.0) return static_cast<int64_t>(x);
  return x;
}

template <typename T>
c10::IValue numberList(napi_env env, napi_value value, const char* what) {
  c10::List<T> list;
  for (double x : numbers(env, value, what)) list.push_back(static_cast<T>(x));
  return list;
}

c10::IValue boolList(napi_env env, napi_value value, const char* what) {
  uint32_t length = 0;
  TORCH_CHECK(napi_get_array_length(env, value, &length) == napi_ok, what, " must be an array");
  c10::List<bool> list;
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_get_element(env, value, i, &element);
    list.push_back(boolean(env, element, what));
  }
  return list;
}

c10::IValue pack(Environment& state, napi_env env, const Argument& argument, napi_value value) {
  const char* what = argument.name.c_str();
  switch (argument.kind) {
    case ArgumentKind::Tensor: return state.tensors.get(number(env, value, what));
    case ArgumentKind::TensorList: return c10::List<at::Tensor>(tensors(state, env, value, what));
    case ArgumentKind::OptionalTensorList: {
      c10::List<c10::optional<at::Tensor>> list;
      for (auto& tensor : tensors(state, env, value, what))
        list.push_back(tensor.defined() ? c10::optional<at::Tensor>(tensor) : c10::nullopt);
      return list;
    }
    case ArgumentKind::Int: return static_cast<int64_t>(number(env, value, what));
    case ArgumentKind::Float: return number(env, value, what);
    case ArgumentKind::Bool: return boolean(env, value, what);
    case ArgumentKind::Scalar: return toScalar(env, value, what);
    case ArgumentKind::String: return text(env, value, what);
    case ArgumentKind::IntList: return numberList<int64_t>(env, value, what);
    case ArgumentKind::FloatList: return numberList<double>(env, value, what);
    case ArgumentKind::BoolList: return boolList(env, value, what);
    case ArgumentKind::Device: return c10::Device(text(env, value, what));
    case ArgumentKind::Generator: break;
  }
  TORCH_CHECK(false, what, " is the thread's own generator and cannot be passed");
}

c10::IValue packOrDefault(Environment& state, napi_env env, const Argument& argument, napi_value value) {
  if (argument.kind == ArgumentKind::Generator) return state.generator;
  napi_valuetype type = napi_undefined;
  if (value != nullptr) napi_typeof(env, value, &type);
  if (type == napi_undefined) {
    if (argument.defaultValue.has_value()) return *argument.defaultValue;
    TORCH_CHECK(argument.optional, argument.name, " is missing and has no default");
    return c10::IValue();
  }
  if (type == napi_null) {
    TORCH_CHECK(argument.optional, argument.name, " must not be null");
    return c10::IValue();
  }
  return pack(state, env, argument, value);
}

napi_value unpack(Environment& state, napi_env env, const c10::IValue& value) {
  napi_value result;
  if (value.isTensor()) return fromTensor(state, env, value.toTensor());
  if (value.isTensorList()) return fromTensors(state, env, value.toTensorVector());
  if (value.isBool()) {
    napi_get_boolean(env, value.toBool(), &result);
    return result;
  }
  if (value.isInt()) return fromNumber(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return fromNumber(env, value.toDouble());
  if (value.isNone()) {
    napi_get_null(env, &result);
    return result;
  }
  TORCH_CHECK(false, "it returns a ", value.tagKind(), ", which cannot be passed to JavaScript");
}

// The arguments as an error shows them, from the JavaScript values: LibTorch may have consumed what was on the stack.
std::vector<std::string> describeArguments(Environment& state, const Operator& op, const Napi::CallbackInfo& info) {
  std::vector<std::string> result;
  for (size_t i = 0; i + 1 < info.Length(); i++) {
    try {
      const Argument& argument = op.arguments.at(i);
      c10::IValue value = packOrDefault(state, info.Env(), argument, info[i + 1]);
      bool isDtype = argument.name == "dtype" && value.isInt();
      result.push_back(isDtype ? dtypeName(static_cast<at::ScalarType>(value.toInt())) : describe(value));
    } catch (const std::exception&) {
      result.push_back("?");
    }
  }
  return result;
}

void invoke(Environment& state, const Operator& op) {
  if (state.libtorchAutograd) {
    op.handle.callBoxed(&state.stack);
    return;
  }
  at::AutoDispatchBelowADInplaceOrView belowAutograd;
  op.handle.callBoxed(&state.stack);
}

// call(op, ...arguments), leaving the results on the stack.
const Operator& execute(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  Environment& state = Environment::of(env);
  auto index = static_cast<size_t>(number(env, info[0], "operator"));
  TORCH_CHECK(index < state.operators.size(), "no operator of this thread has the number ", index);
  const Operator& op = state.operators[index];
  state.stack.clear();
  try {
    TORCH_CHECK(info.Length() - 1 <= op.arguments.size(), "it takes at most ", op.arguments.size(), " arguments; got ", info.Length() - 1);
    for (size_t i = 0; i < op.arguments.size(); i++)
      state.stack.push_back(packOrDefault(state, env, op.arguments[i], i + 1 < info.Length() ? static_cast<napi_value>(info[i + 1]) : nullptr));
    invoke(state, op);
  } catch (const std::exception& e) {
    state.stack.clear();
    throw libTorchError(env, e, op.name, describeArguments(state, op, info));
  }
  return op;
}

Napi::Value lookUpOperator(const Napi::CallbackInfo& info) {
  Environment& state = Environment::of(info.Env());
  state.operators.push_back(lookUp(text(info.Env(), info[0], "name"), text(info.Env(), info[1], "overload")));
  return Napi::Number::New(info.Env(), state.operators.size() - 1);
}

Napi::Value call(const Napi::CallbackInfo& info) {
  execute(info);
  napi_env env = info.Env();
  Environment& state = Environment::of(env);
  if (state.stack.size() == 1) {
    napi_value result = unpack(state, env, state.stack[0]);
    state.stack.clear();
    return Napi::Value(env, result);
  }
  napi_value results;
  napi_create_array_with_length(env, state.stack.size(), &results);
  for (size_t i = 0; i < state.stack.size(); i++) napi_set_element(env, results, i, unpack(state, env, state.stack[i]));
  state.stack.clear();
  return Napi::Value(env, results);
}

// For in-place operators: what they return is their own argument, which has a handle already.
Napi::Value callInPlace(const Napi::CallbackInfo& info) {
  execute(info);
  Environment::of(info.Env()).stack.clear();
  return info.Env().Undefined();
}

}  // namespace

void defineDispatch(Napi::Object& exports) {
  define<lookUpOperator>(exports, "op");
  define<call>(exports, "call");
  define<callInPlace>(exports, "callInPlace");
}

}  // namespace dualpipe
