// Messages between cards of one host, and between ranks that share a card.
//
// A card works behind the host: when a rank sends a tensor, the kernels that make it have been launched and have not
// run. Waiting for them would stop the host in every transfer, and `at::copy_` between cards makes the copy wait for
// everything that the destination is computing. So a message travels with an event, and only streams wait:
//
//  - The sender records `ready` in its compute stream, behind the kernels that make the message.
//  - Where the reader is on another card, a copy stream of the sender's card waits for `ready` and copies, by the copy
//    engine, which takes no multiprocessor. Its own event takes the place of `ready`.
//  - The reader makes its compute stream wait for the event that it finds with the message.
//
// Each edge (one mailbox) has a copy stream of its own, so that no transfer waits behind another.
//
// The sender pushes, so the copy starts when the data exists and not when the reader asks. It must know the reader's
// card for that, and learns it from the mailbox once its reader has taken something. The first message of a mailbox is
// therefore pulled: it waits on the sender's card, and the reader has it copied.
//
// Memory: the caching allocator gives freed memory out again at once, to the stream in which it was allocated. So it is
// told of every other stream that uses a tensor (`recordStream`). Memory for incoming messages is allocated under a
// stream of its own for each card, in which nothing ever runs. Such memory is given out again only when all recorded
// uses are over, so a copy from another card cannot overwrite what a kernel still reads.
//
// While a step is captured as a graph (cuda_graph.cpp), flags take the place of events, and every message gets a buffer
// of its own, also between ranks that share a card: each replay uses the same memory.
//
// Invariant: no function here waits for a card.
#include <ATen/ops/empty_strided.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <array>
#include <set>
#include <utility>

#include "cuda.h"
#include "cuda_graph.h"
#include "cuda_transfer.h"
#include "cuda_transfer_times.h"

namespace dualpipe {

namespace {

using c10::cuda::CUDAStream;
using Card = c10::DeviceIndex;

constexpr size_t kNumCardsMax = 64;

// Events to use again: making one takes longer than recording it.
class EventPool {
 public:
  static EventPool& of(Card card) {
    // Never destroyed: messages that no rank took give their events back at the very end of the process.
    static auto& pools = *new std::array<EventPool, kNumCardsMax>();
    return pools.at(static_cast<size_t>(card));
  }

  cudaEvent_t take(Card card) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!events_.empty()) {
        cudaEvent_t event = events_.back();
        events_.pop_back();
        return event;
      }
    }
    c10::cuda::CUDAGuard guard(card);
    cudaEvent_t event;
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    return event;
  }

  void giveBack(cudaEvent_t event) {
    std::lock_guard<std::mutex> lock(mutex_);
    events_.push_back(event);
  }

 private:
  std::mutex mutex_;
  std::vector<cudaEvent_t> events_;
};

CUDAStream copyStream(Card from, Card to) {
  enablePeerAccess(from, to);
  return c10::cuda::getStreamFromPool(/*isHighPriority=*/true, from);
}

// The stream under which memory for incoming messages is allocated.
CUDAStream memoryStream(Card card) {
  static std::mutex mutex;
  static std::array<cudaStream_t, kNumCardsMax> streams{};
  std::lock_guard<std::mutex> lock(mutex);
  cudaStream_t& stream = streams.at(static_cast<size_t>(card));
  if (stream == nullptr) {
    c10::cuda::CUDAGuard guard(card);
    C10_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  }
  return c10::cuda::getStreamFromExternal(stream, card);
}

bool isOnCard(const at::Tensor& tensor) { return tensor.defined() && tensor.is_cuda(); }

void recordStream(const at::Tensor& tensor, const CUDAStream& stream) {
  c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream);
}

}  // namespace

at::Tensor emptyForMessage(Card card, at::IntArrayRef sizes, at::IntArrayRef strides, const at::TensorOptions& options) {
  // The allocator asks for events and memory, which a thread that captures may do in this mode alone.
  c10::cuda::CUDAStreamCaptureModeGuard relaxed(cudaStreamCaptureModeRelaxed);
  c10::cuda::CUDAStreamGuard guard(memoryStream(card));
  return at::empty_strided(sizes, strides, options);
}

void enablePeerAccess(Card from, Card to) {
  if (from == to) return;
  static std::mutex mutex;
  static std::set<std::pair<Card, Card>> enabled;
  std::lock_guard<std::mutex> lock(mutex);
  if (!enabled.emplace(from, to).second) return;
  c10::cuda::CUDAGuard guard(from);
  int possible = 0;
  C10_CUDA_CHECK(cudaDeviceCanAccessPeer(&possible, from, to));
  // Without it, the driver copies through the memory of the host.
  if (!possible) return;
  cudaError_t outcome = cudaDeviceEnablePeerAccess(to, 0);
  if (outcome == cudaErrorPeerAccessAlreadyEnabled) {
    (void)cudaGetLastError();
    return;
  }
  C10_CUDA_CHECK(outcome);
}

// When a message is there: after an event, which is everything before it in some stream, or in a graph after a flag.
class Passage {
 public:
  // `times`: of the transfer that ends there, when they are recorded.
  explicit Passage(const CUDAStream& stream, std::shared_ptr<TransferTimes> times = nullptr)
      : card_(stream.device_index()), event_(EventPool::of(card_).take(card_)), times_(std::move(times)) {
    C10_CUDA_CHECK(cudaEventRecord(event_, stream.stream()));
  }
  Passage(std::shared_ptr<Flag> full, std::shared_ptr<Flag> busy) : full_(std::move(full)), busy_(std::move(busy)) {}
  ~Passage() {
    if (event_ != nullptr) EventPool::of(card_).giveBack(event_);
  }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  bool isInGraph() const { return full_ != nullptr; }

  const std::shared_ptr<TransferTimes>& times() const { return times_; }

  void delay(const CUDAStream& stream) const { C10_CUDA_CHECK(cudaStreamWaitEvent(stream.stream(), event_, 0)); }

  // The same for the reader's graph, which lowers the flag of the edge at its end.
  void delay(const CUDAStream& stream, Capture& capture) const {
    capture.await(full_, stream, 1);
    full_->write(stream, 0);
    capture.toLower.insert(busy_);
  }

 private:
  Card card_ = 0;
  cudaEvent_t event_ = nullptr;
  std::shared_ptr<TransferTimes> times_;
  std::shared_ptr<Flag> full_, busy_;
};

std::shared_ptr<Passage> passageAfter(const CUDAStream& stream, std::shared_ptr<TransferTimes> times) {
  return std::make_shared<Passage>(stream, std::move(times));
}

// The copy stream of an edge; used by the sender's thread alone.
struct CopyEdge {
  CUDAStream stream;
};

namespace {

// Replaces the tensors by copies on a card. Keeps strides, since kernels for other strides round differently. Returns
// the bytes that are copied.
size_t copyTensors(Message& message, Card to, const CUDAStream& copies) {
  size_t numBytes = 0;
  for (auto& tensor : message) {
    if (!isOnCard(tensor)) continue;
    numBytes += tensor.nbytes();
    at::Tensor copy = emptyForMessage(to, tensor.sizes(), tensor.strides(), tensor.options().device(at::Device(at::kCUDA, to)));
    if (tensor.nbytes() > 0) {
      C10_CUDA_CHECK(cudaMemcpyAsync(copy.data_ptr(), tensor.data_ptr(), tensor.nbytes(), cudaMemcpyDeviceToDevice, copies.stream()));
      recordStream(tensor, copies);
      recordStream(copy, copies);
    }
    tensor = std::move(copy);
  }
  return numBytes;
}

void carry(Message& message, Card to, const CUDAStream& copies) {
  message.passage->delay(copies);
  auto times = TransferTimes::beginIn(copies);
  size_t numBytes = copyTensors(message, to, copies);
  if (times) times->end(copies, numBytes);
  message.passage = std::make_shared<Passage>(copies, std::move(times));
}

void departInGraph(Capture& capture, Message& message, Mailbox& to, const CUDAStream& own) {
  int reader = to.readerCard.load();
  TORCH_CHECK(reader != kNoCard, "a step can be captured as a graph only after it has run once");
  if (!to.edge) to.edge = std::make_shared<CopyEdge>(CopyEdge{copyStream(capture.card, static_cast<Card>(reader))});
  const CUDAStream& copies = to.edge->stream;
  Passage(own).delay(copies);
  auto& busy = capture.busy[to.edge.get()];
  if (!busy) {
    busy = std::make_shared<Flag>(capture.card);
    capture.await(busy, copies, 0);
    busy->write(copies, 1);
    capture.copyStreams.push_back(copies);
  }
  copyTensors(message, static_cast<Card>(reader), copies);
  auto full = std::make_shared<Flag>(static_cast<Card>(reader));
  full->write(copies, 1);
  for (const auto& tensor : message)
    if (isOnCard(tensor)) capture.tensors.push_back(tensor);
  message.passage = std::make_shared<Passage>(std::move(full), busy);
}

}  // namespace

void departFromCard(Message& message, Mailboxes& set, Mailbox& to) {
  bool hasSome = false;
  for (auto& tensor : message) {
    if (!isOnCard(tensor)) continue;
    hasSome = true;
    if (!tensor.is_non_overlapping_and_dense()) tensor = tensor.contiguous();
  }
  if (!hasSome) return;
  Card here = c10::cuda::current_device();
  CUDAStream own = c10::cuda::getCurrentCUDAStream(here);
  if (Capture* capture = captureOfThread()) {
    capture->sets.insert(set.shared_from_this());
    departInGraph(*capture, message, to, own);
    return;
  }
  message.passage = std::make_shared<Passage>(own);
  int reader = to.readerCard.load();
  if (reader == kNoCard || reader == here) return;
  if (!to.edge) to.edge = std::make_shared<CopyEdge>(CopyEdge{copyStream(here, static_cast<Card>(reader))});
  carry(message, static_cast<Card>(reader), to.edge->stream);
}

void arriveOnCard(Message& message, Mailboxes& set, Mailbox& from) {
  if (!message.passage) return;
  Card here = c10::cuda::current_device();
  Capture* capture = captureOfThread();
  TORCH_CHECK(message.passage->isInGraph() == (capture != nullptr), "one of two ranks captured a graph, and the other did not");
  from.readerCard.store(here);
  Card there = here;
  for (const auto& tensor : message)
    if (isOnCard(tensor)) there = tensor.device().index();
  if (there != here) carry(message, here, copyStream(there, here));
  CUDAStream own = c10::cuda::getCurrentCUDAStream(here);
  if (capture != nullptr) {
    capture->sets.insert(set.shared_from_this());
    message.passage->delay(own, *capture);
  } else {
    message.passage->delay(own);
    noteTransfer(message.passage->times());
  }
  for (const auto& tensor : message) {
    if (!isOnCard(tensor)) continue;
    if (capture != nullptr) capture->tensors.push_back(tensor);
    else recordStream(tensor, own);
  }
  message.passage.reset();
}

}  // namespace dualpipe
