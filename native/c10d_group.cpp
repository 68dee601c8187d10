// The processes of a run as JavaScript sees them: one bridge to the others, shared by the threads of this process.
#include "c10d_group.h"

#if DUALPIPE_WITH_GLOO

#include "bridge.h"
#include "convert.h"
#include "guard.h"

namespace dualpipe {

namespace {

// The first rank of the process connects while the others wait for it.
struct Connection {
  std::mutex mutex;
  std::shared_ptr<Bridge> bridge;
};

std::mutex connectionsMutex;
// Never destroyed: its threads may outlive the end of main.
auto& connections = *new std::map<std::string, std::shared_ptr<Connection>>();

using Handle = Napi::External<std::shared_ptr<Bridge>>;

Bridge& bridgeOf(const Napi::CallbackInfo& info) { return **info[0].As<Handle>().Data(); }

int integer(const Napi::CallbackInfo& info, size_t index, const char* what) { return static_cast<int>(number(info.Env(), info[index], what)); }

BridgeOptions optionsOf(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  auto given = info[0].As<Napi::Object>();
  auto whole = [&](const char* key) { return static_cast<int>(number(env, given.Get(key), key)); };
  return {text(env, given.Get("name"), "name"), text(env, given.Get("masterAddress"), "masterAddress"), static_cast<uint16_t>(whole("port")),
          boolean(env, given.Get("serves"), "serves"), text(env, given.Get("storePrefix"), "storePrefix"), text(env, given.Get("address"), "address"), whole("process"), whole("numProcesses"), whole("ranksPerProcess"),
          std::chrono::milliseconds(static_cast<int64_t>(number(env, given.Get("timeoutMs"), "timeoutMs")))};
}

// connect(options): blocks until all processes have met.
Napi::Value connect(const Napi::CallbackInfo& info) {
  BridgeOptions options = optionsOf(info);
  std::shared_ptr<Connection> connection;
  {
    std::lock_guard<std::mutex> lock(connectionsMutex);
    auto& found = connections[options.name];
    if (!found) found = std::make_shared<Connection>();
    connection = found;
  }
  std::lock_guard<std::mutex> lock(connection->mutex);
  if (!connection->bridge) connection->bridge = std::make_shared<Bridge>(std::move(options));
  return Handle::New(info.Env(), new std::shared_ptr<Bridge>(connection->bridge), [](Napi::Env, std::shared_ptr<Bridge>* held) { delete held; });
}

Napi::Value open(const Napi::CallbackInfo& info) {
  auto numBoxes = static_cast<size_t>(number(info.Env(), info[2], "boxes"));
  return officeHandle(info.Env(), bridgeOf(info).open(text(info.Env(), info[1], "name"), numBoxes));
}

// send(bridge, office, box, process, tag, tensors)
Napi::Value send(const Napi::CallbackInfo& info) {
  Bridge& bridge = bridgeOf(info);
  Office& office = officeOf(info[1]);
  office.refuseWhenClosed();
  Message message;
  message.office = office.name.substr(bridge.options().name.size());
  message.numBoxes = static_cast<int64_t>(office.boxes.size());
  message.box = integer(info, 2, "box");
  message.letter = tensors(Environment::of(info.Env()), info.Env(), info[5], "tensors");
  bridge.send(integer(info, 3, "process"), integer(info, 4, "tag"), std::move(message));
  return info.Env().Undefined();
}

Napi::Value listen(const Napi::CallbackInfo& info) {
  bridgeOf(info).listen(integer(info, 1, "process"), integer(info, 2, "tag"));
  return info.Env().Undefined();
}

// abort(name, prefix, reason), from any thread of the process. False when there is no such bridge.
Napi::Value abort(const Napi::CallbackInfo& info) {
  std::shared_ptr<Bridge> bridge;
  {
    std::lock_guard<std::mutex> lock(connectionsMutex);
    auto found = connections.find(text(info.Env(), info[0], "name"));
    // Whoever connects holds the mutex, and must not be waited for.
    if (found != connections.end()) {
      std::unique_lock<std::mutex> connected(found->second->mutex, std::try_to_lock);
      if (connected) bridge = found->second->bridge;
    }
  }
  if (bridge) bridge->abort(text(info.Env(), info[1], "prefix"), text(info.Env(), info[2], "reason"));
  return Napi::Boolean::New(info.Env(), bridge != nullptr);
}

// leave(bridge, well): the last rank of the process to leave ends the connections.
Napi::Value leave(const Napi::CallbackInfo& info) {
  auto& held = *info[0].As<Handle>().Data();
  if (!held->leave(boolean(info.Env(), info[1], "well"))) return info.Env().Undefined();
  std::lock_guard<std::mutex> lock(connectionsMutex);
  connections.erase(held->options().name);
  return info.Env().Undefined();
}

}  // namespace

void defineC10d(Napi::Object& exports) {
  auto c10d = Napi::Object::New(exports.Env());
  define<connect>(c10d, "connect");
  define<open>(c10d, "open");
  define<send>(c10d, "send");
  define<listen>(c10d, "listen");
  define<abort>(c10d, "abort");
  define<leave>(c10d, "leave");
  exports.Set("c10d", c10d);
}

}  // namespace dualpipe

#else

namespace dualpipe {
void defineC10d(Napi::Object& exports) { exports.Set("c10d", exports.Env().Null()); }
}  // namespace dualpipe

#endif
