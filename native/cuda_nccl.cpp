// Channels between cards of different hosts, by NCCL.
//
// NCCL moves tensors by kernels: a send and its receive each run on their own card, and each spins on a few
// multiprocessors until the other one is there. So a kernel that is launched too early takes multiprocessors from the
// computation, and holds up every later transfer of its communicator. And CUDA sometimes waits for a card, for example
// to free memory. With such a kernel at both ends, two processes can then wait for each other forever.
//
// So nothing is launched too early here. The sender waits, in a thread of the bridge, until the message is computed;
// then it launches the send, and tells the receiver through the host, which launches the receive (process_bridge.cpp).
// Every kernel then runs as long as the transfer takes. The price is some ten microseconds of delay for a message.
//
// Between the two launches the send spins all the same, and one thing must not happen then: that CUDA loads a kernel at
// its first launch, as it does by default. That waits for what runs on the card, and holds up what is launched later.
// When both processes do it at once, each with a send under way, no receive ever starts: a training run stopped like
// that in its first step. So all kernels are loaded ahead (CUDA_MODULE_LOADING=EAGER).
//
// Each channel (a directed edge between two ranks, of one kind) has a communicator of two and a stream of its own, so
// no transfer waits behind another. Communicators are made together, ahead of all transfers, and warmed up, because
// making one allocates memory.
//
// Communicators do not block: each call returns at once, and `settle` waits for its outcome, for a limited time.
#include "cuda_nccl.h"

#if DUALPIPE_WITH_NCCL

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda.h>
#include <nccl.h>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "cuda_transfer.h"
#include "cuda_transfer_times.h"
#include "guard.h"
#include "mailbox.h"

// In the NCCL that LibTorch loads, if it has one.
#pragma weak ncclGetVersion

namespace dualpipe {

using c10::cuda::CUDAStream;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kNumCardsMax = 64;
// Enough for a network of hosts; more would take multiprocessors from the computation.
constexpr int kMaxBlocks = 4;
constexpr std::chrono::minutes kOperationLimit(10);

struct CardState {
  std::atomic<int> numChannels{0};
  std::mutex mutex;
  // Why data on the card is garbage; empty when it is not.
  std::string ruin;
};

CardState& stateOf(c10::DeviceIndex card) {
  // Never destroyed: channels may be aborted at the very end of the process.
  static auto& states = *new std::array<CardState, kNumCardsMax>();
  return states.at(static_cast<size_t>(card));
}

// Throws unless CUDA loaded all kernels when this process first used a card.
void expectKernelsAreLoaded() {
  using Query = CUresult (*)(CUmoduleLoadingMode*);
  void* query = nullptr;
  cudaDriverEntryPointQueryResult found;
  CUmoduleLoadingMode mode = CU_MODULE_LAZY_LOADING;
  bool isKnown = cudaGetDriverEntryPointByVersion("cuModuleGetLoadingMode", &query, 11070, cudaEnableDefault, &found) == cudaSuccess &&
                 found == cudaDriverEntryPointSuccess && reinterpret_cast<Query>(query)(&mode) == CUDA_SUCCESS;
  TORCH_CHECK(isKnown && mode == CU_MODULE_EAGER_LOADING,
              "CUDA loads the kernels of this process one by one at their first launch, which can stop transfers of NCCL forever; set "
              "CUDA_MODULE_LOADING=EAGER before the process starts, or call processPlacement before anything uses a card");
}

[[noreturn]] void fail(const char* what, const std::string& why) { TORCH_CHECK(false, "NCCL could not ", what, ": ", why); }

class Channel : public NcclChannel {
 public:
  explicit Channel(bool isSender) : isSender_(isSender), stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true)) {
    stateOf(stream_.device_index()).numChannels++;
  }

  ~Channel() override {
    abort("");
    stateOf(stream_.device_index()).numChannels--;
  }

  // Within a group.
  void begin(const std::string& identity) {
    ncclUniqueId id;
    TORCH_CHECK(identity.size() == sizeof(id), "the identity of a channel has ", identity.size(), " bytes, not ", sizeof(id));
    std::memcpy(&id, identity.data(), sizeof(id));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    config.maxCTAs = kMaxBlocks;
    expect(ncclCommInitRankConfig(&communicator_, 2, id, isSender_ ? 0 : 1, &config), "make a communicator");
  }

  // Waits until what was begun is done, on the host.
  void settle(const char* what, Clock::time_point deadline, const std::function<bool()>& isAborted) {
    while (true) {
      ncclResult_t state = ncclSuccess;
      {
        std::lock_guard<std::mutex> lock(mutex_);
        if (communicator_ == nullptr) fail(what, "it was aborted");
        expect(ncclCommGetAsyncError(communicator_, &state), what);
        if (state != ncclInProgress) {
          expect(state, what);
          return;
        }
      }
      if (isAborted()) fail(what, "the run was aborted");
      if (Clock::now() > deadline) fail(what, "the other process did not answer in time");
      std::this_thread::yield();
    }
  }

  void send(const std::vector<at::Tensor>& tensors) override { transfer(tensors, "send"); }

  std::shared_ptr<Passage> receive(const std::vector<at::Tensor>& tensors) override {
    auto times = TransferTimes::beginIn(stream_);
    transfer(tensors, "receive");
    size_t numBytes = 0;
    for (const auto& tensor : tensors) numBytes += tensor.nbytes();
    if (times) times->end(stream_, numBytes);
    return passageAfter(stream_, std::move(times));
  }

  // Within a group, with the lock.
  void post(const at::Tensor& tensor) {
    if (tensor.nbytes() == 0) return;
    ncclResult_t outcome = isSender_ ? ncclSend(tensor.data_ptr(), tensor.nbytes(), ncclInt8, 1, communicator_, stream_.stream())
                                     : ncclRecv(tensor.data_ptr(), tensor.nbytes(), ncclInt8, 0, communicator_, stream_.stream());
    expect(outcome, isSender_ ? "send" : "receive");
    c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream_);
  }

  bool isIdle() override { return stream_.query(); }

  std::string problem() override {
    std::lock_guard<std::mutex> lock(mutex_);
    ncclResult_t state = ncclSuccess;
    if (communicator_ == nullptr || ncclCommGetAsyncError(communicator_, &state) != ncclSuccess) return {};
    return state == ncclSuccess || state == ncclInProgress ? std::string() : describe(state);
  }

  void abort(const std::string& reason) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (communicator_ == nullptr) return;
    if (!reason.empty() && !isIdle()) {
      CardState& state = stateOf(stream_.device_index());
      std::lock_guard<std::mutex> stateLock(state.mutex);
      if (state.ruin.empty()) state.ruin = reason;
    }
    ncclCommAbort(communicator_);
    communicator_ = nullptr;
  }

  std::mutex& mutex() { return mutex_; }

 private:
  void transfer(const std::vector<at::Tensor>& tensors, const char* what) {
    c10::cuda::CUDAGuard guard(stream_.device_index());
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (communicator_ == nullptr) fail(what, "the connection was aborted");
      expect(ncclGroupStart(), what);
      for (const auto& tensor : tensors) post(tensor);
      expect(ncclGroupEnd(), what);
    }
    settle(what, Clock::now() + kOperationLimit, [] { return false; });
  }

  void expect(ncclResult_t outcome, const char* what) {
    if (outcome != ncclSuccess && outcome != ncclInProgress) fail(what, describe(outcome));
  }

  std::string describe(ncclResult_t outcome) {
    std::string text = ncclGetErrorString(outcome);
    const char* last = ncclGetLastError(communicator_);
    return last == nullptr || *last == '\0' ? text : text + " (" + last + ")";
  }

  const bool isSender_;
  const CUDAStream stream_;
  std::mutex mutex_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace

bool hasNccl() { return ncclGetVersion != nullptr; }

std::string newNcclIdentity() {
  ncclUniqueId id;
  ncclResult_t outcome = ncclGetUniqueId(&id);
  if (outcome != ncclSuccess) fail("listen for another process", ncclGetErrorString(outcome));
  return std::string(reinterpret_cast<const char*>(&id), sizeof(id));
}

std::vector<std::shared_ptr<NcclChannel>> NcclChannel::connect(const std::vector<NcclEnd>& ends, std::chrono::milliseconds timeout, const std::function<bool()>& isAborted) {
  expectKernelsAreLoaded();
  auto deadline = Clock::now() + timeout;
  std::vector<std::shared_ptr<Channel>> channels;
  for (const auto& end : ends) channels.push_back(std::make_shared<Channel>(end.isSender));
  auto together = [&](const char* what, const std::function<void(size_t)>& begin) {
    ncclGroupStart();
    for (size_t i = 0; i < channels.size(); i++) begin(i);
    ncclResult_t outcome = ncclGroupEnd();
    if (outcome != ncclSuccess && outcome != ncclInProgress) fail(what, ncclGetErrorString(outcome));
    for (auto& channel : channels) channel->settle(what, deadline, isAborted);
  };
  together("connect to another process", [&](size_t i) { channels[i]->begin(ends[i].identity); });
  at::Tensor bytes = at::empty({static_cast<int64_t>(channels.size()), 64}, at::TensorOptions().dtype(at::kByte).device(at::kCUDA));
  together("reach another process", [&](size_t i) { channels[i]->post(bytes[static_cast<int64_t>(i)]); });
  for (auto& channel : channels)
    while (!channel->isIdle()) {
      if (isAborted() || Clock::now() > deadline) fail("reach another process", "it did not answer in time");
      std::this_thread::yield();
    }
  return {channels.begin(), channels.end()};
}

void awaitChannels() {
  int card = kNoCard;
  if (cudaGetDevice(&card) != cudaSuccess) {
    (void)cudaGetLastError();
    return;
  }
  CardState& state = stateOf(static_cast<c10::DeviceIndex>(card));
  if (state.numChannels == 0) return;
  CUDAStream own = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(card));
  while (!own.query()) std::this_thread::yield();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (!state.ruin.empty()) throw WaitError("ABORTED", state.ruin);
}

}  // namespace dualpipe

#else

#include <stdexcept>

namespace dualpipe {

bool hasNccl() { return false; }

std::string newNcclIdentity() { throw std::logic_error("built without NCCL"); }

std::vector<std::shared_ptr<NcclChannel>> NcclChannel::connect(const std::vector<NcclEnd>&, std::chrono::milliseconds, const std::function<bool()>&) {
  throw std::logic_error("built without NCCL");
}

void awaitChannels() {}

}  // namespace dualpipe

#endif
