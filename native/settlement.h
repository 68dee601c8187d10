// A promise that a C++ thread settles, and a JavaScript function that the thread may call before it does.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "guard.h"

namespace dualpipe {

class Settlement {
 public:
  // Makes the promise's value, in JavaScript's thread.
  using Outcome = std::function<Napi::Value(Napi::Env)>;
  using Call = std::function<void(Napi::Env, Napi::Function)>;

  Settlement(Napi::Env env, const Napi::Function& function)
      : deferred_(Napi::Promise::Deferred::New(env)), function_(Napi::ThreadSafeFunction::New(env, function, "dualpipe", 0, 1)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  // Does nothing once the promise is settled, or while the environment is torn down.
  void call(Call call) {
    std::lock_guard<std::mutex> lock(mutex_);
    enqueue(std::move(call));
  }

  void resolve(Outcome outcome) {
    settle([deferred = deferred_, outcome = std::move(outcome)](Napi::Env env, Napi::Function) { deferred.Resolve(outcome(env)); });
  }

  void reject(const std::string& code, const std::string& message) {
    settle([deferred = deferred_, code, message](Napi::Env env, Napi::Function) { deferred.Reject(error(env, code.c_str(), message).Value()); });
  }

 private:
  void enqueue(Call call) {
    if (!settled_) function_.NonBlockingCall([call = std::move(call)](Napi::Env env, Napi::Function function) { call(env, function); });
  }

  void settle(Call call) {
    std::lock_guard<std::mutex> lock(mutex_);
    enqueue(std::move(call));
    settled_ = true;
    function_.Release();
  }

  std::mutex mutex_;
  bool settled_ = false;
  Napi::Promise::Deferred deferred_;
  Napi::ThreadSafeFunction function_;
};

// Runs `body` in a thread of its own.
inline void settle(std::shared_ptr<Settlement> settlement, std::function<Settlement::Outcome()> body) {
  std::thread([settlement = std::move(settlement), body = std::move(body)] {
    try {
      settlement->resolve(body());
    } catch (const c10::Error& e) {
      settlement->reject("LIBTORCH", e.what_without_backtrace());
    } catch (const std::exception& e) {
      settlement->reject("LIBTORCH", e.what());
    }
  }).detach();
}

}  // namespace dualpipe
