// Messages between cards of different processes; see cuda_processes.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mailbox.h"

namespace dualpipe {

// When the tensors of a message for another process are computed.
class Departure;

// The stream in which a channel's messages are copied to its reader's card.
struct ArrivalStream;

bool hasTensorOnCard(const Message& message);

// Call in the sender's thread, before the message is given to the bridge.
void announceDeparture(Message& message);

// What another process of this host needs to copy the message's tensors: where they are, and the event after which they
// are there. They must be kept until it has given them back.
std::string cardLabel(const Message& message);

// The stream for the channel that this thread reads; null when it has no card.
std::shared_ptr<ArrivalStream> arrivalStreamOfThread();

// Puts copies in place of the tensors that the label describes, and calls `done`, in a thread of the driver, when they
// have been made.
void copyFromProcess(Message& message, const std::string& cardLabel, ArrivalStream& stream, std::function<void()> done);

}  // namespace dualpipe
