#include "guard.h"

#include <new>

#include "environment.h"

namespace dualpipe {

namespace {

std::string firstLine(const std::string& message) { return message.substr(0, message.find('\n')); }

std::string problemOf(const std::exception& exception) {
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) return "out of memory";
  if (auto* ofLibTorch = dynamic_cast<const c10::Error*>(&exception)) return firstLine(ofLibTorch->what_without_backtrace());
  return firstLine(exception.what());
}

bool isOutOfMemory(const std::exception& exception) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&exception) != nullptr || dynamic_cast<const std::bad_alloc*>(&exception) != nullptr;
}

Napi::Value setErrorClass(const Napi::CallbackInfo& info) {
  TORCH_CHECK(info[0].IsFunction(), "an error class must be a function");
  Environment::of(info.Env()).errorClass = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

}  // namespace

Napi::Error libTorchError(Napi::Env env, const std::exception& exception, const std::string& op, const std::vector<std::string>& arguments) {
  const char* code = isOutOfMemory(exception) ? "OUT_OF_MEMORY" : "LIBTORCH";
  std::string problem = problemOf(exception);
  auto& errorClass = Environment::of(env).errorClass;
  // A thread without a runtime, which only connects processes, has registered no class.
  if (errorClass.IsEmpty()) return error(env, code, problem);
  auto texts = Napi::Array::New(env, arguments.size());
  for (uint32_t i = 0; i < arguments.size(); i++) texts.Set(i, arguments[i]);
  Napi::Value name = op.empty() ? env.Undefined() : Napi::String::New(env, op);
  return Napi::Error(env, errorClass.New({Napi::String::New(env, code), Napi::String::New(env, problem), name, texts}));
}

void defineErrors(Napi::Object& exports) { define<setErrorClass>(exports, "setErrorClass"); }

}  // namespace dualpipe
