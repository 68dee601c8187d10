// Messages between cards of different processes; see cuda_processes.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mailbox.h"

namespace dualpipe {

// When the tensors of a message for another process are computed.
class Departure;

bool hasTensorOnCard(const Message& message);

// Call in the sender's thread, before the message is given to the bridge.
void announceDeparture(Message& message);

// What another process of this host needs to copy the message's tensors: where they are, and the event after which they
// are there. They must be kept until it has given them back.
std::string cardLabel(const Message& message);

// Where the messages of a channel arrive: the card of its reader, and the stream in which they are copied there.
class Arrivals {
 public:
  // Of the thread that reads the channel.
  Arrivals();
  ~Arrivals();

  // Puts copies in place of the tensors that the label describes, and calls `done`, in a thread of the driver, when
  // they have been made.
  void copy(Message& message, const std::string& cardLabel, std::function<void()> done);

 private:
  struct Stream;
  const int card_;
  // Made by the first message.
  std::unique_ptr<Stream> stream_;
};

}  // namespace dualpipe
