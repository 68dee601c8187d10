// Launching a small kernel takes the host longer than running it takes the card. A step that is the same every time is
// therefore captured once, as a CUDA graph, and then launched with one call.
//
// Each rank captures its own step in its own thread, in the mode `thread_local`, which lets the others go on. What a
// capture cannot have is an event of another rank: a node that waits for one sees the record of the *previous* replay,
// and runs too early. So the graphs of two ranks wait for each other by flags, words in the cards' memory:
//
//  - `full`, one for each message, in the reader's memory: the sender's copy stream sets it to 1 after the copy, the
//    reader's stream waits for 1 and sets it back to 0.
//  - `busy`, one for each edge, in the sender's memory: set to 1 before the first copy of a replay, which waits for 0,
//    and set to 0 at the end of the reader's graph. So no copy overwrites what the reader's previous replay still
//    reads, and no flag is written twice before it is read.
//
// Memory in a capture comes from a pool of the graph's own and stays where it is. Messages have buffers of their own,
// which both graphs keep.
//
// A rank that fails leaves the others' graphs waiting, and no error reaches a stream. So the host does not wait for a
// graph blindly: when the mailboxes of its messages are closed and it does not end, it raises the flags itself, lets it
// run to its end with whatever lies in the buffers, and throws. Such a graph is not replayed again.
//
// Random numbers advance: the thread's generator is registered with the graph, which adds to its offset in each replay.
#include "cuda_graph.h"

#include "cuda_nccl.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <dlfcn.h>

#include <array>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "cuda.h"
#include "cuda_transfer.h"
#include "environment.h"
#include "guard.h"

namespace dualpipe {

namespace {

using c10::cuda::CUDAStream;
using Card = c10::DeviceIndex;
using Handle = Napi::External<std::unique_ptr<Capture>>;

constexpr size_t kNumFlagsMax = size_t{1} << 20;
constexpr size_t kNumCardsMax = 64;
// How long a graph may still run when a rank has failed.
constexpr auto kGrace = std::chrono::seconds(2);

thread_local std::unique_ptr<Capture> current;
// What this thread replayed last, until it has seen it end.
thread_local Capture* running = nullptr;

// The flags of a card. Words are not used again: a step is captured once per shape, not once per step.
struct FlagPage {
  std::mutex mutex;
  uint32_t* words = nullptr;
  size_t numUsed = 0;
};

FlagPage& pageOf(Card card) {
  static auto& pages = *new std::array<FlagPage, kNumCardsMax>();
  return pages.at(static_cast<size_t>(card));
}

// Allocates nothing within a capture: call it before one begins.
void preparePage(Card card) {
  FlagPage& page = pageOf(card);
  std::lock_guard<std::mutex> lock(page.mutex);
  if (page.words != nullptr) return;
  c10::cuda::CUDAGuard guard(card);
  CUDAStream stream = c10::cuda::getStreamFromPool(false, card);
  C10_CUDA_CHECK(cudaMalloc(&page.words, kNumFlagsMax * sizeof(uint32_t)));
  C10_CUDA_CHECK(cudaMemsetAsync(page.words, 0, kNumFlagsMax * sizeof(uint32_t), stream.stream()));
  C10_CUDA_CHECK(cudaStreamSynchronize(stream.stream()));
}

using StreamValue = int (*)(cudaStream_t, unsigned long long, uint32_t, unsigned int);
constexpr unsigned int kWaitUntilEqual = 1;

StreamValue driverFunction(const char* name) {
  static void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  TORCH_CHECK(driver != nullptr, "libcuda.so.1 cannot be loaded");
  auto function = reinterpret_cast<StreamValue>(dlsym(driver, name));
  TORCH_CHECK(function != nullptr, "the driver has no ", name);
  return function;
}

// begin(): all that this thread launches from now on becomes a graph, and does not run.
Napi::Value begin(const Napi::CallbackInfo& info) {
  TORCH_CHECK(current == nullptr, "this thread captures a graph already");
  int numCards = 0;
  C10_CUDA_CHECK(cudaGetDeviceCount(&numCards));
  Card here = c10::cuda::current_device();
  for (int card = 0; card < numCards; card++) {
    if (card != here) enablePeerAccess(here, card);
    preparePage(static_cast<Card>(card));
  }
  auto capture = std::make_unique<Capture>();
  capture->card = here;
  capture->pool = at::cuda::graph_pool_handle();
  capture->graph.register_generator_state(Environment::of(info.Env()).generator);
  capture->graph.capture_begin(capture->pool, cudaStreamCaptureModeThreadLocal);
  current = std::move(capture);
  return info.Env().Undefined();
}

void join(const CUDAStream& from, const CUDAStream& to) {
  cudaEvent_t event;
  C10_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  C10_CUDA_CHECK(cudaEventRecord(event, from.stream()));
  C10_CUDA_CHECK(cudaStreamWaitEvent(to.stream(), event, 0));
  C10_CUDA_CHECK(cudaEventDestroy(event));
}

// end(): the graph.
Napi::Value end(const Napi::CallbackInfo& info) {
  TORCH_CHECK(current != nullptr, "this thread captures no graph");
  CUDAStream own = c10::cuda::getCurrentCUDAStream(current->card);
  for (const auto& copies : current->copyStreams) join(copies, own);
  for (const auto& busy : current->toLower) busy->write(own, 0);
  current->graph.capture_end();
  auto* held = new std::unique_ptr<Capture>(std::move(current));
  return Handle::New(info.Env(), held, [](Napi::Env, std::unique_ptr<Capture>* held) { delete held; });
}

// discard(): ends a capture that failed, and forgets it.
Napi::Value discard(const Napi::CallbackInfo& info) {
  if (current == nullptr) return info.Env().Undefined();
  auto failed = std::move(current);
  CUDAStream own = c10::cuda::getCurrentCUDAStream(failed->card);
  cudaGraph_t graph = nullptr;
  // It fails too, because of what failed before, and ends the capture all the same.
  (void)cudaStreamEndCapture(own.stream(), &graph);
  (void)cudaGetLastError();
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  c10::cuda::CUDACachingAllocator::endAllocateToPool(failed->card, failed->pool);
  return info.Env().Undefined();
}

Capture& captureOf(const Napi::Value& handle) {
  auto& held = *handle.As<Handle>().Data();
  TORCH_CHECK(held != nullptr, "this graph was freed already");
  return *held;
}

Napi::Value replay(const Napi::CallbackInfo& info) {
  Capture& capture = captureOf(info[0]);
  for (const auto& set : capture.sets) set->refuseWhenClosedAt(kLastPhases);
  capture.graph.replay();
  running = &capture;
  return info.Env().Undefined();
}

// free(graph): waits until its last replay has ended.
Napi::Value free(const Napi::CallbackInfo& info) {
  auto& held = *info[0].As<Handle>().Data();
  if (held == nullptr) return info.Env().Undefined();
  try {
    awaitCard();
  } catch (const WaitError&) {
    // It has ended, early.
  }
  c10::cuda::stream_synchronize(c10::cuda::getCurrentCUDAStream(held->card).stream());
  if (running == held.get()) running = nullptr;
  held.reset();
  return info.Env().Undefined();
}

}  // namespace

Flag::Flag(Card card) {
  FlagPage& page = pageOf(card);
  std::lock_guard<std::mutex> lock(page.mutex);
  TORCH_CHECK(page.words != nullptr && page.numUsed < kNumFlagsMax, "all ", kNumFlagsMax, " flags of card ", static_cast<int>(card), " are used");
  word_ = page.words + page.numUsed++;
}

void Flag::write(const CUDAStream& stream, uint32_t value) const {
  static const StreamValue write = driverFunction("cuStreamWriteValue32_v2");
  int outcome = write(stream.stream(), reinterpret_cast<unsigned long long>(word_), value, 0);
  TORCH_CHECK(outcome == 0, "cuStreamWriteValue32 failed with the error ", outcome);
}

void Flag::await(const CUDAStream& stream, uint32_t value) const {
  static const StreamValue wait = driverFunction("cuStreamWaitValue32_v2");
  int outcome = wait(stream.stream(), reinterpret_cast<unsigned long long>(word_), value, kWaitUntilEqual);
  TORCH_CHECK(outcome == 0, "cuStreamWaitValue32 failed with the error ", outcome);
}

Capture* captureOfThread() { return current.get(); }

void Capture::await(const std::shared_ptr<Flag>& flag, const CUDAStream& stream, uint32_t value) {
  flag->await(stream, value);
  awaited.emplace_back(flag, value);
}

void awaitCard() {
  if (running == nullptr) {
    awaitChannels();
    return;
  }
  CUDAStream own = c10::cuda::getCurrentCUDAStream(running->card);
  CUDAStream other = c10::cuda::getStreamFromPool(/*isHighPriority=*/true, running->card);
  auto isAnyClosed = [] {
    for (const auto& set : running->sets)
      if (set->isClosedAt(kLastPhases)) return true;
    return false;
  };
  std::chrono::steady_clock::time_point closedAt{};
  bool isRaised = false;
  while (!own.query()) {
    std::this_thread::yield();
    if (!isAnyClosed()) continue;
    auto now = std::chrono::steady_clock::now();
    if (closedAt == std::chrono::steady_clock::time_point{}) closedAt = now;
    // What was launched before the failure comes to its end by itself.
    if (now - closedAt < kGrace) continue;
    isRaised = true;
    for (const auto& [flag, value] : running->awaited) flag->write(other, value);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Capture* ended = std::exchange(running, nullptr);
  if (isRaised)
    for (const auto& set : ended->sets) set->refuseWhenClosedAt(kLastPhases);
}

void defineGraph(Napi::Object& cuda) {
  auto graph = Napi::Object::New(cuda.Env());
  define<begin>(graph, "begin");
  define<end>(graph, "end");
  define<discard>(graph, "discard");
  define<replay>(graph, "replay");
  define<free>(graph, "free");
  cuda.Set("graph", graph);
}

}  // namespace dualpipe
