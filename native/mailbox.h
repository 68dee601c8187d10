#pragma once
#include <ATen/core/Tensor.h>
#include <napi.h>

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
// The stream in which messages of one mailbox are copied to another card (cuda_transfer.cpp).
struct CopyEdge;

constexpr int kNoCard = -1;

// Tensors that travel together; an undefined one is absent.
struct Message : std::vector<at::Tensor> {
  Message() = default;
  Message(std::vector<at::Tensor> tensors) : std::vector<at::Tensor>(std::move(tensors)) {}
  // Null for a message whose tensors are all on the CPU.
  std::shared_ptr<Passage> passage;
};

struct Mailbox {
  std::mutex mutex;
  std::condition_variable arrived;
  // The reader's card, once it has taken a message from one.
  std::atomic<int> readerCard{kNoCard};
  std::shared_ptr<CopyEdge> edge;
  std::deque<Message> messages;
};

// The mailboxes of one group in one process.
struct Mailboxes {
  Mailboxes(std::string name, size_t numMailboxes) : name(std::move(name)), boxes(numMailboxes) {}
  const std::string name;
  std::vector<Mailbox> boxes;
  std::mutex mutex;
  std::string closedBecause;
  std::atomic<bool> closed{false};

  Mailbox& mailbox(double index);
  void refuseWhenClosed();
  void deliver(double mailbox, Message message);
};

// Makes the set at the first call of a name; all threads of the process then find the same one.
std::shared_ptr<Mailboxes> openMailboxes(const std::string& name, size_t numMailboxes);
// Ends every wait, now and later, in each set whose name has this prefix; the names are free again.
void closeMailboxes(const std::string& prefix, const std::string& reason);

Napi::Value mailboxesHandle(napi_env env, std::shared_ptr<Mailboxes> mailboxes);
Mailboxes& mailboxesOf(const Napi::Value& handle);

void defineMailbox(Napi::Object& exports);

}  // namespace dualpipe
