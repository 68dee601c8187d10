// One process's connections to the other processes of a run; see process_bridge.cpp.
#pragma once

#include <map>
#include <memory>
#include <set>

#include <thread>

#include "card_channels.h"
#include "frame.h"
#include "mailbox.h"
#include "wire.h"

namespace dualpipe {

struct BridgeOptions : WireOptions {
  // Unique in this process; the prefix of the names of its sets of mailboxes.
  std::string name;
  int ranksPerProcess;
  // The time that the others have to leave, once this process has left.
  std::chrono::milliseconds leaveTimeout;
  // Over Gloo, or else over sockets.
  bool overGloo;
  CardNetwork cardNetwork;
};

// The sending or the receiving end of a channel, with its thread.
class ChannelEnd {
 public:
  virtual ~ChannelEnd() = default;
  // Ends the thread, whatever it is waiting for.
  void stop();

 protected:
  // False when stopped.
  bool finish(const std::shared_ptr<Transfer>& transfer);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::shared_ptr<Transfer> current_;
  std::thread thread_;
};

class Bridge : public std::enable_shared_from_this<Bridge> {
 public:
  // Blocks until all processes are connected and have shown their tokens. The store is needed until then. Throws when
  // one of them does not come within the timeout, or another program answers in its place.
  Bridge(BridgeOptions options, const StorePointer& store);
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
  Wire& wire() { return *wire_; }
  CardChannels& cards() { return cards_; }
  void received(int process, Packet packet);
  // Keeps the tensors that another process copies until it returns them. Returns their number.
  int64_t lend(Message message);
  // Tells a process that its tensors have been copied.
  void giveBack(int process, int64_t loan);
  void disconnected(int process, const std::string& why);

 private:
  using Channel = std::pair<int, int>;
  class Outbox;
  class Inbox;

  int controlTag() const;
  CardChannels::Callbacks cardCallbacks();
  void introduce();
  void nameChannelsWithMessages();
  void recordAbort(const std::string& prefix, const Closing& closing);
  // True when all sets of mailboxes are closed. Call with the lock.
  bool isAborted() const;
  bool flush(std::chrono::milliseconds timeout);

  const BridgeOptions options_;
  CardChannels cards_;
  std::unique_ptr<Wire> wire_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Channel, std::unique_ptr<Outbox>> outboxes_;
  std::map<Channel, std::unique_ptr<Inbox>> inboxes_;
  // Prefixes of closed sets of mailboxes, oldest first: late messages to them are dropped.
  std::vector<std::pair<std::string, Closing>> aborts_;
  // Messages that other processes copy from this one's cards.
  std::map<int64_t, Message> loans_;
  int64_t numLoans_ = 0;
  std::set<int> gone_;
  int numLeft_ = 0;
  bool allWell_ = true;
  bool leaving_ = false;
  // True while the bridge is destroyed: no channel begins any more.
  bool isClosed_ = false;
};

}  // namespace dualpipe
