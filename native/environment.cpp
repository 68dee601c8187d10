#include "environment.h"

namespace dualpipe {

namespace {
constexpr double kSlotSpan = static_cast<double>(TensorTable::kMaxTensors);
constexpr double kMaxExact = 9007199254740992.0;  // 2^53
}

double TensorTable::insert(at::Tensor tensor) {
  uint32_t slot;
  if (free_.empty()) {
    TORCH_CHECK(slots_.size() < kMaxTensors, "at most ", kMaxTensors, " tensors can be alive in one thread; end a scope, or dispose some");
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot].tensor = std::move(tensor);
  return static_cast<double>(slot) + static_cast<double>(slots_[slot].generation) * kSlotSpan;
}

size_t TensorTable::locate(double handle) const {
  bool isHandle = handle >= 0 && handle < kMaxExact;
  auto bits = isHandle ? static_cast<uint64_t>(handle) : 0;
  size_t slot = bits % kMaxTensors;
  auto generation = bits / kMaxTensors;
  TORCH_CHECK(isHandle && slot < slots_.size(), "no tensor of this thread has the handle ", handle);
  TORCH_CHECK(slots_[slot].generation == static_cast<uint32_t>(generation), "the tensor with the handle ", handle, " was freed already");
  return slot;
}

const at::Tensor& TensorTable::get(double handle) const { return slots_[locate(handle)].tensor; }

void TensorTable::erase(double handle) {
  size_t slot = locate(handle);
  slots_[slot].tensor = at::Tensor();
  slots_[slot].generation++;
  free_.push_back(static_cast<uint32_t>(slot));
}

Environment& Environment::of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

}  // namespace dualpipe
