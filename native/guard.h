// The one place where C++ exceptions become JavaScript errors.
#pragma once

#include <c10/util/Exception.h>
#include <napi.h>

namespace dualpipe {

inline Napi::Error error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error result = Napi::Error::New(env, message);
  result.Set("code", Napi::String::New(env, code));
  return result;
}

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
  } catch (const c10::Error& e) {
    throw error(info.Env(), "LIBTORCH", e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    throw error(info.Env(), "OUT_OF_MEMORY", "out of memory");
  } catch (const std::exception& e) {
    throw error(info.Env(), "LIBTORCH", e.what());
  }
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void define(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), guarded<function>, name));
}

}  // namespace dualpipe
