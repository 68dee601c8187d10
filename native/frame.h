// What travels between processes: a packet, as one run of bytes (a frame). Unpacking does not copy its tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "mailbox.h"

namespace dualpipe {

// `Channel`: messages are left on a channel, and its other end must receive them.
// `Returned`: the receiver has copied the tensors of a message that lie on a card. `Identity`: by what the sender of a
// channel can be found, to connect cards.
enum class PacketKind : int64_t { Message, Abort, Bye, Channel, Returned, Identity };

struct Packet {
  PacketKind kind = PacketKind::Message;
  // The name of a message's set of mailboxes, or the prefix of the sets that an abort closes.
  std::string mailboxes;
  // Of an abort.
  Closing closing;
  int64_t numMailboxes = 0;
  // The index of a message's mailbox, or the tag of a channel.
  int64_t mailbox = 0;
  // Of a message with tensors on a card: the number by which it is returned, and how they come (cuda_processes.cpp). Of
  // an identity: its bytes.
  int64_t loan = 0;
  std::string cardLabel;
  Mail mail;
};

at::Tensor emptyFrame(int64_t numBytes);
at::Tensor packFrame(const Packet& packet);
// The message's tensors lie in the frame and keep it alive.
Packet unpackFrame(const at::Tensor& frame);

// Sent ahead of a frame that is larger than the receiver expects.
at::Tensor packAnnouncement(int64_t numBytes);
bool isAnnouncement(const at::Tensor& frame);
// The size of the frame, or of the announced one.
int64_t frameBytes(const at::Tensor& frame);

}  // namespace dualpipe
