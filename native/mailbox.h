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

// Tensors that travel together; an undefined one is absent.
using Message = std::vector<at::Tensor>;

struct Mailbox {
  std::mutex mutex;
  std::condition_variable arrived;
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
