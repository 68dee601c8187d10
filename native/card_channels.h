// How this process reaches the cards of the others, and its channels over NCCL; see card_channels.cpp.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "cuda_nccl.h"
#include "cuda_processes.h"

namespace dualpipe {

// `Auto`: handles within a host, and NCCL or else the hosts' memory between hosts.
enum class CardNetwork : uint8_t { Auto, Nccl, Host };

class CardChannels {
 public:
  struct End {
    int process;
    // Of the channel.
    int tag;
    bool isSender;
  };
  struct Callbacks {
    std::function<void(int process, int tag, const std::string& identity)> sendIdentity;
    std::function<void(int process, const std::string& why)> disconnected;
  };

  CardChannels(CardNetwork network, Callbacks callbacks);
  ~CardChannels();

  // What each process tells the others about itself, of equal size in all of them.
  std::string introduction() const;
  // Throws when the other process has chosen another network.
  void learnHost(int process, const std::string& introduction);
  // Connects those that NCCL is to carry; all processes call it. Throws when that takes longer than the timeout.
  void connect(const std::vector<End>& ends, std::chrono::milliseconds timeout);
  // What the sender of a channel has sent.
  void learnIdentity(int tag, const std::string& identity);
  CardWay way(int process, int tag);
  // Null when the channel is not connected.
  std::shared_ptr<NcclChannel> find(int tag);
  // The same at its reader, which may be a little later than the sender.
  std::shared_ptr<NcclChannel> awaitConnected(int tag);
  // False when something is still under way after the timeout.
  bool drain(std::chrono::milliseconds timeout);
  // Ends all transfers, now and later.
  void abort(const std::string& reason);
  // The same, and calls nothing back from now on.
  void close();

 private:
  struct Connected {
    int process;
    std::shared_ptr<NcclChannel> channel;
  };

  bool isForNccl(int process) const;
  std::vector<Connected> all();
  void watch();

  const CardNetwork network_;
  const Callbacks callbacks_;
  const std::string host_;
  // By process.
  std::map<int, std::string> hosts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // By tag, as what follows.
  std::map<int, std::string> identities_;
  std::map<int, Connected> channels_;
  bool isAborted_ = false;
  // Of the abort.
  std::string reason_;
  std::thread watcher_;
};

}  // namespace dualpipe
