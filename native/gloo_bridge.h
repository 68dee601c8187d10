// One process's connections to the other processes of a run, over Gloo; see gloo_bridge.cpp.
#pragma once

#if DUALPIPE_WITH_GLOO
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <map>
#include <memory>
#include <set>

#include "frame.h"
#include "mailbox.h"

namespace dualpipe {

struct BridgeOptions {
  // Unique in this process; the prefix of the names of its sets of mailboxes.
  std::string name;
  // The address at which this process listens for the others.
  std::string address;
  int process;
  int numProcesses;
  int ranksPerProcess;
  // The time that the others have to connect.
  std::chrono::milliseconds connectTimeout;
  // The time that they have to leave, once this process has left.
  std::chrono::milliseconds leaveTimeout;
  // By process: the first bytes that this process sends to it, and the first that it must send.
  std::vector<std::string> ownTokens;
  std::vector<std::string> theirTokens;
};

// The sending or the receiving end of a channel, with its thread.
class ChannelEnd {
 public:
  virtual ~ChannelEnd() = default;
  // Ends the thread, whatever it is waiting for.
  void stop();

 protected:
  // False when stopped.
  bool finish(const c10::intrusive_ptr<c10d::Work>& work);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  c10::intrusive_ptr<c10d::Work> current_;
  std::thread thread_;
};

class Bridge {
 public:
  // Blocks until all processes are connected and have shown their tokens. The store is needed until then. Throws when
  // one of them does not come within the timeout, or another program answers in its place.
  Bridge(BridgeOptions options, const c10::intrusive_ptr<c10d::Store>& store);
  ~Bridge();

  void send(int process, int tag, Packet packet);
  // Receives the channel's messages from now on.
  void listen(int process, int tag);
  // How many of the channel's messages have arrived in their mailboxes.
  int64_t numReceived(int process, int tag);
  // Closes sets of mailboxes here and in all processes. `prefix` does not include the bridge's name.
  void abort(const std::string& prefix, const Closing& closing);
  // Opens a set of mailboxes; it is closed at once, or from a phase on, when an abort of it came before.
  std::shared_ptr<Mailboxes> open(const std::string& name, size_t numMailboxes);
  // Returns true to the last rank of this process to leave. That rank waits until everything sent is on its way and,
  // when all ranks ended well, until the other processes leave.
  bool leave(bool well);

  const BridgeOptions& options() const { return options_; }
  c10d::ProcessGroupGloo& gloo() { return *gloo_; }
  void received(int process, Packet packet);
  void disconnected(int process, const std::string& why);

 private:
  using Channel = std::pair<int, int>;
  class Outbox;
  class Inbox;

  int controlTag() const;
  void exchangeTokens();
  void nameChannelsWithMessages();
  void recordAbort(const std::string& prefix, const Closing& closing);
  // True when all sets of mailboxes are closed. Call with the lock.
  bool isAborted() const;
  bool flush(std::chrono::milliseconds timeout);

  const BridgeOptions options_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Channel, std::unique_ptr<Outbox>> outboxes_;
  std::map<Channel, std::unique_ptr<Inbox>> inboxes_;
  // Prefixes of closed sets of mailboxes, oldest first: late messages to them are dropped.
  std::vector<std::pair<std::string, Closing>> aborts_;
  std::set<int> gone_;
  int numLeft_ = 0;
  bool allWell_ = true;
  bool leaving_ = false;
  // True while the bridge is destroyed: no channel begins any more.
  bool isClosed_ = false;
};

}  // namespace dualpipe

#endif
