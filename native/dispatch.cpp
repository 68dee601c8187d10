// Every operator of LibTorch, without one line of code per operator.
//
// A binding usually has a function for each operator, generated from LibTorch's list: tens of thousands of lines, and
// another set for each version. But LibTorch's dispatcher can also call any operator "boxed": its arguments are
// pushed on a stack of IValues, its results are popped from it, and its schema, known at run time, says what each
// argument is. So:
//
//  - `op(name, overload)` looks an operator up once, turns its schema into a list of ArgumentKinds and gives its
// number;
//  - `call(word, ...arguments)` packs each JavaScript value as its kind says and wraps what comes back. What the caller
//    leaves out gets the schema's default.
//
// Tensors cross as handles, which are numbers. So that a number of the caller's is never taken for a handle, nor a
// handle for a number, the word says which arguments are tensors: it is the operator's number and, above it, one bit
// for each argument. It is still one number, so this costs nothing: a check of bits in place of a second look at each
// value.
//
// Nothing here knows any operator: whatever LibTorch has can be called, and another version of it needs no other code.
//
// Two rules hold for every call. Kernels run below LibTorch's autograd, which would otherwise save tensors that our own
// autograd has saved or freed; only recorded calls (recording.cpp) run above it. And an argument that is a generator is
// always this thread's: LibTorch's default generator belongs to the process, and its numbers would depend on the timing
// of threads.
#include "dispatch.h"

#include <ATen/ScalarOps.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "convert.h"
#include "guard.h"

namespace dualpipe {

namespace {

// The same two numbers are in src/tensor/runtime.ts: a word is below 2^53, exact in a double.
constexpr uint64_t kNumOperatorsMax = uint64_t{1} << 16;
constexpr size_t kNumArgumentsMax = 36;

bool isTensorKind(ArgumentKind kind) {
  return kind == ArgumentKind::Tensor || kind == ArgumentKind::TensorList || kind == ArgumentKind::OptionalTensorList;
}

const char* nameOf(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::Tensor: return "a tensor";
    case ArgumentKind::TensorList:
    case ArgumentKind::OptionalTensorList: return "a list of tensors";
    case ArgumentKind::Int:
    case ArgumentKind::Float:
    case ArgumentKind::Scalar: return "a number";
    case ArgumentKind::Bool: return "true or false";
    case ArgumentKind::String: return "a string";
    case ArgumentKind::IntList:
    case ArgumentKind::FloatList: return "a list of numbers";
    case ArgumentKind::BoolList: return "a list of true and false";
    case ArgumentKind::Device: return "the name of a device";
    case ArgumentKind::Generator: return "left out";
  }
  return "?";
}

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

// The overloads of an operator; the one with no name is `""`. Searches LibTorch's whole list, so it is for errors and
// for what is remembered.
std::vector<c10::OperatorName> overloadsOf(const std::string& name) {
  std::vector<c10::OperatorName> result;
  for (auto& each : c10::Dispatcher::singleton().getAllOpNames())
    if (each.name == name) result.push_back(each);
  return result;
}

// A name as Python writes it, such as `torch.add` or `aten::add.Tensor`: the name in `aten::` that it may mean, and the
// overload after its dot.
std::pair<std::string, std::string> inAten(std::string name) {
  for (const std::string prefix : {"torch.ops.", "torch::", "torch.", "aten::", "aten.", "at::"})
    if (name.rfind(prefix, 0) == 0) name = name.substr(prefix.size());
  auto dot = name.find('.');
  return {"aten::" + name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1)};
}

std::string missingOperator(const std::string& name, const std::string& overload) {
  std::string problem = "this LibTorch has no operator " + name + (overload.empty() ? "" : "." + overload);
  std::string names;
  for (const auto& each : overloadsOf(name))
    names += (names.empty() ? "" : ", ") + (each.overload_name.empty() ? std::string("none") : each.overload_name);
  if (!names.empty()) return problem + "; the overloads of " + name + " are: " + names;
  bool hasNamespace = name.find("::") != std::string::npos;
  auto [meant, meantOverload] = inAten(name);
  if (overloadsOf(meant).empty()) return problem + (hasNamespace ? "" : "; an operator's name has a namespace, such as aten::add");
  if (!meantOverload.empty()) return problem + "; write operator(\"" + meant + "\", \"" + meantOverload + "\")";
  return problem + (hasNamespace ? "; write " : "; an operator's name has a namespace: write ") + meant;
}

Operator lookUp(const std::string& name, const std::string& overload) {
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  TORCH_CHECK(handle.has_value(), missingOperator(name, overload));
  Operator result{*handle, overload.empty() ? name : name + "." + overload, {}};
  TORCH_CHECK(handle->schema().arguments().size() <= kNumArgumentsMax, result.name, " takes more than ", kNumArgumentsMax, " arguments");
  for (const auto& argument : handle->schema().arguments()) {
    auto type = argument.type();
    bool optional = type->kind() == c10::TypeKind::OptionalType;
    if (optional) type = type->castRaw<c10::OptionalType>()->getElementType();
    ArgumentKind kind = kindOf(type, result.name);
    // The gradients of fused attention take undefined tensors for what their forward did not make.
    bool mayBeUndefined = kind == ArgumentKind::Tensor && name.find("attention_backward") != std::string::npos;
    result.arguments.push_back({kind, optional, argument.name(), argument.default_value(), mayBeUndefined});
  }
  return result;
}

// Whether another overload of the operator takes a number for this argument, as `add.Scalar` does for the `other` of
// `add.Tensor`: PyTorch takes a number for the tensor in exactly these cases.
bool takesNumber(const Operator& op, Argument& argument, size_t position) {
  if (argument.takesNumber.has_value()) return *argument.takesNumber;
  argument.takesNumber = false;
  for (const auto& name : overloadsOf(op.handle.operator_name().name)) {
    auto sibling = c10::Dispatcher::singleton().findSchema(name);
    if (!sibling.has_value() || position >= sibling->schema().arguments().size()) continue;
    const auto& other = sibling->schema().arguments()[position];
    auto type = other.type();
    if (type->kind() == c10::TypeKind::OptionalType) type = type->castRaw<c10::OptionalType>()->getElementType();
    if (other.name() == argument.name && type->kind() == c10::TypeKind::NumberType) argument.takesNumber = true;
  }
  return *argument.takesNumber;
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

// What is given in place of a tensor: a number where the operator takes one, as a tensor of no dimensions that leaves
// the dtype to the real tensors.
c10::IValue packNoTensor(napi_env env, const Operator& op, Argument& argument, size_t position, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  bool isNumber = type == napi_number || type == napi_boolean;
  if (isNumber && takesNumber(op, argument, position)) return at::native::wrapped_scalar_tensor(toScalar(env, value, argument.name.c_str()));
  TORCH_CHECK(!isNumber, argument.name, " must be a tensor, and this operator takes no number for it; got ", describe(env, value),
              "; make it a tensor, such as runtime.full([], ", describe(env, value), ")");
  TORCH_CHECK(false, argument.name, " must be a tensor; got ", describe(env, value));
}

// A list without a tensor in it, in place of a list of tensors: it may be empty, or have only absent tensors.
void refuseNumbers(napi_env env, napi_value value, const char* what) {
  uint32_t length = 0;
  TORCH_CHECK(napi_get_array_length(env, value, &length) == napi_ok, what, " must be a list of tensors; got ", describe(env, value));
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_get_element(env, value, i, &element);
    TORCH_CHECK(isAbsent(env, element), what, " must be a list of tensors; got ", describe(env, element), " at position ", i,
                "; make it a tensor: runtime.tensor([...])");
  }
}

c10::IValue pack(Environment& state, napi_env env, const Operator& op, Argument& argument, size_t position, napi_value value, bool isTensor) {
  const char* what = argument.name.c_str();
  TORCH_CHECK(!isTensor || isTensorKind(argument.kind), what, " must be ", nameOf(argument.kind), "; got a tensor; read its value with tensor.item()");
  switch (argument.kind) {
    case ArgumentKind::Tensor:
      if (isTensor) return state.tensors.get(number(env, value, what));
      return packNoTensor(env, op, argument, position, value);
    case ArgumentKind::TensorList:
      if (!isTensor) refuseNumbers(env, value, what);
      return c10::List<at::Tensor>(tensors(state, env, value, what));
    case ArgumentKind::OptionalTensorList: {
      if (!isTensor) refuseNumbers(env, value, what);
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

c10::IValue packOrDefault(Environment& state, napi_env env, Operator& op, size_t position, napi_value value, bool isTensor) {
  Argument& argument = op.arguments[position];
  if (argument.kind == ArgumentKind::Generator) return state.generator;
  napi_valuetype type = napi_undefined;
  if (value != nullptr) napi_typeof(env, value, &type);
  if (type == napi_undefined) {
    if (argument.defaultValue.has_value()) return *argument.defaultValue;
    TORCH_CHECK(argument.optional, argument.name, " is missing and has no default");
    return c10::IValue();
  }
  if (type == napi_null && argument.mayBeUndefined) return at::Tensor();
  if (type == napi_null) {
    TORCH_CHECK(argument.optional, argument.name, " must not be null");
    return c10::IValue();
  }
  return pack(state, env, op, argument, position, value, isTensor);
}

// A number that an operator returns comes as a tensor of no dimensions: as a number it would be taken for a handle.
napi_value unpack(Environment& state, napi_env env, c10::IValue value) {
  if (value.isTensor()) return fromTensor(state, env, std::move(value).toTensor());
  if (value.isTensorList()) return fromTensors(state, env, value.toTensorVector());
  if (value.isBool() || value.isInt() || value.isDouble()) return fromTensor(state, env, c10::scalar_to_tensor(value.toScalar()));
  if (value.isNone()) return fromTensor(state, env, at::Tensor());
  TORCH_CHECK(false, "it returns a ", value.tagKind(), ", which cannot be passed to JavaScript");
}

// The arguments as an error shows them, from the JavaScript values: LibTorch may have consumed what was on the stack.
std::vector<std::string> describeArguments(Environment& state, Operator& op, const Word& word, const Napi::CallbackInfo& info,
                                           size_t first) {
  std::vector<std::string> result;
  for (size_t i = 0; i + first < info.Length(); i++) {
    try {
      if (i < op.arguments.size() && isTensorKind(op.arguments[i].kind) != word.isTensor(i)) {
        result.push_back(word.isTensor(i) ? "a tensor" : describe(info.Env(), info[i + first]));
        continue;
      }
      const Argument& argument = op.arguments.at(i);
      c10::IValue value = packOrDefault(state, info.Env(), op, i, info[i + first], word.isTensor(i));
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

// What was wrong with an argument, and what the operator takes.
std::string withSchema(const std::exception& exception, const Operator& op) {
  auto* ofLibTorch = dynamic_cast<const c10::Error*>(&exception);
  std::ostringstream text;
  text << (ofLibTorch ? ofLibTorch->what_without_backtrace() : exception.what()) << "; its schema is " << op.handle.schema();
  return text.str();
}

// Puts the arguments from the position `first` on the stack and calls `invoke`, which leaves the results there.
template <typename Invoke>
void execute(const Napi::CallbackInfo& info, Word word, size_t first, const Invoke& invoke) {
  napi_env env = info.Env();
  Environment& state = Environment::of(env);
  TORCH_CHECK(word.op < state.operators.size(), "no operator of this thread has the number ", word.op);
  Operator& op = state.operators[word.op];
  state.stack.clear();
  bool isPacked = false;
  try {
    size_t numGiven = info.Length() - first;
    TORCH_CHECK(numGiven <= op.arguments.size(), "it takes at most ", op.arguments.size(), " arguments; got ", numGiven);
    for (size_t i = 0; i < op.arguments.size(); i++) {
      napi_value value = i < numGiven ? static_cast<napi_value>(info[i + first]) : nullptr;
      // Nearly every argument is a tensor; for one, nothing needs to be asked about the value.
      if (word.isTensor(i) && op.arguments[i].kind == ArgumentKind::Tensor)
        state.stack.emplace_back(state.tensors.get(number(env, value, op.arguments[i].name.c_str())));
      else
        state.stack.push_back(packOrDefault(state, env, op, i, value, word.isTensor(i)));
    }
    isPacked = true;
    invoke(state, op);
  } catch (const std::exception& e) {
    state.stack.clear();
    auto arguments = describeArguments(state, op, word, info, first);
    if (isPacked) throw libTorchError(env, e, op.name, arguments);
    throw libTorchError(env, std::runtime_error(withSchema(e, op)), op.name, arguments);
  }
}

// call(word, ...arguments), leaving the results on the stack.
void execute(const Napi::CallbackInfo& info) { execute(info, Word(number(info.Env(), info[0], "operator")), 1, invoke); }

Napi::Value lookUpOperator(const Napi::CallbackInfo& info) {
  Environment& state = Environment::of(info.Env());
  TORCH_CHECK(state.operators.size() < kNumOperatorsMax, "at most ", kNumOperatorsMax, " operators can be looked up in one thread");
  state.operators.push_back(lookUp(text(info.Env(), info[0], "name"), text(info.Env(), info[1], "overload")));
  return Napi::Number::New(info.Env(), state.operators.size() - 1);
}

Napi::Value call(const Napi::CallbackInfo& info) {
  execute(info);
  napi_env env = info.Env();
  Environment& state = Environment::of(env);
  if (state.stack.size() == 1) {
    napi_value result = unpack(state, env, std::move(state.stack[0]));
    state.stack.clear();
    return Napi::Value(env, result);
  }
  napi_value results;
  napi_create_array_with_length(env, state.stack.size(), &results);
  for (size_t i = 0; i < state.stack.size(); i++) napi_set_element(env, results, i, unpack(state, env, std::move(state.stack[i])));
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

Word::Word(double word) : op(static_cast<uint64_t>(word) % kNumOperatorsMax), tensorBits(static_cast<uint64_t>(word) / kNumOperatorsMax) {}

void executeWith(const Napi::CallbackInfo& info, Word word, size_t first, const std::function<void(Environment&, Operator&)>& invoke) {
  execute(info, word, first, invoke);
}

void defineDispatch(Napi::Object& exports) {
  define<lookUpOperator>(exports, "op");
  define<call>(exports, "call");
  define<callInPlace>(exports, "callInPlace");
}

}  // namespace dualpipe
