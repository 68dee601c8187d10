// Messages between cards of different processes; see cuda_processes.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mailbox.h"

namespace dualpipe {

// When the tensors of a message for another process are computed.
class Departure;

class NcclChannel;

// How the tensors of a message get from card to card: the receiver copies them by handles of CUDA IPC, NCCL sends them,
// or they lie in the message, in the memory of the host.
enum class CardWay : int64_t { Handles, Nccl, Host };

bool hasTensorOnCard(const Message& message);
std::vector<at::Tensor> tensorsOnCard(const Message& message);

// Call in the sender's thread, before the message is given to the bridge.
void announceDeparture(Message& message);

// What another process needs to put tensors in place of the message's. By handles, the message must be kept until it is
// given back.
std::string cardLabel(const Message& message, CardWay way);

// Waits until the message's tensors are computed; false when it was stopped meanwhile.
bool awaitDeparture(const Message& message, const std::function<bool()>& isStopped);

// Puts their bytes, in the memory of the host, in place of the tensors on a card. They must be computed.
void copyToHost(Message& message);

// Where the messages of a channel arrive: the card of its reader, and the stream in which they are copied there.
class Arrivals {
 public:
  using FindChannel = std::function<std::shared_ptr<NcclChannel>()>;

  // Of the thread that reads the channel.
  Arrivals();
  ~Arrivals();

  // Puts tensors on this card in place of those that the label describes, which come as it says. When copies by handles
  // have been made, calls `giveBack` in a thread of the driver.
  void accept(Message& message, const std::string& cardLabel, const FindChannel& channel, std::function<void()> giveBack);

 private:
  struct Stream;
  const int card_;
  // Made by the first message.
  std::unique_ptr<Stream> stream_;
};

}  // namespace dualpipe
