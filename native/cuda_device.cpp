// A card as the device of a thread: the functions behind src/tensor/cuda-device.ts.
//
// A rank is a thread, so everything that CUDA and LibTorch keep per thread is the rank's: the current card, the current
// stream, the handles of cuBLAS. `open` sets them once, and every kernel of the thread then runs in its own compute
// stream, in the order in which it was launched, next to those of other ranks.
//
// The host must not wait for the card in the middle of a step, and nothing in a program shows where it does: any
// operator may read a value back. LibTorch can warn at each of its own synchronizations. These warnings are counted
// here, per thread, instead of being printed, so that a test can prove that a step has none.
//
// Not linked against CUDA's runtime: its functions are found in the one that LibTorch loads.
#include <ATen/Context.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <cstring>

#include "convert.h"
#include "cuda.h"
#include "cuda_graph.h"
#include "cuda_transfer_times.h"
#include "guard.h"

// In the NCCL that LibTorch loads, if it has one.
extern "C" __attribute__((weak)) int ncclGetVersion(int* version);

namespace dualpipe {

namespace {

int numCards() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  // No driver, or no card: not an error, and not to be found by the next check.
  (void)cudaGetLastError();
  return 0;
}

class SynchronizationCounter final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    if (warning.msg().find("synchronizing CUDA operation") != std::string::npos) numSynchronizations++;
    else c10::WarningHandler::process(warning);
  }
  int64_t numSynchronizations = 0;
};

SynchronizationCounter& counterOfThread() {
  thread_local SynchronizationCounter counter;
  return counter;
}

Napi::Value countCards(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), numCards()); }

// cards(): [{ name, memoryBytes, capability, peers }]
Napi::Value cards(const Napi::CallbackInfo& info) {
  int count = numCards();
  auto result = Napi::Array::New(info.Env(), static_cast<size_t>(count));
  for (int card = 0; card < count; card++) {
    cudaDeviceProp properties;
    C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, card));
    auto peers = Napi::Array::New(info.Env());
    for (int peer = 0; peer < count; peer++) {
      int possible = 0;
      if (peer != card) C10_CUDA_CHECK(cudaDeviceCanAccessPeer(&possible, card, peer));
      if (possible) peers.Set(peers.Length(), peer);
    }
    auto description = Napi::Object::New(info.Env());
    description.Set("name", std::string(properties.name));
    description.Set("memoryBytes", static_cast<double>(properties.totalGlobalMem));
    description.Set("capability", std::to_string(properties.major) + "." + std::to_string(properties.minor));
    description.Set("peers", peers);
    result.Set(static_cast<uint32_t>(card), description);
  }
  return result;
}

// Of 13020, 13.2.
std::string versionText(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

// versions(): { runtime, driver, nccl }; the newest CUDA that the driver can run, and NCCL's null where there is none.
Napi::Value versions(const Napi::CallbackInfo& info) {
  int runtime = 0, driver = 0, nccl = 0;
  C10_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  C10_CUDA_CHECK(cudaDriverGetVersion(&driver));
  auto result = Napi::Object::New(info.Env());
  result.Set("runtime", versionText(runtime));
  result.Set("driver", driver == 0 ? info.Env().Null() : Napi::Value(Napi::String::New(info.Env(), versionText(driver))));
  result.Set("nccl", info.Env().Null());
  if (ncclGetVersion != nullptr && ncclGetVersion(&nccl) == 0)
    result.Set("nccl", std::to_string(nccl / 10000) + "." + std::to_string(nccl % 10000 / 100) + "." + std::to_string(nccl % 100));
  return result;
}

// open(card): the card, and a compute stream on it, become this thread's.
Napi::Value open(const Napi::CallbackInfo& info) {
  auto card = static_cast<c10::DeviceIndex>(number(info.Env(), info[0], "card"));
  at::globalContext().lazyInitDevice(at::kCUDA);
  c10::cuda::set_device(card);
  c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, card));
  Environment::of(info.Env()).generator = at::cuda::detail::createCUDAGenerator(card);
  c10::WarningUtils::set_warning_handler(&counterOfThread());
  c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_WARN);
  return info.Env().Undefined();
}

// setTf32(isAllowed): whether products of float32 matrices may round their factors to TF32, on all cards.
Napi::Value setTf32(const Napi::CallbackInfo& info) {
  at::globalContext().setFloat32MatmulPrecision(boolean(info.Env(), info[0], "isAllowed") ? "high" : "highest");
  return info.Env().Undefined();
}

// fromBytes(bytes, dtype, shape): through pinned memory, since the host would wait for a copy from any other.
Napi::Value fromBytes(const Napi::CallbackInfo& info) {
  napi_env env = info.Env();
  auto bytes = info[0].As<Napi::TypedArray>();
  auto dtype = static_cast<at::ScalarType>(number(env, info[1], "dtype"));
  std::vector<int64_t> sizes;
  for (double size : numbers(env, info[2], "shape")) sizes.push_back(static_cast<int64_t>(size));
  at::Tensor pinned = at::empty(sizes, at::TensorOptions().dtype(dtype).pinned_memory(true));
  TORCH_CHECK(pinned.nbytes() == bytes.ByteLength(), "a tensor ", describe(pinned), " takes ", pinned.nbytes(), " bytes; got ", bytes.ByteLength());
  auto* source = static_cast<const uint8_t*>(bytes.ArrayBuffer().Data()) + bytes.ByteOffset();
  if (pinned.nbytes() > 0) std::memcpy(pinned.data_ptr(), source, pinned.nbytes());
  at::Tensor tensor = pinned.to(at::Device(at::kCUDA, c10::cuda::current_device()), /*non_blocking=*/true);
  return Napi::Value(env, fromTensor(Environment::of(env), env, tensor));
}

// memory(): { liveBytes, peakBytes } of this thread's card, of all threads.
Napi::Value memory(const Napi::CallbackInfo& info) {
  auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(c10::cuda::current_device());
  auto result = Napi::Object::New(info.Env());
  result.Set("liveBytes", static_cast<double>(stats.allocated_bytes[0].current));
  result.Set("peakBytes", static_cast<double>(stats.allocated_bytes[0].peak));
  return result;
}

Napi::Value resetPeakBytes(const Napi::CallbackInfo& info) {
  c10::cuda::CUDACachingAllocator::resetPeakStats(c10::cuda::current_device());
  return info.Env().Undefined();
}

Napi::Value releaseCache(const Napi::CallbackInfo& info) {
  c10::cuda::CUDACachingAllocator::emptyCache();
  return info.Env().Undefined();
}

// synchronize(): waits for this thread's stream, and counts as a synchronization.
Napi::Value synchronize(const Napi::CallbackInfo& info) {
  awaitCard();
  c10::cuda::stream_synchronize(c10::cuda::getCurrentCUDAStream().stream());
  return info.Env().Undefined();
}

// Moments of this thread's stream: events with a time, and the numbers of those that are free.
struct Marks {
  std::vector<cudaEvent_t> events;
  std::vector<uint32_t> unused;
};

Marks& marksOfThread() {
  thread_local Marks marks;
  return marks;
}

cudaEvent_t eventWithTime() {
  cudaEvent_t event;
  C10_CUDA_CHECK(cudaEventCreate(&event));
  return event;
}

// mark(): a number for the moment at which all that this thread has launched has run.
Napi::Value mark(const Napi::CallbackInfo& info) {
  Marks& marks = marksOfThread();
  if (marks.unused.empty()) {
    marks.unused.push_back(static_cast<uint32_t>(marks.events.size()));
    marks.events.push_back(eventWithTime());
  }
  uint32_t index = marks.unused.back();
  marks.unused.pop_back();
  C10_CUDA_CHECK(cudaEventRecord(marks.events[index], c10::cuda::getCurrentCUDAStream().stream()));
  return Napi::Number::New(info.Env(), index);
}

// msSince(marks): waits until the stream is done, and says for each mark how long ago that was. They are then free.
// Counted from a mark in the far past, a float would be off by a part of a ms.
Napi::Value msSince(const Napi::CallbackInfo& info) {
  Marks& marks = marksOfThread();
  std::vector<double> indices = numbers(info.Env(), info[0], "marks");
  thread_local cudaEvent_t now = eventWithTime();
  awaitCard();
  cudaStream_t stream = c10::cuda::getCurrentCUDAStream().stream();
  C10_CUDA_CHECK(cudaEventRecord(now, stream));
  c10::cuda::stream_synchronize(stream);
  auto result = Napi::Array::New(info.Env(), indices.size());
  for (uint32_t i = 0; i < indices.size(); i++) {
    auto index = static_cast<uint32_t>(indices[i]);
    TORCH_CHECK(index < marks.events.size(), "no moment of this thread has the number ", index);
    float ms = 0;
    C10_CUDA_CHECK(cudaEventElapsedTime(&ms, marks.events[index], now));
    result.Set(i, static_cast<double>(ms));
    marks.unused.push_back(index);
  }
  return result;
}

Napi::Value numSynchronizations(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(counterOfThread().numSynchronizations));
}

}  // namespace

void defineCuda(Napi::Object& exports) {
  auto cuda = Napi::Object::New(exports.Env());
  define<countCards>(cuda, "numCards");
  define<cards>(cuda, "cards");
  define<versions>(cuda, "versions");
  define<setTf32>(cuda, "setTf32");
  define<open>(cuda, "open");
  define<fromBytes>(cuda, "fromBytes");
  define<memory>(cuda, "memory");
  define<resetPeakBytes>(cuda, "resetPeakBytes");
  define<releaseCache>(cuda, "releaseCache");
  define<synchronize>(cuda, "synchronize");
  define<mark>(cuda, "mark");
  define<msSince>(cuda, "msSince");
  define<numSynchronizations>(cuda, "numSynchronizations");
  defineGraph(cuda);
  defineTransferTimes(cuda);
  exports.Set("cuda", cuda);
}

}  // namespace dualpipe
