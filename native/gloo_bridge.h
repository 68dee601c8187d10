// Letters between the processes of a run, over Gloo.
// Each channel (a directed edge between two ranks, of one kind) has threads of its own at both ends, so that none waits
// for another; what arrives is put into the mailboxes of this process, where ranks wait for it.
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
  // Unique in this process; the names of its post offices begin so.
  std::string name;
  // Where this process listens for the others.
  std::string address;
  int process;
  int numProcesses;
  int ranksPerProcess;
  // How long the others have to connect.
  std::chrono::milliseconds connectTimeout;
  // How long they have to leave, once this process has.
  std::chrono::milliseconds leaveTimeout;
  // By process: what it is told first, and what it must say first.
  std::vector<std::string> ownTokens;
  std::vector<std::string> theirTokens;
};

// One direction of a channel.
class ChannelEnd {
 public:
  virtual ~ChannelEnd() = default;
  // Ends the thread, whatever it waits for.
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
  // one of them is not there within the timeout, or somebody else took its place.
  Bridge(BridgeOptions options, const c10::intrusive_ptr<c10d::Store>& store);
  ~Bridge();

  void send(int process, int tag, Message message);
  // Messages of the channel are taken from now on.
  void listen(int process, int tag);
  // Closes the offices here and in all processes. `prefix` is without the bridge's name.
  void abort(const std::string& prefix, const std::string& reason);
  // The office, closed already when an abort of it was heard before.
  std::shared_ptr<Office> open(const std::string& name, size_t numBoxes);
  // True when the last rank of this process leaves. It waits until what was sent is on its way and, when all left well,
  // until the others leave, too.
  bool leave(bool well);

  const BridgeOptions& options() const { return options_; }
  c10d::ProcessGroupGloo& gloo() { return *gloo_; }
  void received(int process, Message message);
  void lost(int process, const std::string& why);

 private:
  using Channel = std::pair<int, int>;
  class Outbox;
  class Inbox;

  int controlTag() const;
  void exchangeTokens();
  void recordAbort(const std::string& prefix, const std::string& reason);
  const std::string* abortReason(const std::string& office);
  bool flush(std::chrono::milliseconds timeout);

  const BridgeOptions options_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Channel, std::unique_ptr<Outbox>> outboxes_;
  std::map<Channel, std::unique_ptr<Inbox>> inboxes_;
  // Prefixes of offices that were closed, oldest first: late letters to them are dropped.
  std::vector<std::pair<std::string, std::string>> aborts_;
  std::set<int> gone_;
  int numLeft_ = 0;
  bool allWell_ = true;
  bool leaving_ = false;
};

}  // namespace dualpipe

#endif
