// What the rest of the addon knows of CUDA: cuda_device.cpp, cuda_transfer.cpp and cuda_graph.cpp, or, in a
// build for a LibTorch without CUDA, the empty functions of cuda_absent.cpp.
#pragma once
#include <napi.h>

#include "mailbox.h"

namespace dualpipe {

// Sets `cuda` of the exports: null without CUDA.
void defineCuda(Napi::Object& exports);

// Call before a message is put into a mailbox, in its sender's thread; does nothing for tensors of the CPU.
void departFromCard(Message& message, Mailboxes& set, Mailbox& to);
// Call when a message was taken out of a mailbox, in its reader's thread: kernels that this thread launches from now on
// run after the message is there.
void arriveOnCard(Message& message, Mailboxes& set, Mailbox& from);

// Call before this thread waits for its card: ends the wait, with a WaitError, when what runs there waits for a rank
// that has failed.
void awaitCard();

}  // namespace dualpipe
