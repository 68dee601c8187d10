// Mailboxes: how a rank waits for a message, whatever brings it.
//
// Ranks are threads of this process, each with a JavaScript of its own, and JavaScript cannot hand a tensor to another
// thread. LibTorch's tensors can be: they are reference-counted and thread-safe. So a message is a list of tensors in
// C++, put into a mailbox by one thread and taken out by another, without a copy and without JavaScript's event loop.
//
// A group of ranks has one numbered mailbox for each channel (sender, receiver, kind), a FIFO with a lock of its own,
// and finds the whole set by its name. Only messages of one channel are ordered, so a receiver never waits behind a
// message that it did not ask for. Messages from other processes are put into the same mailboxes by Gloo's threads
// (gloo_bridge.cpp), so there is one way to wait: until a message is here, the time is up, or the set is closed.
//
// Closing is how a failure travels. It ends every wait, now and later, with the reason, frees the messages that were
// not taken, and frees the name: the ranks then open a new set under the next name. Invariant: no message enters a
// closed set. What a wait was for, the caller knows and says; this file throws a code and a reason only.
#include "mailbox.h"

#include <chrono>
#include <map>
#include <thread>

#include "convert.h"
#include "cuda.h"
#include "guard.h"

namespace dualpipe {

namespace {

constexpr size_t kMaxMessages = 1 << 16;
// A neighbour's answer is often microseconds away: less than it costs to sleep and to wake up.
constexpr int kNumYieldsBeforeSleep = 64;

std::mutex setsMutex;
// Never destroyed: messages that no rank took hold tensors, and freeing those at exit needs other statics.
auto& sets = *new std::map<std::string, std::shared_ptr<Mailboxes>>();

using Handle = Napi::External<std::shared_ptr<Mailboxes>>;

Napi::Value open(const Napi::CallbackInfo& info) {
  std::string name = text(info.Env(), info[0], "name");
  return mailboxesHandle(info.Env(), openMailboxes(name, static_cast<size_t>(number(info.Env(), info[1], "numMailboxes"))));
}

// put(mailboxes, mailbox, tensors)
Napi::Value put(const Napi::CallbackInfo& info) {
  Mailboxes& mailboxes = mailboxesOf(info[0]);
  mailboxes.refuseWhenClosed();
  double index = number(info.Env(), info[1], "mailbox");
  Message message = tensors(Environment::of(info.Env()), info.Env(), info[2], "tensors");
  departFromCard(message, mailboxes.mailbox(index));
  mailboxes.deliver(index, std::move(message));
  return info.Env().Undefined();
}

// take(mailboxes, mailbox, timeoutMs): the oldest message; waits for it, blocking this thread.
Napi::Value take(const Napi::CallbackInfo& info) {
  Mailboxes& mailboxes = mailboxesOf(info[0]);
  Mailbox& mailbox = mailboxes.mailbox(number(info.Env(), info[1], "mailbox"));
  auto timeout = std::chrono::duration<double, std::milli>(number(info.Env(), info[2], "timeoutMs"));
  std::unique_lock<std::mutex> lock(mailbox.mutex);
  for (int i = 0; i < kNumYieldsBeforeSleep && mailbox.messages.empty() && !mailboxes.closed; i++) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  bool ready = mailbox.arrived.wait_for(lock, timeout, [&] { return !mailbox.messages.empty() || mailboxes.closed; });
  if (mailbox.messages.empty()) {
    lock.unlock();
    mailboxes.refuseWhenClosed();
    if (!ready) throw WaitError("TIMEOUT", "no message");
  }
  Message message = std::move(mailbox.messages.front());
  mailbox.messages.pop_front();
  lock.unlock();
  arriveOnCard(message, mailbox);
  return Napi::Value(info.Env(), fromTensors(Environment::of(info.Env()), info.Env(), message));
}

Napi::Value arrived(const Napi::CallbackInfo& info) {
  Mailboxes& mailboxes = mailboxesOf(info[0]);
  mailboxes.refuseWhenClosed();
  Mailbox& mailbox = mailboxes.mailbox(number(info.Env(), info[1], "mailbox"));
  std::lock_guard<std::mutex> lock(mailbox.mutex);
  return Napi::Boolean::New(info.Env(), !mailbox.messages.empty());
}

Napi::Value close(const Napi::CallbackInfo& info) {
  closeMailboxes(text(info.Env(), info[0], "prefix"), text(info.Env(), info[1], "reason"));
  return info.Env().Undefined();
}

}  // namespace

Mailbox& Mailboxes::mailbox(double index) {
  TORCH_CHECK(index >= 0 && index < boxes.size(), "there is no mailbox ", index, " among ", boxes.size());
  return boxes[static_cast<size_t>(index)];
}

void Mailboxes::refuseWhenClosed() {
  if (!closed.load()) return;
  std::lock_guard<std::mutex> lock(mutex);
  throw WaitError("ABORTED", closedBecause);
}

void Mailboxes::deliver(double index, Message message) {
  Mailbox& to = mailbox(index);
  {
    std::lock_guard<std::mutex> lock(to.mutex);
    // Closed in the meantime: its mailboxes were emptied, and this message would never be freed.
    if (closed.load()) return;
    TORCH_CHECK(to.messages.size() < kMaxMessages, "a mailbox holds ", kMaxMessages, " messages: its reader has stopped");
    to.messages.push_back(std::move(message));
  }
  to.arrived.notify_one();
}

std::shared_ptr<Mailboxes> openMailboxes(const std::string& name, size_t numMailboxes) {
  std::lock_guard<std::mutex> lock(setsMutex);
  auto& mailboxes = sets[name];
  if (!mailboxes) mailboxes = std::make_shared<Mailboxes>(name, numMailboxes);
  TORCH_CHECK(mailboxes->boxes.size() == numMailboxes, "the set ", name, " has ", mailboxes->boxes.size(), " mailboxes, not ", numMailboxes);
  return mailboxes;
}

void closeMailboxes(const std::string& prefix, const std::string& reason) {
  std::vector<std::shared_ptr<Mailboxes>> closing;
  {
    std::lock_guard<std::mutex> lock(setsMutex);
    auto found = sets.lower_bound(prefix);
    while (found != sets.end() && found->first.compare(0, prefix.size(), prefix) == 0) {
      closing.push_back(found->second);
      found = sets.erase(found);
    }
  }
  for (auto& mailboxes : closing) {
    {
      std::lock_guard<std::mutex> lock(mailboxes->mutex);
      mailboxes->closedBecause = reason;
      mailboxes->closed = true;
    }
    for (auto& mailbox : mailboxes->boxes) {
      std::lock_guard<std::mutex> lock(mailbox.mutex);
      mailbox.messages.clear();
      mailbox.arrived.notify_all();
    }
  }
}

Napi::Value mailboxesHandle(napi_env env, std::shared_ptr<Mailboxes> mailboxes) {
  return Handle::New(env, new std::shared_ptr<Mailboxes>(std::move(mailboxes)), [](Napi::Env, std::shared_ptr<Mailboxes>* held) { delete held; });
}

Mailboxes& mailboxesOf(const Napi::Value& handle) { return **handle.As<Handle>().Data(); }

void defineMailbox(Napi::Object& exports) {
  auto mailbox = Napi::Object::New(exports.Env());
  define<open>(mailbox, "open");
  define<put>(mailbox, "put");
  define<take>(mailbox, "take");
  define<arrived>(mailbox, "arrived");
  define<close>(mailbox, "close");
  exports.Set("mailbox", mailbox);
}

}  // namespace dualpipe
