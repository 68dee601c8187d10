// The list of all operators of this LibTorch, from the dispatcher: what each takes, what it returns, and where its
// gradient would come from.
//
// That an operator has a kernel above autograd does not say that it has a gradient: some of those kernels refuse in the
// backward, and some only say that their results have none. Only a call with a gradient shows it.
#include "schemas.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/enum_tag.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "guard.h"

namespace dualpipe {

namespace {

// Where LibTorch's autograd takes the gradient of an operator from: a kernel of its own, the operators that it is made
// of, or nothing.
const char* gradientOf(const c10::OperatorHandle& handle) {
  if (handle.hasKernelForDispatchKey(c10::DispatchKey::Autograd) || handle.hasKernelForDispatchKey(c10::DispatchKey::AutogradCPU))
    return "kernel";
  if (handle.hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd)) return "composite";
  return "none";
}

Napi::Object describeArgument(Napi::Env env, const c10::Argument& argument) {
  auto result = Napi::Object::New(env);
  result.Set("name", argument.name());
  result.Set("type", argument.type()->str());
  result.Set("hasDefault", argument.default_value().has_value());
  result.Set("isWritten", argument.alias_info() != nullptr && argument.alias_info()->isWrite());
  return result;
}

Napi::Object describeSchema(Napi::Env env, const c10::OperatorHandle& handle) {
  const auto& schema = handle.schema();
  auto arguments = Napi::Array::New(env, schema.arguments().size());
  for (uint32_t i = 0; i < arguments.Length(); i++) arguments.Set(i, describeArgument(env, schema.arguments()[i]));
  auto results = Napi::Array::New(env, schema.returns().size());
  for (uint32_t i = 0; i < results.Length(); i++) results.Set(i, schema.returns()[i].type()->str());
  std::ostringstream text;
  text << schema;
  auto result = Napi::Object::New(env);
  result.Set("name", schema.name());
  result.Set("overload", schema.overload_name());
  result.Set("text", text.str());
  result.Set("arguments", arguments);
  result.Set("results", results);
  result.Set("gradient", gradientOf(handle));
  result.Set("isRandom", handle.hasTag(at::Tag::nondeterministic_seeded));
  return result;
}

// schemas(prefix): those of the operators whose names begin with it, sorted.
Napi::Value schemas(const Napi::CallbackInfo& info) {
  std::string prefix = info[0].As<Napi::String>();
  auto& dispatcher = c10::Dispatcher::singleton();
  std::vector<c10::OperatorName> names;
  for (auto& name : dispatcher.getAllOpNames())
    if (name.name.rfind(prefix, 0) == 0) names.push_back(name);
  std::sort(names.begin(), names.end(), [](const c10::OperatorName& a, const c10::OperatorName& b) {
    return std::tie(a.name, a.overload_name) < std::tie(b.name, b.overload_name);
  });
  auto result = Napi::Array::New(info.Env());
  for (const auto& name : names)
    // A name without a schema has kernels, and nothing that they could be called by.
    if (auto handle = dispatcher.findSchema(name)) result.Set(result.Length(), describeSchema(info.Env(), *handle));
  return result;
}

}  // namespace

void defineSchemas(Napi::Object& exports) { define<schemas>(exports, "schemas"); }

}  // namespace dualpipe
