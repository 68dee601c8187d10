// When messages were copied between cards.
//
// A transfer runs in a stream of its own, on the sender's card or on the reader's, next to what both compute. Whether
// it was hidden shows only when its times are laid over the reader's computations. So two events with a time go around
// each transfer, travel with the message, and are kept by the thread that reads it: that is the rank that may have to
// wait.
//
// Events of two cards cannot be compared. What all cards share is the clock of the host: for each card, an event that
// is over at once says how long before it a transfer was, and the host notes when that was. The error is some
// microseconds.

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <vector>

#include "cuda_graph.h"
#include "guard.h"

namespace dualpipe {

namespace {

using c10::cuda::CUDAStream;
using Card = c10::DeviceIndex;
using Clock = std::chrono::steady_clock;

constexpr size_t kNumCardsMax = 64;

std::atomic<bool> isAnyRecording{false};
thread_local bool isRecording = false;
thread_local std::vector<std::shared_ptr<TransferTimes>> noted;

// Events with a time, to use again, and a stream in which nothing else runs.
struct CardClock {
  std::mutex mutex;
  std::vector<cudaEvent_t> events;
  cudaStream_t stream = nullptr;
};

CardClock& clockOf(Card card) {
  // Never destroyed: threads give events back at the very end of the process.
  static auto& clocks = *new std::array<CardClock, kNumCardsMax>();
  return clocks.at(static_cast<size_t>(card));
}

cudaEvent_t takeEvent(Card card) {
  CardClock& clock = clockOf(card);
  {
    std::lock_guard<std::mutex> lock(clock.mutex);
    if (!clock.events.empty()) {
      cudaEvent_t event = clock.events.back();
      clock.events.pop_back();
      return event;
    }
  }
  c10::cuda::CUDAGuard guard(card);
  cudaEvent_t event;
  C10_CUDA_CHECK(cudaEventCreate(&event));
  return event;
}

void giveBack(Card card, cudaEvent_t event) {
  CardClock& clock = clockOf(card);
  std::lock_guard<std::mutex> lock(clock.mutex);
  clock.events.push_back(event);
}

cudaStream_t streamOf(Card card) {
  CardClock& clock = clockOf(card);
  std::lock_guard<std::mutex> lock(clock.mutex);
  if (clock.stream == nullptr) C10_CUDA_CHECK(cudaStreamCreateWithFlags(&clock.stream, cudaStreamNonBlocking));
  return clock.stream;
}

// An event of a card that is over, and when the host saw it.
struct Now {
  cudaEvent_t event;
  Clock::time_point at;
};

Now nowOf(Card card) {
  c10::cuda::CUDAGuard guard(card);
  cudaEvent_t event = takeEvent(card);
  C10_CUDA_CHECK(cudaEventRecord(event, streamOf(card)));
  C10_CUDA_CHECK(cudaEventSynchronize(event));
  return {event, Clock::now()};
}

}  // namespace

TransferTimes::TransferTimes(const CUDAStream& stream) : card_(stream.device_index()), start_(takeEvent(card_)), end_(takeEvent(card_)) {
  C10_CUDA_CHECK(cudaEventRecord(start_, stream.stream()));
}

TransferTimes::~TransferTimes() {
  giveBack(card_, start_);
  giveBack(card_, end_);
}

std::shared_ptr<TransferTimes> TransferTimes::beginIn(const CUDAStream& stream) {
  if (!isAnyRecording || captureOfThread() != nullptr) return nullptr;
  return std::make_shared<TransferTimes>(stream);
}

void TransferTimes::end(const CUDAStream& stream, size_t numBytes) {
  numBytes_ = static_cast<double>(numBytes);
  C10_CUDA_CHECK(cudaEventRecord(end_, stream.stream()));
}

void noteTransfer(std::shared_ptr<TransferTimes> times) {
  if (times != nullptr && isRecording) noted.push_back(std::move(times));
}

struct TransferAges {
  // takeTransfers(): for each transfer that this thread has noted since the last call, how many ms ago it began and
  // ended, and its bytes, in one list. All must be over.
  static Napi::Value take(const Napi::CallbackInfo& info) {
    auto taken = std::exchange(noted, {});
    std::map<Card, Now> nows;
    for (const auto& times : taken)
      if (nows.count(times->card_) == 0) nows.emplace(times->card_, nowOf(times->card_));
    auto result = Napi::Array::New(info.Env(), 3 * taken.size());
    Clock::time_point last = Clock::now();
    for (uint32_t i = 0; i < taken.size(); i++) {
      const TransferTimes& times = *taken[i];
      const Now& now = nows.at(times.card_);
      c10::cuda::CUDAGuard guard(times.card_);
      double sinceNow = std::chrono::duration<double, std::milli>(last - now.at).count();
      float start = 0, end = 0;
      C10_CUDA_CHECK(cudaEventElapsedTime(&start, times.start_, now.event));
      C10_CUDA_CHECK(cudaEventElapsedTime(&end, times.end_, now.event));
      result.Set(3 * i, sinceNow + static_cast<double>(start));
      result.Set(3 * i + 1, sinceNow + static_cast<double>(end));
      result.Set(3 * i + 2, times.numBytes_);
    }
    for (const auto& [card, now] : nows) giveBack(card, now.event);
    return result;
  }
};

namespace {

// recordTransfers(): from now on, transfers to this thread are noted.
Napi::Value record(const Napi::CallbackInfo& info) {
  isRecording = true;
  isAnyRecording = true;
  return info.Env().Undefined();
}

}  // namespace

void defineTransferTimes(Napi::Object& cuda) {
  define<record>(cuda, "recordTransfers");
  define<TransferAges::take>(cuda, "takeTransfers");
}

}  // namespace dualpipe
