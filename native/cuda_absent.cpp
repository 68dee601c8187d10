// Takes the place of the other files of CUDA in a build without it.
#include "cuda.h"
#include "cuda_processes.h"

namespace dualpipe {

void defineCuda(Napi::Object& exports) { exports.Set("cuda", exports.Env().Null()); }

void departFromCard(Message&, Mailboxes&, Mailbox&) {}

void arriveOnCard(Message&, Mailboxes&, Mailbox&) {}

void awaitCard() {}

struct Arrivals::Stream {};
Arrivals::Arrivals() : card_(kNoCard) {}
Arrivals::~Arrivals() = default;
void Arrivals::accept(Message&, const std::string&, const FindChannel&, std::function<void()>) {}

bool hasTensorOnCard(const Message&) { return false; }

std::vector<at::Tensor> tensorsOnCard(const Message&) { return {}; }

void announceDeparture(Message&) {}

std::string cardLabel(const Message&, CardWay) { return {}; }

bool awaitDeparture(const Message&, const std::function<bool()>&) { return true; }

void copyToHost(Message&) {}

}  // namespace dualpipe
