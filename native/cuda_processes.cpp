// Messages between cards of different processes, in one of three ways.
//
// Within a host, by CUDA IPC: a process can open memory and events of another one by a handle of 64 bytes. So the
// bridge carries a small frame with handles through the host (process_bridge.cpp), and the copy engine carries the
// elements, at the speed of the link.
//
//  - The sender records an event in its compute stream, behind the kernels that make the message, keeps the tensors,
//    and sends the frame at once: the host is far ahead of the card.
//  - The reader's bridge opens the handles and has the tensors copied to the reader's card, in a stream of the channel
//    that waits for the event. The reader's compute stream waits for the copy, as within a process.
//  - When the copy is done, the reader's process gives the tensors back by their number, and the sender frees them.
//
// The reader pulls. It opens memory and events under its own card, and needs no context on the sender's. Opened under
// the card where it lies, memory is copied at a tenth of the speed, and to wait for an event crashes the driver
// (580.159). Opened handles stay open, because LibTorch's allocator gives out the same memory again and again.
//
// Between hosts NCCL sends the tensors, on channels that were connected ahead (cuda_nccl.cpp). On others, and without
// NCCL, they travel in the frame, through the memory of both hosts. In both ways a thread of the bridge waits until the
// tensors are computed.
//
// Invariant: no function here lets a rank's thread wait for a card.
#include "cuda_processes.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <ATen/ops/empty.h>

#include <array>
#include <cstring>
#include <map>
#include <thread>

#include "cuda_graph.h"
#include "cuda_nccl.h"
#include "cuda_transfer.h"
#include "cuda_transfer_times.h"

namespace dualpipe {

using c10::cuda::CUDAStream;
using Card = c10::DeviceIndex;

struct Arrivals::Stream {
  CUDAStream stream;
};

namespace {

// An event that other processes can open.
struct SharedEvent {
  cudaEvent_t event;
  cudaIpcEventHandle_t handle;
};

// To use again: making one takes longer than recording it.
class SharedEvents {
 public:
  static SharedEvents& of(Card card) {
    // Never destroyed: messages that were not taken give their events back at the very end of the process.
    static auto& pools = *new std::array<SharedEvents, 64>();
    return pools.at(static_cast<size_t>(card));
  }

  SharedEvent take() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!events_.empty()) {
        SharedEvent event = events_.back();
        events_.pop_back();
        return event;
      }
    }
    SharedEvent event;
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&event.event, cudaEventDisableTiming | cudaEventInterprocess));
    C10_CUDA_CHECK(cudaIpcGetEventHandle(&event.handle, event.event));
    return event;
  }

  void giveBack(SharedEvent event) {
    std::lock_guard<std::mutex> lock(mutex_);
    events_.push_back(event);
  }

 private:
  std::mutex mutex_;
  std::vector<SharedEvent> events_;
};

constexpr int64_t kNumDimsMax = 16;

struct LabelHead {
  CardWay way;
  int64_t numTensors;
  // By handles: when the tensors are computed.
  cudaIpcEventHandle_t event;
};

struct LabelTensor {
  int64_t index, dtype, numDims;
  int64_t sizes[kNumDimsMax], strides[kNumDimsMax];
  int64_t numBytes;
  // By handles.
  int64_t offset;
  cudaIpcMemHandle_t memory;
};

bool isOnCard(const at::Tensor& tensor) { return tensor.defined() && tensor.is_cuda(); }

template <typename Value>
void append(std::string& bytes, const Value& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename Value>
Value take(const std::string& bytes, size_t& offset) {
  TORCH_CHECK(offset + sizeof(Value) <= bytes.size(), "a message of another process ends too early");
  Value value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  offset += sizeof(value);
  return value;
}

template <typename Handle>
std::string keyOf(Card card, const Handle& handle) {
  return std::to_string(card) + ":" + std::string(reinterpret_cast<const char*>(&handle), sizeof(handle));
}

// What other processes have, opened once.
class Opened {
 public:
  static Opened& instance() {
    static auto& opened = *new Opened();
    return opened;
  }

  // Memory of another process as this card reads it.
  char* memory(Card reader, const cudaIpcMemHandle_t& handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    void*& base = memory_[keyOf(reader, handle)];
    if (base == nullptr) {
      c10::cuda::CUDAGuard guard(reader);
      C10_CUDA_CHECK(cudaIpcOpenMemHandle(&base, handle, cudaIpcMemLazyEnablePeerAccess));
    }
    return static_cast<char*>(base);
  }

  cudaEvent_t event(Card reader, const cudaIpcEventHandle_t& handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    cudaEvent_t& event = events_[keyOf(reader, handle)];
    if (event == nullptr) {
      c10::cuda::CUDAGuard guard(reader);
      C10_CUDA_CHECK(cudaIpcOpenEventHandle(&event, handle));
    }
    return event;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, void*> memory_;
  std::map<std::string, cudaEvent_t> events_;
};

void CUDART_CB runAndDelete(void* body) {
  std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(body));
  (*owned)();
}

}  // namespace

class Departure {
 public:
  explicit Departure(const CUDAStream& stream) : card_(stream.device_index()), shared_(SharedEvents::of(card_).take()) {
    C10_CUDA_CHECK(cudaEventRecord(shared_.event, stream.stream()));
  }
  ~Departure() { SharedEvents::of(card_).giveBack(shared_); }
  Departure(const Departure&) = delete;
  Departure& operator=(const Departure&) = delete;

  const cudaIpcEventHandle_t& handle() const { return shared_.handle; }

  bool isOver() const {
    cudaError_t outcome = cudaEventQuery(shared_.event);
    if (outcome == cudaErrorNotReady) return false;
    C10_CUDA_CHECK(outcome);
    return true;
  }

 private:
  const Card card_;
  const SharedEvent shared_;
};

bool hasTensorOnCard(const Message& message) {
  for (const auto& tensor : message)
    if (isOnCard(tensor)) return true;
  return false;
}

std::vector<at::Tensor> tensorsOnCard(const Message& message) {
  std::vector<at::Tensor> tensors;
  for (const auto& tensor : message)
    if (isOnCard(tensor)) tensors.push_back(tensor);
  return tensors;
}

void announceDeparture(Message& message) {
  if (!hasTensorOnCard(message)) return;
  TORCH_CHECK(captureOfThread() == nullptr, "a step cannot be a graph when its ranks are in several processes");
  for (auto& tensor : message)
    if (isOnCard(tensor) && !tensor.is_non_overlapping_and_dense()) tensor = tensor.contiguous();
  message.departure = std::make_shared<Departure>(c10::cuda::getCurrentCUDAStream());
}

std::string cardLabel(const Message& message, CardWay way) {
  LabelHead head{};
  head.way = way;
  head.event = message.departure->handle();
  std::string tensors;
  for (size_t i = 0; i < message.size(); i++) {
    const at::Tensor& tensor = message[i];
    if (!isOnCard(tensor)) continue;
    head.numTensors++;
    LabelTensor label{};
    label.index = static_cast<int64_t>(i);
    label.dtype = static_cast<int64_t>(tensor.scalar_type());
    label.numDims = tensor.dim();
    TORCH_CHECK(label.numDims <= kNumDimsMax, "a tensor with ", label.numDims, " dimensions cannot be sent to another process; ", kNumDimsMax, " can");
    std::copy(tensor.sizes().begin(), tensor.sizes().end(), label.sizes);
    std::copy(tensor.strides().begin(), tensor.strides().end(), label.strides);
    label.numBytes = static_cast<int64_t>(tensor.nbytes());
    if (way == CardWay::Handles && label.numBytes > 0) {
      c10::cuda::CUDAGuard guard(tensor.device().index());
      void* base = c10::cuda::CUDACachingAllocator::getBaseAllocation(tensor.data_ptr(), nullptr);
      label.offset = static_cast<char*>(tensor.data_ptr()) - static_cast<char*>(base);
      C10_CUDA_CHECK(cudaIpcGetMemHandle(&label.memory, base));
    }
    append(tensors, label);
  }
  std::string bytes;
  append(bytes, head);
  return bytes + tensors;
}

bool awaitDeparture(const Message& message, const std::function<bool()>& isStopped) {
  // A message is often computed soon, and a step has few that are late.
  constexpr int kNumYieldsBeforeSleep = 256;
  for (int i = 0; !message.departure->isOver(); i++) {
    if (isStopped()) return false;
    if (i < kNumYieldsBeforeSleep) std::this_thread::yield();
    else std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  return true;
}

void copyToHost(Message& message) {
  for (auto& tensor : message) {
    if (!isOnCard(tensor)) continue;
    c10::cuda::CUDAGuard guard(tensor.device().index());
    CUDAStream stream = c10::cuda::getStreamFromPool();
    auto numBytes = static_cast<int64_t>(tensor.nbytes());
    at::Tensor bytes = at::empty({numBytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
    if (numBytes > 0) C10_CUDA_CHECK(cudaMemcpyAsync(bytes.data_ptr(), tensor.data_ptr(), tensor.nbytes(), cudaMemcpyDeviceToHost, stream.stream()));
    C10_CUDA_CHECK(cudaStreamSynchronize(stream.stream()));
    tensor = std::move(bytes);
  }
}

namespace {

// Without making a context on it.
int cardOfThread() {
  int card = kNoCard;
  if (cudaGetDevice(&card) == cudaSuccess) return card;
  (void)cudaGetLastError();
  return kNoCard;
}

void copyTo(const at::Tensor& copy, const void* source, cudaMemcpyKind kind, const CUDAStream& stream) {
  if (copy.nbytes() == 0) return;
  C10_CUDA_CHECK(cudaMemcpyAsync(copy.data_ptr(), source, copy.nbytes(), kind, stream.stream()));
  c10::cuda::CUDACachingAllocator::recordStream(copy.storage().data_ptr(), stream);
}

}  // namespace

Arrivals::Arrivals() : card_(cardOfThread()) {}
Arrivals::~Arrivals() = default;

void Arrivals::accept(Message& message, const std::string& cardLabel, const FindChannel& channel, std::function<void()> giveBack) {
  TORCH_CHECK(card_ != kNoCard, "a message came from a card to a rank that has none");
  auto here = static_cast<Card>(card_);
  c10::cuda::CUDAGuard guard(here);
  if (!stream_) stream_ = std::make_unique<Stream>(Stream{c10::cuda::getStreamFromPool(/*isHighPriority=*/true, here)});
  const CUDAStream& stream = stream_->stream;
  size_t offset = 0;
  auto head = take<LabelHead>(cardLabel, offset);
  if (head.way == CardWay::Handles) C10_CUDA_CHECK(cudaStreamWaitEvent(stream.stream(), Opened::instance().event(here, head.event), 0));
  auto times = head.way == CardWay::Nccl ? nullptr : TransferTimes::beginIn(stream);
  size_t numBytes = 0;
  std::vector<at::Tensor> tensors;
  for (int64_t i = 0; i < head.numTensors; i++) {
    auto label = take<LabelTensor>(cardLabel, offset);
    TORCH_CHECK(label.index >= 0 && label.index < static_cast<int64_t>(message.size()) && label.numDims >= 0 && label.numDims <= kNumDimsMax, "a message of another process has no such tensor");
    auto numDims = static_cast<size_t>(label.numDims);
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(label.dtype)).device(at::Device(at::kCUDA, here));
    tensors.push_back(emptyForMessage(here, {label.sizes, numDims}, {label.strides, numDims}, options));
    const at::Tensor& copy = tensors.back();
    at::Tensor& arrived = message[static_cast<size_t>(label.index)];
    bool fits = static_cast<int64_t>(copy.nbytes()) == label.numBytes && (head.way != CardWay::Host || (arrived.defined() && arrived.nbytes() == copy.nbytes()));
    TORCH_CHECK(fits, "a message of another process has another size than its tensors");
    if (head.way == CardWay::Handles && label.numBytes > 0) copyTo(copy, Opened::instance().memory(here, label.memory) + label.offset, cudaMemcpyDeviceToDevice, stream);
    // From memory that is not pinned, this returns when the bytes have been read.
    if (head.way == CardWay::Host) copyTo(copy, arrived.data_ptr(), cudaMemcpyHostToDevice, stream);
    arrived = copy;
    numBytes += copy.nbytes();
  }
  if (head.way == CardWay::Nccl) {
    auto connected = channel();
    TORCH_CHECK(connected != nullptr, "a message of another process comes over NCCL, on a channel that is not connected");
    message.passage = connected->receive(tensors);
    return;
  }
  if (times) times->end(stream, numBytes);
  message.passage = passageAfter(stream, std::move(times));
  if (head.way == CardWay::Handles) C10_CUDA_CHECK(cudaLaunchHostFunc(stream.stream(), runAndDelete, new std::function<void()>(std::move(giveBack))));
}

}  // namespace dualpipe
