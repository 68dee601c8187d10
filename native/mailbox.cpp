// Mailboxes: how a rank waits for a message, whatever brings it.
//
// Ranks are threads of this process, each with a JavaScript of its own, and JavaScript cannot hand a tensor to another
// thread. LibTorch's tensors can be: they are reference-counted and thread-safe. So a message is a list of tensors in
// C++, put into a mailbox by one thread and taken out by another, without a copy and without JavaScript's event loop.
//
// A group of ranks has one numbered mailbox for each channel (sender, receiver, kind), a FIFO with a lock of its own,
// and finds the whole set by its name. Only messages of one channel are ordered, so a receiver never waits behind a
// message that it did not ask for. Messages from other processes are put into the same mailboxes by the threads of a
// bridge (process_bridge.cpp), so there is one way to wait: until a message is here, the time is up, or the set is
// closed.
//
// Closing is how a failure travels. It ends every wait, now and later, with the reason, and frees the messages that
// were not taken; the ranks then open a new set under the next name. A rank may fail in a later step than the one that
// a slower rank is still in, whose messages are all on their way. So a set is closed from a phase on: what belongs to
// an earlier phase goes on, and ends well. Invariant: no message of a closed phase is in a set. What a wait was for,
// the caller knows and says; this file throws a code and a reason only.
//
// A message has a label, and a receive says which it expects. Ranks that do not take the same steps would otherwise
// take one another's messages for something else, and train on them.
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

std::string labelOf(const Napi::CallbackInfo& info, size_t index) {
  return isAbsent(info.Env(), info[index]) ? std::string() : text(info.Env(), info[index], "label");
}

// A label that ends with an asterisk matches whatever begins like it.
bool labelsMatch(const std::string& one, const std::string& other) {
  auto covers = [](const std::string& pattern, const std::string& label) {
    return !pattern.empty() && pattern.back() == '*' && label.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
  };
  return one == other || covers(one, other) || covers(other, one);
}

// put(mailboxes, mailbox, tensors, label, ...phases)
Napi::Value put(const Napi::CallbackInfo& info) {
  Mailboxes& mailboxes = mailboxesOf(info[0]);
  Phases phases = phasesOf(info, 4);
  mailboxes.refuseWhenClosedAt(phases);
  double index = number(info.Env(), info[1], "mailbox");
  Message message = tensors(Environment::of(info.Env()), info.Env(), info[2], "tensors");
  departFromCard(message, mailboxes, mailboxes.mailbox(index));
  mailboxes.deliver(index, {std::move(message), labelOf(info, 3), phases});
  return info.Env().Undefined();
}

// take(mailboxes, mailbox, timeoutMs, label, ...phases): the oldest message, which must have this label; waits for it,
// blocking this thread.
Napi::Value take(const Napi::CallbackInfo& info) {
  Mailboxes& mailboxes = mailboxesOf(info[0]);
  Mailbox& mailbox = mailboxes.mailbox(number(info.Env(), info[1], "mailbox"));
  auto timeout = std::chrono::duration<double, std::milli>(number(info.Env(), info[2], "timeoutMs"));
  std::string label = labelOf(info, 3);
  Phases phases = phasesOf(info, 4);
  auto ended = [&] { return !mailbox.mail.empty() || mailboxes.isClosedAt(phases); };
  std::unique_lock<std::mutex> lock(mailbox.mutex);
  for (int i = 0; i < kNumYieldsBeforeSleep && !ended(); i++) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  bool inTime = mailbox.arrived.wait_for(lock, timeout, ended);
  if (mailboxes.isClosedAt(phases)) {
    lock.unlock();
    mailboxes.refuseWhenClosedAt(phases);
  }
  if (!inTime) throw WaitError("TIMEOUT", "no message");
  // It stays, and is refused again until the group is aborted.
  if (!labelsMatch(label, mailbox.mail.front().label)) throw WaitError("MISMATCHED_MESSAGE", mailbox.mail.front().label);
  Message message = std::move(mailbox.mail.front().message);
  mailbox.mail.pop_front();
  lock.unlock();
  arriveOnCard(message, mailboxes, mailbox);
  return Napi::Value(info.Env(), fromTensors(Environment::of(info.Env()), info.Env(), message));
}

// arrived(mailboxes, mailbox, ...phases)
Napi::Value arrived(const Napi::CallbackInfo& info) {
  Mailboxes& mailboxes = mailboxesOf(info[0]);
  mailboxes.refuseWhenClosedAt(phasesOf(info, 2));
  Mailbox& mailbox = mailboxes.mailbox(number(info.Env(), info[1], "mailbox"));
  std::lock_guard<std::mutex> lock(mailbox.mutex);
  return Napi::Boolean::New(info.Env(), !mailbox.mail.empty());
}

// peek(mailboxes, mailbox, ...phases): the label of the oldest message; null when there is none of these phases.
Napi::Value peek(const Napi::CallbackInfo& info) {
  Mailbox& mailbox = mailboxesOf(info[0]).mailbox(number(info.Env(), info[1], "mailbox"));
  Phases phases = phasesOf(info, 2);
  std::lock_guard<std::mutex> lock(mailbox.mutex);
  if (mailbox.mail.empty() || mailbox.mail.front().phases != phases) return info.Env().Null();
  return Napi::String::New(info.Env(), mailbox.mail.front().label);
}

// close(prefix, reason, level, fromPhase)
Napi::Value close(const Napi::CallbackInfo& info) {
  closeMailboxes(text(info.Env(), info[0], "prefix"), closingOf(info, 1));
  return info.Env().Undefined();
}

}  // namespace

Mailbox& Mailboxes::mailbox(double index) {
  TORCH_CHECK(index >= 0 && index < boxes.size(), "there is no mailbox ", index, " among ", boxes.size());
  return boxes[static_cast<size_t>(index)];
}

bool Mailboxes::isClosedAt(const Phases& phases) const {
  for (size_t level = 0; level < kMaxLevels; level++)
    if (phases[level] >= closedFrom[level]) return true;
  return false;
}

void Mailboxes::refuseWhenClosedAt(const Phases& phases) {
  for (size_t level = 0; level < kMaxLevels; level++) {
    if (phases[level] < closedFrom[level]) continue;
    std::lock_guard<std::mutex> lock(mutex);
    throw WaitError("ABORTED", reasons[level]);
  }
}

void Mailboxes::deliver(double index, Mail mail) {
  Mailbox& to = mailbox(index);
  {
    std::lock_guard<std::mutex> lock(to.mutex);
    // Closed in the meantime: its mailboxes were emptied, and this message would never be freed.
    if (isClosedAt(mail.phases)) return;
    TORCH_CHECK(to.mail.size() < kMaxMessages, "a mailbox holds ", kMaxMessages, " messages: its reader has stopped");
    to.mail.push_back(std::move(mail));
  }
  to.arrived.notify_one();
}

void Mailboxes::close(const Closing& closing) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (closing.fromPhase >= closedFrom[closing.level]) return;
    reasons[closing.level] = closing.reason;
    closedFrom[closing.level] = closing.fromPhase;
  }
  for (auto& box : boxes) {
    // Its tensors are freed after the lock is.
    std::vector<Mail> lost;
    std::lock_guard<std::mutex> lock(box.mutex);
    std::deque<Mail> kept;
    for (auto& mail : box.mail)
      if (isClosedAt(mail.phases)) lost.push_back(std::move(mail));
      else kept.push_back(std::move(mail));
    box.mail.swap(kept);
    box.arrived.notify_all();
  }
}

std::shared_ptr<Mailboxes> openMailboxes(const std::string& name, size_t numMailboxes) {
  std::lock_guard<std::mutex> lock(setsMutex);
  auto& mailboxes = sets[name];
  if (!mailboxes) mailboxes = std::make_shared<Mailboxes>(name, numMailboxes);
  TORCH_CHECK(mailboxes->boxes.size() == numMailboxes, "the set ", name, " has ", mailboxes->boxes.size(), " mailboxes, not ", numMailboxes);
  return mailboxes;
}

void closeMailboxes(const std::string& prefix, const Closing& closing) {
  std::vector<std::shared_ptr<Mailboxes>> found;
  {
    std::lock_guard<std::mutex> lock(setsMutex);
    auto next = sets.lower_bound(prefix);
    while (next != sets.end() && next->first.compare(0, prefix.size(), prefix) == 0) {
      found.push_back(next->second);
      next = closing.isWhole() ? sets.erase(next) : std::next(next);
    }
  }
  for (auto& mailboxes : found) mailboxes->close(closing);
}

// None is the first phase: that of a group that has begun no other.
Phases phasesOf(const Napi::CallbackInfo& info, size_t first) {
  Phases phases = kFirstPhases;
  TORCH_CHECK(info.Length() <= first + kMaxLevels, "subgroups can be nested ", kMaxLevels - 1, " deep");
  for (size_t i = first; i < info.Length(); i++) phases[i - first] = static_cast<int64_t>(number(info.Env(), info[i], "phase"));
  return phases;
}

Closing closingOf(const Napi::CallbackInfo& info, size_t first) {
  auto whole = [&](size_t index, const char* what) { return info.Length() > index ? static_cast<int64_t>(number(info.Env(), info[index], what)) : 0; };
  Closing closing;
  closing.reason = text(info.Env(), info[first], "reason");
  closing.level = static_cast<size_t>(whole(first + 1, "level"));
  closing.fromPhase = whole(first + 2, "fromPhase");
  TORCH_CHECK(closing.level < kMaxLevels, "there is no level ", closing.level);
  return closing;
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
  define<peek>(mailbox, "peek");
  define<close>(mailbox, "close");
  exports.Set("mailbox", mailbox);
}

}  // namespace dualpipe
