// A process group of c10d over Gloo: rendezvous at a TCPStore, then point-to-point transfers.
#include "c10d_group.h"

#if DUALPIPE_WITH_GLOO
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "convert.h"
#include "guard.h"

namespace dualpipe {

namespace {

struct Group {
  c10::intrusive_ptr<c10d::TCPStore> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};
using Handle = Napi::External<Group>;

// open(host, port, rank, size, timeoutMs): rank 0 serves the store.
Napi::Value open(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  std::string host = text(env, info[0], "host");
  int rank = static_cast<int>(number(env, info[2], "rank")), size = static_cast<int>(number(env, info[3], "size"));
  std::chrono::milliseconds timeout(static_cast<int64_t>(number(env, info[4], "timeoutMs")));
  c10d::TCPStoreOptions storeOptions;
  storeOptions.port = static_cast<uint16_t>(number(env, info[1], "port"));
  storeOptions.isServer = rank == 0;
  storeOptions.numWorkers = size;
  storeOptions.timeout = timeout;
  auto store = c10::make_intrusive<c10d::TCPStore>(host, storeOptions);
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(host));
  options->threads = 2;
  auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
  return Handle::New(info.Env(), new Group{store, gloo}, [](Napi::Env, Group* group) { delete group; });
}

// send(group, tensor, peer, tag) and receive(group, tensor, peer, tag): both block this thread until done.
Napi::Value send(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  std::vector<at::Tensor> list{Environment::of(env).tensors.get(number(env, info[1], "tensor"))};
  info[0].As<Handle>().Data()->gloo->send(list, static_cast<int>(number(env, info[2], "peer")), static_cast<int>(number(env, info[3], "tag")))->wait();
  return info.Env().Undefined();
}

Napi::Value receive(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  std::vector<at::Tensor> list{Environment::of(env).tensors.get(number(env, info[1], "tensor"))};
  info[0].As<Handle>().Data()->gloo->recv(list, static_cast<int>(number(env, info[2], "peer")), static_cast<int>(number(env, info[3], "tag")))->wait();
  return info.Env().Undefined();
}

Napi::Value close(const Napi::CallbackInfo& info) {
  auto* group = info[0].As<Handle>().Data();
  group->gloo.reset();
  group->store.reset();
  return info.Env().Undefined();
}

}  // namespace

void defineC10d(Napi::Object& exports) {
  auto c10d = Napi::Object::New(exports.Env());
  define<open>(c10d, "open");
  define<send>(c10d, "send");
  define<receive>(c10d, "receive");
  define<close>(c10d, "close");
  exports.Set("c10d", c10d);
}

}  // namespace dualpipe

#else

namespace dualpipe {
void defineC10d(Napi::Object& exports) { exports.Set("c10d", exports.Env().Null()); }
}  // namespace dualpipe

#endif
