// How this process reaches the cards of the others, and its channels over NCCL.
//
// Both ends of a channel must take the same way without asking, so both know what it depends on: the hosts of the two
// processes, which introduce themselves when they connect, and a setting that all of them share.
//
// NCCL notices a broken network only in a call, while a rank's thread may wait for its card forever. So a thread asks
// all channels now and then, and reports what is wrong as a process that disconnected; that aborts the run, and the
// abort ends the transfers that the card waits for.
#include "card_channels.h"

#include <fstream>

namespace dualpipe {

namespace {

constexpr std::chrono::milliseconds kWatchInterval(200);
// How much later the reader of a channel is connected than its sender.
constexpr std::chrono::seconds kConnectedLimit(60);
constexpr size_t kHostBytes = 40;

// The same in all processes of a host until it starts again.
std::string hostOfProcess() {
  std::string line;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> line;
  line.resize(kHostBytes);
  return line;
}

}  // namespace

CardChannels::CardChannels(CardNetwork network, Callbacks callbacks) : network_(network), callbacks_(std::move(callbacks)), host_(hostOfProcess()) {}

CardChannels::~CardChannels() { close(); }

void CardChannels::close() {
  abort({});
  if (watcher_.joinable()) watcher_.join();
}

std::string CardChannels::introduction() const { return host_ + static_cast<char>(network_); }

void CardChannels::learnHost(int process, const std::string& introduction) {
  TORCH_CHECK(introduction.back() == static_cast<char>(network_), "process ", process, " and this one do not agree on what connects cards; set DUALPIPE_CARDS to the same in all processes");
  hosts_[process] = introduction.substr(0, kHostBytes);
}

bool CardChannels::isForNccl(int process) const {
  if (!hasNccl() || network_ == CardNetwork::Host) return false;
  return network_ == CardNetwork::Nccl || hosts_.at(process) != host_;
}

void CardChannels::connect(const std::vector<End>& ends, std::chrono::milliseconds timeout) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  std::map<int, End> wanted;
  std::map<int, std::string> identities;
  for (const auto& end : ends)
    if (isForNccl(end.process) && find(end.tag) == nullptr) wanted[end.tag] = end;
  if (wanted.empty()) return;
  for (const auto& [tag, end] : wanted) {
    if (!end.isSender) continue;
    identities[tag] = newNcclIdentity();
    callbacks_.sendIdentity(end.process, tag, identities[tag]);
  }
  std::vector<NcclEnd> ncclEnds;
  // In the order of their tags, at both ends of each.
  for (const auto& [tag, end] : wanted) {
    if (!end.isSender) {
      std::unique_lock<std::mutex> lock(mutex_);
      bool known = changed_.wait_until(lock, deadline, [&, tag = tag] { return isAborted_ || identities_.count(tag) > 0; });
      TORCH_CHECK(!isAborted_, reason_);
      TORCH_CHECK(known, "process ", end.process, " has not connected its cards within ", timeout.count(), " ms");
      identities[tag] = std::exchange(identities_[tag], {});
      identities_.erase(tag);
    }
    ncclEnds.push_back({identities[tag], end.isSender});
  }
  auto isAborted = [this] {
    std::lock_guard<std::mutex> lock(mutex_);
    return isAborted_;
  };
  auto connected = NcclChannel::connect(ncclEnds, timeout, isAborted);
  std::lock_guard<std::mutex> lock(mutex_);
  size_t index = 0;
  for (const auto& [tag, end] : wanted) channels_[tag] = {end.process, connected[index++]};
  changed_.notify_all();
  if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
}

void CardChannels::learnIdentity(int tag, const std::string& identity) {
  std::lock_guard<std::mutex> lock(mutex_);
  identities_[tag] = identity;
  changed_.notify_all();
}

CardWay CardChannels::way(int process, int tag) {
  if (find(tag) != nullptr) return CardWay::Nccl;
  return network_ == CardNetwork::Auto && hosts_.at(process) == host_ ? CardWay::Handles : CardWay::Host;
}

std::shared_ptr<NcclChannel> CardChannels::find(int tag) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = channels_.find(tag);
  return found == channels_.end() ? nullptr : found->second.channel;
}

std::shared_ptr<NcclChannel> CardChannels::awaitConnected(int tag) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, kConnectedLimit, [&] { return isAborted_ || channels_.count(tag) > 0; });
  }
  return find(tag);
}

bool CardChannels::drain(std::chrono::milliseconds timeout) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  for (auto& [process, channel] : all())
    while (!channel->isIdle()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
  return true;
}

void CardChannels::abort(const std::string& reason) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!isAborted_) reason_ = reason;
    isAborted_ = true;
    changed_.notify_all();
  }
  for (auto& [process, channel] : all()) channel->abort(reason);
}

std::vector<CardChannels::Connected> CardChannels::all() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Connected> result;
  for (auto& [tag, connected] : channels_) result.push_back(connected);
  return result;
}

void CardChannels::watch() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!changed_.wait_for(lock, kWatchInterval, [this] { return isAborted_; })) {
    lock.unlock();
    for (auto& [process, channel] : all()) {
      std::string problem = channel->problem();
      if (!problem.empty()) callbacks_.disconnected(process, "NCCL: " + problem);
    }
    lock.lock();
  }
}

}  // namespace dualpipe
