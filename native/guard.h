// The one place where C++ exceptions become JavaScript errors.
//
// Every exported function is wrapped by `define`, so no C++ exception crosses into the JavaScript engine, where it
// would end the process. There are two kinds of errors:
//  - A wait that ended early, in the mailbox or the network, is a plain error with the code ABORTED or TIMEOUT. The
//    transport layer makes it a TransportError: only that layer knows who waited for what.
//  - Everything else is a LibTorchError of src/tensor/errors.ts, which the first Runtime of a thread registers. It has
//    the first line of LibTorch's message, without the C++ backtrace, and, from dispatch.cpp, the operator and its
//    arguments.
//
// Messages have one style, that of src/errors: the rule, then `; got ` and what was given.
#pragma once

#include <c10/util/Exception.h>
#include <napi.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace dualpipe {

inline Napi::Error error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error result = Napi::Error::New(env, message);
  result.Set("code", Napi::String::New(env, code));
  return result;
}

// A LibTorchError with the code OUT_OF_MEMORY or LIBTORCH; `op` is empty for a function that is no operator.
Napi::Error libTorchError(Napi::Env env, const std::exception& exception, const std::string& op = "",
                          const std::vector<std::string>& arguments = {});

// An ended wait: the mailbox or the network gave up on a peer. Its code tells the engine which.
struct WaitError : std::runtime_error {
  WaitError(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
  const char* code;
};

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (const WaitError& e) {
    throw error(info.Env(), e.code, e.what());
  } catch (const std::exception& e) {
    throw libTorchError(info.Env(), e);
  }
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void define(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), guarded<function>, name));
}

void defineErrors(Napi::Object& exports);

}  // namespace dualpipe
