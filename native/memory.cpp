// A caching, counting allocator for CPU tensors.
//
// Training allocates the same sizes in every micro-batch. The C library maps each block above 128 KiB and unmaps it
// when it is freed, and the system then faults its pages in again, one by one, at each micro-batch. So a freed block
// goes on a shelf of its size class, and the next tensor of that class takes it. Blocks go back to the system only in
// `releaseCache`, which also runs before an allocation fails.
//
// A size class is a quarter of a power of two, so at most a fifth of a block is unused, and a shelf is found without a
// search. Each shelf has a lock of its own, because a tensor may be freed by another thread than the one that made it.
// A header in front of the bytes says how large the block is, so a release needs nothing but the address.
//
// The live and the peak bytes are counted for the whole process, as asked for and not as rounded up, so that tests can
// hold the memory of a step to the byte.
#include "memory.h"

#include <c10/core/CPUAllocator.h>
#include <torch/csrc/api/include/torch/version.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "guard.h"

namespace dualpipe {

namespace {

constexpr size_t kAlignment = 64;  // also the room for a block's header in front of its bytes
constexpr size_t kNumClasses = 4 * 48;
#ifdef __SANITIZE_ADDRESS__
// A memory checker sees a use of a freed block only if the block really is freed.
constexpr bool kKeepsBlocks = false;
#else
constexpr bool kKeepsBlocks = true;
#endif

struct Header {
  size_t bytes;
  uint32_t sizeClass;
};

uint32_t classOf(size_t bytes) {
  if (bytes <= 256) return static_cast<uint32_t>((bytes + 63) / 64);
  uint32_t log = 63 - __builtin_clzll(bytes - 1);
  return 4 * (log - 7) + 1 + static_cast<uint32_t>(((bytes - 1) >> (log - 2)) & 3);
}

size_t capacityOf(uint32_t sizeClass) {
  if (sizeClass <= 4) return size_t{64} * sizeClass;
  uint32_t log = (sizeClass - 1) / 4 + 7;
  return (size_t{4} + (sizeClass - 1) % 4 + 1) << (log - 2);
}

class CachingAllocator final : public at::Allocator {
 public:
#if TORCH_VERSION_MAJOR < 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 3)
  at::DataPtr allocate(size_t bytes) const override { return make(bytes); }
#else
  at::DataPtr allocate(size_t bytes) override { return make(bytes); }
  void copy_data(void* dest, const void* src, size_t count) const override { std::memcpy(dest, src, count); }
#endif
  at::DeleterFnPtr raw_deleter() const override { return &release; }

  static std::atomic<int64_t> live, peak;
  static void releaseCache();

 private:
  struct Shelf {
    std::mutex mutex;
    std::vector<void*> blocks;
  };
  // Never destroyed: other statics and threads free tensors until the very end of the process.
  static std::array<Shelf, kNumClasses>& shelves;

  static at::DataPtr make(size_t bytes);
  static void release(void* data);
};

std::atomic<int64_t> CachingAllocator::live{0}, CachingAllocator::peak{0};
std::array<CachingAllocator::Shelf, kNumClasses>& CachingAllocator::shelves = *new std::array<Shelf, kNumClasses>();

at::DataPtr CachingAllocator::make(size_t bytes) {
  const at::Device cpu(at::DeviceType::CPU);
  if (bytes == 0) return {nullptr, nullptr, &release, cpu};
  uint32_t sizeClass = classOf(bytes);
  TORCH_CHECK_WITH(OutOfMemoryError, sizeClass < kNumClasses, "out of memory: ", bytes, " bytes asked for");
  void* block = nullptr;
  {
    Shelf& shelf = shelves[sizeClass];
    std::lock_guard<std::mutex> lock(shelf.mutex);
    if (!shelf.blocks.empty()) {
      block = shelf.blocks.back();
      shelf.blocks.pop_back();
    }
  }
  if (block == nullptr && posix_memalign(&block, kAlignment, kAlignment + capacityOf(sizeClass)) != 0) {
    releaseCache();
    TORCH_CHECK_WITH(OutOfMemoryError, posix_memalign(&block, kAlignment, kAlignment + capacityOf(sizeClass)) == 0,
                     "out of memory: ", bytes, " bytes asked for, ", live.load(), " bytes of tensors live");
  }
  *static_cast<Header*>(block) = {bytes, sizeClass};
  int64_t now = live.fetch_add(bytes) + static_cast<int64_t>(bytes);
  for (int64_t seen = peak.load(); now > seen && !peak.compare_exchange_weak(seen, now);) {
  }
  void* data = static_cast<char*>(block) + kAlignment;
  return {data, data, &release, cpu};
}

void CachingAllocator::release(void* data) {
  if (data == nullptr) return;
  void* block = static_cast<char*>(data) - kAlignment;
  auto header = *static_cast<Header*>(block);
  live.fetch_sub(header.bytes);
  if (!kKeepsBlocks) {
    std::free(block);
    return;
  }
  Shelf& shelf = shelves[header.sizeClass];
  std::lock_guard<std::mutex> lock(shelf.mutex);
  shelf.blocks.push_back(block);
}

void CachingAllocator::releaseCache() {
  for (auto& shelf : shelves) {
    std::lock_guard<std::mutex> lock(shelf.mutex);
    for (void* block : shelf.blocks) std::free(block);
    shelf.blocks.clear();
  }
}

// memory(): { liveBytes, peakBytes } of the CPU tensors of the whole process; the peak since the last resetPeakBytes.
Napi::Value memory(const Napi::CallbackInfo& info) {
  auto result = Napi::Object::New(info.Env());
  result.Set("liveBytes", static_cast<double>(CachingAllocator::live.load()));
  result.Set("peakBytes", static_cast<double>(CachingAllocator::peak.load()));
  return result;
}

Napi::Value resetPeakBytes(const Napi::CallbackInfo& info) {
  CachingAllocator::peak.store(CachingAllocator::live.load());
  return info.Env().Undefined();
}

Napi::Value releaseCache(const Napi::CallbackInfo& info) {
  CachingAllocator::releaseCache();
  return info.Env().Undefined();
}

}  // namespace

void installAllocator() {
  static CachingAllocator* allocator = [] {
    auto* made = new CachingAllocator();
    c10::SetCPUAllocator(made, /*priority=*/100);
    return made;
  }();
  (void)allocator;
}

void defineMemory(Napi::Object& exports) {
  define<memory>(exports, "memory");
  define<resetPeakBytes>(exports, "resetPeakBytes");
  define<releaseCache>(exports, "releaseCache");
}

}  // namespace dualpipe
