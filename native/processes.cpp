// The connections between the processes of a run, for JavaScript: one bridge per process, shared by its threads.
#include "processes.h"

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "convert.h"
#include "cuda_processes.h"
#include "guard.h"
#include "process_bridge.h"
#include "relayed_store.h"
#include "settlement.h"

namespace dualpipe {

namespace {

std::mutex bridgesMutex;
// By name. Never destroyed: their threads may outlive main.
auto& bridges = *new std::map<std::string, std::shared_ptr<Bridge>>();

using Handle = Napi::External<std::shared_ptr<Bridge>>;
using StoreHandle = Napi::External<c10::intrusive_ptr<RelayedStore>>;

Bridge& bridgeOf(const Napi::CallbackInfo& info) { return **info[0].As<Handle>().Data(); }

int integer(const Napi::CallbackInfo& info, size_t index, const char* what) { return static_cast<int>(number(info.Env(), info[index], what)); }

std::chrono::milliseconds milliseconds(napi_env env, napi_value value, const char* what) {
  return std::chrono::milliseconds(static_cast<int64_t>(number(env, value, what)));
}

std::vector<std::string> texts(const Napi::Value& value, const char* what) {
  auto list = value.As<Napi::Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < list.Length(); i++) result.push_back(text(value.Env(), list.Get(i), what));
  return result;
}

CardNetwork cardNetworkOf(const std::string& name) {
  if (name == "nccl") return CardNetwork::Nccl;
  return name == "host" ? CardNetwork::Host : CardNetwork::Auto;
}

BridgeOptions optionsOf(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  auto given = info[0].As<Napi::Object>();
  auto whole = [&](const char* key) { return static_cast<int>(number(env, given.Get(key), key)); };
  auto time = [&](const char* key) { return milliseconds(env, given.Get(key), key); };
  BridgeOptions options;
  options.name = text(env, given.Get("name"), "name");
  options.address = text(env, given.Get("address"), "address");
  options.process = whole("process");
  options.numProcesses = whole("numProcesses");
  options.ranksPerProcess = whole("ranksPerProcess");
  options.connectTimeout = time("connectTimeoutMs");
  options.leaveTimeout = time("leaveTimeoutMs");
  options.ownTokens = texts(given.Get("ownTokens"), "ownTokens");
  options.theirTokens = texts(given.Get("theirTokens"), "theirTokens");
  options.overGloo = boolean(env, given.Get("overGloo"), "overGloo");
  options.cardNetwork = cardNetworkOf(text(env, given.Get("cardNetwork"), "cardNetwork"));
  return options;
}

RelayedStore::Value bytesOf(const Napi::Value& value) {
  auto bytes = value.As<Napi::Uint8Array>();
  return RelayedStore::Value(bytes.Data(), bytes.Data() + bytes.ByteLength());
}

Napi::Value toBytes(Napi::Env env, const RelayedStore::Value& value) { return Napi::Buffer<uint8_t>::Copy(env, value.data(), value.size()); }

// connect(options, publish) -> { store, connected }: connects to the others, in a thread of its own.
Napi::Value connect(const Napi::CallbackInfo& info) {
  BridgeOptions options = optionsOf(info);
  auto settlement = std::make_shared<Settlement>(info.Env(), info[1].As<Napi::Function>());
  auto store = c10::make_intrusive<RelayedStore>([settlement](const std::string& key, const RelayedStore::Value& value) {
    settlement->call([key, value](Napi::Env env, Napi::Function publish) { publish.Call({Napi::String::New(env, key), toBytes(env, value)}); });
  });
  store->setTimeout(options.connectTimeout);
  auto result = Napi::Object::New(info.Env());
  result.Set("store", StoreHandle::New(info.Env(), new c10::intrusive_ptr<RelayedStore>(store), [](Napi::Env, c10::intrusive_ptr<RelayedStore>* held) { delete held; }));
  result.Set("connected", settlement->promise());
  settle(settlement, [options = std::move(options), store]() -> Settlement::Outcome {
    auto bridge = std::make_shared<Bridge>(options, store);
    std::lock_guard<std::mutex> lock(bridgesMutex);
    bridges[options.name] = std::move(bridge);
    return [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
  });
  return result;
}

// learn(store, key, value)
Napi::Value learn(const Napi::CallbackInfo& info) {
  (*info[0].As<StoreHandle>().Data())->learn(text(info.Env(), info[1], "key"), bytesOf(info[2]));
  return info.Env().Undefined();
}

// exchange(host, port, key, value, timeoutMs) -> the key's value in another program's TCPStore, after setting it to
// `value`; without one it waits until the key is set.
Napi::Value exchange(const Napi::CallbackInfo& info) {
  std::string host = text(info.Env(), info[0], "host");
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(integer(info, 1, "port"));
  options.waitWorkers = false;
  options.timeout = milliseconds(info.Env(), info[4], "timeoutMs");
  std::string key = text(info.Env(), info[2], "key");
  c10::optional<RelayedStore::Value> value;
  if (!isAbsent(info.Env(), info[3])) value = bytesOf(info[3]);
  auto settlement = std::make_shared<Settlement>(info.Env(), Napi::Function::New(info.Env(), [](const Napi::CallbackInfo&) {}));
  settle(settlement, [=]() -> Settlement::Outcome {
    c10d::TCPStore store(host, options);
    if (value) store.set(key, *value);
    auto found = store.get(key);
    return [found](Napi::Env env) { return toBytes(env, found); };
  });
  return settlement->promise();
}

std::shared_ptr<Bridge> findBridge(const std::string& name) {
  std::lock_guard<std::mutex> lock(bridgesMutex);
  auto found = bridges.find(name);
  return found == bridges.end() ? nullptr : found->second;
}

// attach(name): the bridge that this process has connected.
Napi::Value attach(const Napi::CallbackInfo& info) {
  std::string name = text(info.Env(), info[0], "name");
  auto bridge = findBridge(name);
  TORCH_CHECK(bridge != nullptr, "there is no connection by the name ", name);
  return Handle::New(info.Env(), new std::shared_ptr<Bridge>(std::move(bridge)), [](Napi::Env, std::shared_ptr<Bridge>* held) { delete held; });
}

Napi::Value open(const Napi::CallbackInfo& info) {
  auto numMailboxes = static_cast<size_t>(number(info.Env(), info[2], "numMailboxes"));
  return mailboxesHandle(info.Env(), bridgeOf(info).open(text(info.Env(), info[1], "name"), numMailboxes));
}

// send(bridge, mailboxes, mailbox, process, tag, tensors, label, ...phases)
Napi::Value send(const Napi::CallbackInfo& info) {
  Bridge& bridge = bridgeOf(info);
  Mailboxes& mailboxes = mailboxesOf(info[1]);
  Phases phases = phasesOf(info, 7);
  mailboxes.refuseWhenClosedAt(phases);
  Packet packet;
  packet.mailboxes = mailboxes.name.substr(bridge.options().name.size());
  packet.numMailboxes = static_cast<int64_t>(mailboxes.boxes.size());
  packet.mailbox = integer(info, 2, "mailbox");
  packet.mail.label = text(info.Env(), info[6], "label");
  packet.mail.phases = phases;
  packet.mail.message = tensors(Environment::of(info.Env()), info.Env(), info[5], "tensors");
  announceDeparture(packet.mail.message);
  bridge.send(integer(info, 3, "process"), integer(info, 4, "tag"), std::move(packet));
  return info.Env().Undefined();
}

Napi::Value listen(const Napi::CallbackInfo& info) {
  bridgeOf(info).listen(integer(info, 1, "process"), integer(info, 2, "tag"));
  return info.Env().Undefined();
}

// connectCards(bridge, timeoutMs, ends): connects channels, { process, tag, isSender }, of this thread's card. Waits
// for the other processes.
Napi::Value connectCards(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  auto list = info[2].As<Napi::Array>();
  std::vector<CardChannels::End> ends;
  for (uint32_t i = 0; i < list.Length(); i++) {
    auto given = list.Get(i).As<Napi::Object>();
    auto whole = [&](const char* key) { return static_cast<int>(number(env, given.Get(key), key)); };
    ends.push_back({whole("process"), whole("tag"), boolean(env, given.Get("isSender"), "isSender")});
  }
  bridgeOf(info).cards().connect(ends, milliseconds(env, info[1], "timeoutMs"));
  return info.Env().Undefined();
}

// numReceived(bridge, process, tag)
Napi::Value numReceived(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(bridgeOf(info).numReceived(integer(info, 1, "process"), integer(info, 2, "tag"))));
}

// abort(name, prefix, reason, level, fromPhase), from any thread of the process. False when there is no such bridge.
Napi::Value abort(const Napi::CallbackInfo& info) {
  auto bridge = findBridge(text(info.Env(), info[0], "name"));
  if (bridge) bridge->abort(text(info.Env(), info[1], "prefix"), closingOf(info, 2));
  return Napi::Boolean::New(info.Env(), bridge != nullptr);
}

// leave(bridge, well): the last rank of the process to leave ends the connections.
Napi::Value leave(const Napi::CallbackInfo& info) {
  auto& held = *info[0].As<Handle>().Data();
  if (!held->leave(boolean(info.Env(), info[1], "well"))) return info.Env().Undefined();
  std::lock_guard<std::mutex> lock(bridgesMutex);
  bridges.erase(held->options().name);
  return info.Env().Undefined();
}

// disconnect(name): ends the connections of a process whose ranks never attached, or no longer run.
Napi::Value disconnect(const Napi::CallbackInfo& info) {
  std::lock_guard<std::mutex> lock(bridgesMutex);
  bridges.erase(text(info.Env(), info[0], "name"));
  return info.Env().Undefined();
}

}  // namespace

void defineProcesses(Napi::Object& exports) {
  auto processes = Napi::Object::New(exports.Env());
  define<connect>(processes, "connect");
  define<learn>(processes, "learn");
  define<exchange>(processes, "exchange");
  define<attach>(processes, "attach");
  define<open>(processes, "open");
  define<send>(processes, "send");
  define<listen>(processes, "listen");
  define<connectCards>(processes, "connectCards");
  define<numReceived>(processes, "numReceived");
  define<abort>(processes, "abort");
  define<leave>(processes, "leave");
  define<disconnect>(processes, "disconnect");
  processes.Set("hasGloo", Napi::Boolean::New(exports.Env(), DUALPIPE_WITH_GLOO != 0));
  processes.Set("hasNccl", Napi::Boolean::New(exports.Env(), hasNccl()));
  exports.Set("processes", processes);
}

}  // namespace dualpipe
