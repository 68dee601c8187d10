#pragma once
#include <ATen/core/Tensor.h>
#include <napi.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace dualpipe {

// Of a message between cards: the event after which it is there (cuda_transfer.cpp).
class Passage;
// Of a message for a card of another process: when its tensors are computed (cuda_processes.cpp).
class Departure;
// The stream in which messages of one mailbox are copied to another card (cuda_transfer.cpp).
struct CopyEdge;

constexpr int kNoCard = -1;

// Tensors that travel together; an undefined one is absent.
struct Message : std::vector<at::Tensor> {
  Message() = default;
  Message(std::vector<at::Tensor> tensors) : std::vector<at::Tensor>(std::move(tensors)) {}
  // Null for a message whose tensors are all on the CPU.
  std::shared_ptr<Passage> passage;
  std::shared_ptr<Departure> departure;
};

// When something happens: the number of the phase in the group and, before it, in each group that it is a subgroup of.
constexpr size_t kMaxLevels = 4;
constexpr int64_t kNoPhase = INT64_MIN;
using Phases = std::array<int64_t, kMaxLevels>;
constexpr Phases kFirstPhases{0, kNoPhase, kNoPhase, kNoPhase};
// A time at which any closing is over.
constexpr Phases kLastPhases{INT64_MAX - 1, INT64_MAX - 1, INT64_MAX - 1, INT64_MAX - 1};

// A message with what its sender calls it; the receiver must expect the same.
struct Mail {
  Message message;
  std::string label;
  Phases phases = kFirstPhases;
};

struct Mailbox {
  std::mutex mutex;
  std::condition_variable arrived;
  // The reader's card, once it has taken a message from one.
  std::atomic<int> readerCard{kNoCard};
  std::shared_ptr<CopyEdge> edge;
  std::deque<Mail> mail;
};

// The end of a group: from a phase on, at one level.
struct Closing {
  size_t level = 0;
  int64_t fromPhase = 0;
  std::string reason;

  // Nothing comes before it.
  bool isWhole() const { return fromPhase <= 0; }
};

// The mailboxes of one group in one process.
struct Mailboxes : std::enable_shared_from_this<Mailboxes> {
  Mailboxes(std::string name, size_t numMailboxes) : name(std::move(name)), boxes(numMailboxes) {
    for (auto& phase : closedFrom) phase = INT64_MAX;
  }
  const std::string name;
  std::vector<Mailbox> boxes;
  std::mutex mutex;
  // By level.
  std::array<std::atomic<int64_t>, kMaxLevels> closedFrom;
  std::array<std::string, kMaxLevels> reasons;

  Mailbox& mailbox(double index);
  bool isClosedAt(const Phases& phases) const;
  void refuseWhenClosedAt(const Phases& phases);
  void deliver(double mailbox, Mail mail);
  void close(const Closing& closing);
};

// Makes the set at the first call of a name; all threads of the process then find the same one.
std::shared_ptr<Mailboxes> openMailboxes(const std::string& name, size_t numMailboxes);
// Ends every wait of these phases, now and later, in each set whose name has this prefix. After a whole closing the
// names are free again.
void closeMailboxes(const std::string& prefix, const Closing& closing);

Phases phasesOf(const Napi::CallbackInfo& info, size_t first);
Closing closingOf(const Napi::CallbackInfo& info, size_t first);

Napi::Value mailboxesHandle(napi_env env, std::shared_ptr<Mailboxes> mailboxes);
Mailboxes& mailboxesOf(const Napi::Value& handle);

void defineMailbox(Napi::Object& exports);

}  // namespace dualpipe
