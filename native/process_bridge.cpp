// Messages between the processes of a run.
//
// A wire (wire.h), such as Gloo, has blocking sends and receives between two processes, told apart by a number (the
// tag). It knows no mailboxes, no sizes, no reasons for a failure, and one timeout of Gloo's closes every connection.
// Built on that, a rank must be able to send without waiting for the receiver, one slow channel must not hold up
// another, and a failure must reach every rank with its reason.
//
// So each channel (a directed edge between two ranks, of one kind) has a thread at both ends. The Outbox packs packets
// into frames and sends them one after another; the Inbox receives frames and puts their messages into the mailboxes
// (mailbox.cpp), where ranks wait as they wait for messages of their own process. The wire's waits never time out: how
// long a rank waits is decided at its mailbox.
//
// A receive needs the size of the frame in advance. Both ends predict it from the frame kNumAhead before, so that
// kNumAhead receives can be posted ahead and equal frames, which a training step sends, need no round trip. A larger
// frame is announced, and follows on a tag of its own. Invariant: both ends of a channel predict from the same sequence
// of sizes.
//
// A control channel per process carries aborts and goodbyes. A connection that breaks before a goodbye aborts
// everything. A send ends only when the other end receives, and that starts when a rank first waits for the channel. So
// a process that leaves names the channels on which messages are left, or it would wait for ranks that never will.
#include "process_bridge.h"

#include <cstring>

#include "cuda_processes.h"
#include "guard.h"

namespace dualpipe {

namespace {

// Receives posted ahead on a channel: the next frame can travel while the one before is unpacked.
constexpr size_t kNumAhead = 2;
// Frames up to this size are never announced.
constexpr int64_t kMinFrameBytes = 1024;
// Gloo closes all connections when one of its waits times out.
constexpr std::chrono::hours kForever(24 * 365);
// The time that the last packets of a failed process have to go out.
constexpr std::chrono::milliseconds kFarewell(2000);
// One for frames of the expected size, one for announced frames.
constexpr int kTagsPerChannel = 2;

// The size of the frame kNumAhead before.
class ExpectedSize {
 public:
  int64_t next() const { return std::max(kMinFrameBytes, sizes_[index_ % kNumAhead]); }
  void was(int64_t numBytes) { sizes_[index_++ % kNumAhead] = numBytes; }

 private:
  int64_t sizes_[kNumAhead] = {};
  size_t index_ = 0;
};

}  // namespace

void ChannelEnd::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    if (current_) current_->abort();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool ChannelEnd::finish(const std::shared_ptr<Transfer>& transfer) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_) return false;
    current_ = transfer;
  }
  bool done = transfer->wait(kForever);
  std::lock_guard<std::mutex> lock(mutex_);
  current_.reset();
  return done && !stopped_;
}

class Bridge::Outbox : public ChannelEnd {
 public:
  Outbox(Bridge& bridge, Channel channel) : bridge_(bridge), channel_(channel) {
    thread_ = std::thread([this] { run(); });
  }
  ~Outbox() override { stop(); }

  void push(Packet packet) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      packets_.push_back(std::move(packet));
    }
    changed_.notify_all();
  }

  bool isEmpty() {
    std::lock_guard<std::mutex> lock(mutex_);
    return packets_.empty();
  }

  bool flush(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_until(lock, deadline, [&] { return stopped_ || broken_ || packets_.empty(); });
  }

 private:
  void run() {
    try {
      while (sendNext()) {
      }
    } catch (const c10::Error& e) {
      bridge_.disconnected(channel_.first, e.what_without_backtrace());
    } catch (const std::exception& e) {
      bridge_.disconnected(channel_.first, e.what());
    }
    std::lock_guard<std::mutex> lock(mutex_);
    broken_ = true;
    changed_.notify_all();
  }

  bool sendNext() {
    at::Tensor frame;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return stopped_ || !packets_.empty(); });
      if (stopped_) return false;
      Packet& first = packets_.front();
      lock.unlock();
      if (hasTensorOnCard(first.mail.message) && !departFromCard(first)) return false;
      frame = packFrame(first);
      // Frees the tensors, or gives them back to a sender that changes them in place.
      first.mail.message = {};
    }
    int64_t numBytes = frame.numel();
    bool expected = numBytes <= expected_.next();
    expected_.was(numBytes);
    if (!expected && !transmit(packAnnouncement(numBytes), channel_.second)) return false;
    if (!transmit(frame, expected ? channel_.second : channel_.second + 1)) return false;
    std::lock_guard<std::mutex> lock(mutex_);
    packets_.pop_front();
    changed_.notify_all();
    return true;
  }

  // False when stopped.
  bool departFromCard(Packet& packet) {
    auto [process, tag] = channel_;
    Message& message = packet.mail.message;
    CardWay way = bridge_.cards().way(process, tag);
    packet.cardLabel = cardLabel(message, way);
    if (way == CardWay::Handles) {
      packet.loan = bridge_.lend(message);
      return true;
    }
    auto isStopped = [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      return stopped_;
    };
    if (!awaitDeparture(message, isStopped)) return false;
    if (way == CardWay::Nccl) bridge_.cards().find(tag)->send(tensorsOnCard(message));
    else copyToHost(message);
    return true;
  }

  bool transmit(const at::Tensor& bytes, int tag) {
    return finish(bridge_.wire().send(bytes, channel_.first, tag));
  }

  Bridge& bridge_;
  const Channel channel_;
  std::deque<Packet> packets_;
  ExpectedSize expected_;
  bool broken_ = false;
};

class Bridge::Inbox : public ChannelEnd {
 public:
  Inbox(Bridge& bridge, Channel channel) : bridge_(bridge), channel_(channel) {
    thread_ = std::thread([this] { run(); });
  }
  ~Inbox() override { stop(); }

  int64_t numReceived() const { return numReceived_.load(); }

 private:
  struct Posted {
    at::Tensor frame;
    std::shared_ptr<Transfer> transfer;
  };

  void run() {
    try {
      for (size_t i = 0; i < kNumAhead; i++) posted_.push_back(post(kMinFrameBytes, channel_.second));
      while (receiveNext()) {
      }
    } catch (const c10::Error& e) {
      bridge_.disconnected(channel_.first, e.what_without_backtrace());
    } catch (const std::exception& e) {
      bridge_.disconnected(channel_.first, e.what());
    }
  }

  bool receiveNext() {
    Posted next = std::move(posted_.front());
    posted_.pop_front();
    if (!finish(next.transfer)) return false;
    int64_t numBytes = frameBytes(next.frame);
    if (isAnnouncement(next.frame)) {
      next = post(numBytes, channel_.second + 1);
      if (!finish(next.transfer)) return false;
    }
    posted_.push_back(post(std::max(kMinFrameBytes, numBytes), channel_.second));
    // A small message must not keep a large frame alive.
    bool roomy = next.frame.numel() > 2 * numBytes;
    Packet packet = unpackFrame(roomy ? next.frame.narrow(0, 0, numBytes).clone() : next.frame);
    if (packet.kind == PacketKind::Message && !packet.cardLabel.empty()) arriveOnCard(packet);
    bridge_.received(channel_.first, std::move(packet));
    numReceived_++;
    return true;
  }

  void arriveOnCard(Packet& packet) {
    auto giveBack = [bridge = bridge_.weak_from_this(), process = channel_.first, loan = packet.loan] {
      if (auto alive = bridge.lock()) alive->giveBack(process, loan);
    };
    auto channel = [this] { return bridge_.cards().awaitConnected(channel_.second); };
    arrivals_.accept(packet.mail.message, packet.cardLabel, channel, std::move(giveBack));
  }

  Posted post(int64_t numBytes, int tag) {
    at::Tensor frame = emptyFrame(numBytes);
    return {frame, bridge_.wire().receive(frame, channel_.first, tag)};
  }

  Bridge& bridge_;
  const Channel channel_;
  Arrivals arrivals_;
  std::deque<Posted> posted_;
  // Messages that are in their mailboxes.
  std::atomic<int64_t> numReceived_{0};
};

namespace {

std::unique_ptr<Wire> connectWire(const BridgeOptions& options, const StorePointer& store) {
#if DUALPIPE_WITH_GLOO
  if (options.overGloo) return connectGloo(options, store);
#endif
  TORCH_CHECK(!options.overGloo, "this LibTorch has no Gloo");
  return connectSockets(options, store);
}

}  // namespace

Bridge::Bridge(BridgeOptions options, const StorePointer& store)
    : options_(std::move(options)), cards_(options_.cardNetwork, cardCallbacks()), wire_(connectWire(options_, store)) {
  introduce();
  for (int process = 0; process < options_.numProcesses; process++)
    if (process != options_.process) listen(process, controlTag());
}

CardChannels::Callbacks Bridge::cardCallbacks() {
  CardChannels::Callbacks callbacks;
  callbacks.sendIdentity = [this](int process, int tag, const std::string& identity) {
    Packet packet;
    packet.kind = PacketKind::Identity;
    packet.mailbox = tag;
    packet.cardLabel = identity;
    send(process, controlTag(), std::move(packet));
  };
  callbacks.disconnected = [this](int process, const std::string& why) { disconnected(process, why); };
  return callbacks;
}

// Gloo accepts the first connection, whichever program makes it; so each process first proves that it belongs to the
// run. Then comes what the others must know of it.
void Bridge::introduce() {
  std::vector<std::shared_ptr<Transfer>> transfers;
  // Buffers must outlive the transfers.
  std::vector<at::Tensor> own, theirs;
  const std::string introduction = cards_.introduction();
  std::vector<int> processes;
  for (int process = 0; process < options_.numProcesses; process++) {
    if (process == options_.process) continue;
    std::string text = options_.ownTokens.at(process) + introduction;
    own.push_back(emptyFrame(static_cast<int64_t>(text.size())));
    std::memcpy(own.back().data_ptr(), text.data(), text.size());
    theirs.push_back(emptyFrame(static_cast<int64_t>(options_.theirTokens.at(process).size() + introduction.size())));
    processes.push_back(process);
  }
  for (size_t i = 0; i < processes.size(); i++) {
    transfers.push_back(wire_->receive(theirs[i], processes[i], controlTag()));
    transfers.push_back(wire_->send(own[i], processes[i], controlTag()));
  }
  for (auto& transfer : transfers)
    TORCH_CHECK(transfer->wait(options_.connectTimeout), "a process did not answer within ", options_.connectTimeout.count(), " ms");
  for (size_t i = 0; i < processes.size(); i++) {
    const std::string& expected = options_.theirTokens.at(processes[i]);
    TORCH_CHECK(std::memcmp(theirs[i].data_ptr(), expected.data(), expected.size()) == 0, "another program answered in the place of process ", processes[i]);
    auto* introduced = static_cast<const char*>(theirs[i].data_ptr()) + expected.size();
    cards_.learnHost(processes[i], std::string(introduced, introduction.size()));
  }
}

Bridge::~Bridge() {
  // Outboxes may wait in a transfer.
  cards_.close();
  std::map<Channel, std::unique_ptr<Outbox>> outboxes;
  std::map<Channel, std::unique_ptr<Inbox>> inboxes;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    leaving_ = true;
    isClosed_ = true;
    outboxes.swap(outboxes_);
    inboxes.swap(inboxes_);
  }
}

int Bridge::controlTag() const {
  int numRanks = options_.numProcesses * options_.ranksPerProcess;
  // After the tags of all channels: edges between ranks, times at most 16 kinds.
  return numRanks * numRanks * 16 * kTagsPerChannel;
}

void Bridge::send(int process, int tag, Packet packet) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto& outbox = outboxes_[{process, tag}];
  if (!outbox) outbox = std::make_unique<Outbox>(*this, Channel{process, tag});
  outbox->push(std::move(packet));
}

void Bridge::listen(int process, int tag) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (isClosed_) return;
  auto& inbox = inboxes_[{process, tag}];
  if (!inbox) inbox = std::make_unique<Inbox>(*this, Channel{process, tag});
}

int64_t Bridge::numReceived(int process, int tag) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = inboxes_.find({process, tag});
  return found == inboxes_.end() ? 0 : found->second->numReceived();
}

void Bridge::abort(const std::string& prefix, const Closing& closing) {
  recordAbort(prefix, closing);
  Packet packet;
  packet.kind = PacketKind::Abort;
  packet.mailboxes = prefix;
  packet.closing = closing;
  for (int process = 0; process < options_.numProcesses; process++)
    if (process != options_.process) send(process, controlTag(), packet);
}

void Bridge::recordAbort(const std::string& prefix, const Closing& closing) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    aborts_.emplace_back(prefix, closing);
    changed_.notify_all();
  }
  if (prefix.empty()) cards_.abort(closing.reason);
  closeMailboxes(options_.name + prefix, closing);
}

bool Bridge::isAborted() const {
  for (const auto& [prefix, closing] : aborts_)
    if (prefix.empty()) return true;
  return false;
}

std::shared_ptr<Mailboxes> Bridge::open(const std::string& name, size_t numMailboxes) {
  auto mailboxes = openMailboxes(options_.name + name, numMailboxes);
  std::vector<Closing> closings;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [prefix, closing] : aborts_)
      if (name.compare(0, prefix.size(), prefix) == 0) closings.push_back(closing);
  }
  for (const auto& closing : closings) closeMailboxes(options_.name + name, closing);
  return mailboxes;
}

void Bridge::received(int process, Packet packet) {
  switch (packet.kind) {
    case PacketKind::Message: {
      auto mailboxes = open(packet.mailboxes, static_cast<size_t>(packet.numMailboxes));
      mailboxes->deliver(static_cast<double>(packet.mailbox), std::move(packet.mail));
      break;
    }
    case PacketKind::Abort: recordAbort(packet.mailboxes, packet.closing); break;
    case PacketKind::Returned: {
      Message returned;
      std::lock_guard<std::mutex> lock(mutex_);
      std::swap(returned, loans_[packet.loan]);
      loans_.erase(packet.loan);
      break;
    }
    case PacketKind::Identity: cards_.learnIdentity(static_cast<int>(packet.mailbox), packet.cardLabel); break;
    case PacketKind::Channel: listen(process, static_cast<int>(packet.mailbox)); break;
    case PacketKind::Bye: {
      std::lock_guard<std::mutex> lock(mutex_);
      gone_.insert(process);
      changed_.notify_all();
      break;
    }
  }
}

int64_t Bridge::lend(Message message) {
  std::lock_guard<std::mutex> lock(mutex_);
  loans_[++numLoans_] = std::move(message);
  return numLoans_;
}

void Bridge::giveBack(int process, int64_t loan) {
  Packet packet;
  packet.kind = PacketKind::Returned;
  packet.loan = loan;
  send(process, controlTag(), std::move(packet));
}

void Bridge::disconnected(int process, const std::string& why) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    bool expected = leaving_ || gone_.count(process) > 0;
    gone_.insert(process);
    changed_.notify_all();
    if (expected) return;
  }
  int first = process * options_.ranksPerProcess, last = first + options_.ranksPerProcess - 1;
  std::string ranks = first == last ? "rank " + std::to_string(first) : "ranks " + std::to_string(first) + " to " + std::to_string(last);
  // Tells the others now: they would otherwise see this process disconnect, which ends because of it, and name it.
  abort("", {0, 0, ranks + " disconnected: " + why});
}

bool Bridge::flush(std::chrono::milliseconds timeout) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  std::vector<Outbox*> outboxes;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& entry : outboxes_) outboxes.push_back(entry.second.get());
  }
  bool all = true;
  for (auto* outbox : outboxes) all = outbox->flush(deadline) && all;
  return all;
}

void Bridge::nameChannelsWithMessages() {
  std::vector<Channel> channels;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& [channel, outbox] : outboxes_)
      if (channel.second != controlTag() && !outbox->isEmpty()) channels.push_back(channel);
  }
  for (const auto& [process, tag] : channels) {
    Packet packet;
    packet.kind = PacketKind::Channel;
    packet.mailbox = tag;
    send(process, controlTag(), packet);
  }
}

bool Bridge::leave(bool well) {
  bool allWell, last;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    allWell_ = allWell_ && well;
    allWell = allWell_;
    last = ++numLeft_ == options_.ranksPerProcess;
    leaving_ = leaving_ || last;
  }
  if (!well || (last && !allWell)) flush(kFarewell);
  if (!last || !allWell) return last;
  nameChannelsWithMessages();
  Packet bye;
  bye.kind = PacketKind::Bye;
  for (int process = 0; process < options_.numProcesses; process++)
    if (process != options_.process) send(process, controlTag(), bye);
  flush(options_.leaveTimeout);
  cards_.drain(options_.leaveTimeout);
  std::unique_lock<std::mutex> lock(mutex_);
  size_t numOthers = static_cast<size_t>(options_.numProcesses) - 1;
  // A run that was aborted while this process waits here ends for it, too: the others may never say goodbye.
  changed_.wait_for(lock, options_.leaveTimeout, [&] { return gone_.size() >= numOthers || isAborted(); });
  return true;
}

}  // namespace dualpipe
