// Mailboxes between the threads of one process: a tensor is handed over without a copy.
// A post office holds numbered boxes, each a FIFO; a wait ends with a letter, a time-out or the office's closing.
#include "mailbox.h"

#include <chrono>
#include <map>
#include <thread>

#include "convert.h"
#include "guard.h"

namespace dualpipe {

namespace {

constexpr size_t kMaxLetters = 1 << 16;
// A neighbour's answer is often microseconds away, less than a sleep and a wake-up cost.
constexpr int kNumYieldsBeforeSleep = 64;

std::mutex officesMutex;
std::map<std::string, std::shared_ptr<Office>> offices;

using Handle = Napi::External<std::shared_ptr<Office>>;

Napi::Value open(const Napi::CallbackInfo& info) {
  std::string name = text(info.Env(), info[0], "name");
  return officeHandle(info.Env(), openOffice(name, static_cast<size_t>(number(info.Env(), info[1], "boxes"))));
}

Napi::Value post(const Napi::CallbackInfo& info) {
  Office& office = officeOf(info[0]);
  office.refuseWhenClosed();
  office.deliver(number(info.Env(), info[1], "box"), tensors(Environment::of(info.Env()), info.Env(), info[2], "tensors"));
  return info.Env().Undefined();
}

// take(office, box, timeoutMs): the oldest letter; waits for it, blocking this thread.
Napi::Value take(const Napi::CallbackInfo& info) {
  Office& office = officeOf(info[0]);
  Box& box = office.box(number(info.Env(), info[1], "box"));
  auto timeout = std::chrono::duration<double, std::milli>(number(info.Env(), info[2], "timeoutMs"));
  std::unique_lock<std::mutex> lock(box.mutex);
  for (int i = 0; i < kNumYieldsBeforeSleep && box.letters.empty() && !office.closed; i++) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  bool ready = box.arrived.wait_for(lock, timeout, [&] { return !box.letters.empty() || office.closed; });
  if (box.letters.empty()) {
    lock.unlock();
    office.refuseWhenClosed();
    if (!ready) throw WaitError("TIMEOUT", "nothing arrived within " + std::to_string(static_cast<int64_t>(timeout.count())) + " ms");
  }
  Letter letter = std::move(box.letters.front());
  box.letters.pop_front();
  lock.unlock();
  return Napi::Value(info.Env(), fromTensors(Environment::of(info.Env()), info.Env(), letter));
}

Napi::Value arrived(const Napi::CallbackInfo& info) {
  Office& office = officeOf(info[0]);
  office.refuseWhenClosed();
  Box& box = office.box(number(info.Env(), info[1], "box"));
  std::lock_guard<std::mutex> lock(box.mutex);
  return Napi::Boolean::New(info.Env(), !box.letters.empty());
}

Napi::Value close(const Napi::CallbackInfo& info) {
  closeOffices(text(info.Env(), info[0], "prefix"), text(info.Env(), info[1], "reason"));
  return info.Env().Undefined();
}

}  // namespace

Box& Office::box(double index) {
  TORCH_CHECK(index >= 0 && index < boxes.size(), "there is no box ", index, " among ", boxes.size());
  return boxes[static_cast<size_t>(index)];
}

void Office::refuseWhenClosed() {
  if (!closed.load()) return;
  std::lock_guard<std::mutex> lock(mutex);
  throw WaitError("ABORTED", closedBecause);
}

void Office::deliver(double index, Letter letter) {
  Box& to = box(index);
  {
    std::lock_guard<std::mutex> lock(to.mutex);
    // Closed in the meantime: its boxes were emptied, and nobody would free this letter.
    if (closed.load()) return;
    TORCH_CHECK(to.letters.size() < kMaxLetters, "a mailbox holds ", kMaxLetters, " letters: its reader has stopped");
    to.letters.push_back(std::move(letter));
  }
  to.arrived.notify_one();
}

std::shared_ptr<Office> openOffice(const std::string& name, size_t numBoxes) {
  std::lock_guard<std::mutex> lock(officesMutex);
  auto& office = offices[name];
  if (!office) office = std::make_shared<Office>(name, numBoxes);
  TORCH_CHECK(office->boxes.size() == numBoxes, "the mailboxes ", name, " are ", office->boxes.size(), ", not ", numBoxes);
  return office;
}

void closeOffices(const std::string& prefix, const std::string& reason) {
  std::vector<std::shared_ptr<Office>> closing;
  {
    std::lock_guard<std::mutex> lock(officesMutex);
    auto found = offices.lower_bound(prefix);
    while (found != offices.end() && found->first.compare(0, prefix.size(), prefix) == 0) {
      closing.push_back(found->second);
      found = offices.erase(found);
    }
  }
  for (auto& office : closing) {
    {
      std::lock_guard<std::mutex> lock(office->mutex);
      office->closedBecause = reason;
      office->closed = true;
    }
    for (auto& box : office->boxes) {
      std::lock_guard<std::mutex> lock(box.mutex);
      box.letters.clear();
      box.arrived.notify_all();
    }
  }
}

Napi::Value officeHandle(napi_env env, std::shared_ptr<Office> office) {
  return Handle::New(env, new std::shared_ptr<Office>(std::move(office)), [](Napi::Env, std::shared_ptr<Office>* held) { delete held; });
}

Office& officeOf(const Napi::Value& handle) { return **handle.As<Handle>().Data(); }

void defineMailbox(Napi::Object& exports) {
  auto mailbox = Napi::Object::New(exports.Env());
  define<open>(mailbox, "open");
  define<post>(mailbox, "post");
  define<take>(mailbox, "take");
  define<arrived>(mailbox, "arrived");
  define<close>(mailbox, "close");
  exports.Set("mailbox", mailbox);
}

}  // namespace dualpipe
