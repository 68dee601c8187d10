// Channels between cards of different hosts, by NCCL; see cuda_nccl.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dualpipe {

class Passage;

// False when the addon was built without NCCL's header, or LibTorch has no NCCL.
bool hasNccl();

// What both ends of a channel need to find each other: made by the sender, and sent to the receiver by other means.
std::string newNcclIdentity();

struct NcclEnd {
  std::string identity;
  bool isSender;
};

// One end of a channel, on the card of the thread that connected it. Its transfers run one after another in a stream of
// their own.
class NcclChannel {
 public:
  // Connects all of them together, and moves a byte through each. Both processes must name the channels that they share
  // in the same order. Throws when that takes longer than the timeout, or as soon as `isAborted` says so.
  static std::vector<std::shared_ptr<NcclChannel>> connect(const std::vector<NcclEnd>& ends, std::chrono::milliseconds timeout, const std::function<bool()>& isAborted);

  virtual ~NcclChannel() = default;
  // The tensors must be computed, and may be freed at once.
  virtual void send(const std::vector<at::Tensor>& tensors) = 0;
  // Returns when the tensors will be filled.
  virtual std::shared_ptr<Passage> receive(const std::vector<at::Tensor>& tensors) = 0;
  // True when nothing is under way.
  virtual bool isIdle() = 0;
  // What is wrong with the connection; empty when nothing is.
  virtual std::string problem() = 0;
  // Ends what is under way. What it should have received is then garbage, and `awaitChannels` gives the reason.
  virtual void abort(const std::string& reason) = 0;
};

// Where this thread's card has such channels: waits for its stream, and throws a WaitError when a transfer was aborted.
void awaitChannels();

}  // namespace dualpipe
