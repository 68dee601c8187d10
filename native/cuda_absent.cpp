// Takes the place of cuda_device.cpp and cuda_transfer.cpp in a build without CUDA.
#include "cuda.h"

namespace dualpipe {

void defineCuda(Napi::Object& exports) { exports.Set("cuda", exports.Env().Null()); }

void departFromCard(Message&, Mailboxes&, Mailbox&) {}

void arriveOnCard(Message&, Mailboxes&, Mailbox&) {}

void awaitCard() {}

}  // namespace dualpipe
