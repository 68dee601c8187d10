#include "environment.h"

#include <cmath>

namespace dualpipe {

namespace {
constexpr double kSlotSpan = static_cast<double>(TensorTable::kMaxTensors);
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
  double generation = std::floor(handle / kSlotSpan);
  auto slot = static_cast<size_t>(handle - generation * kSlotSpan);
  TORCH_CHECK(handle >= 0 && slot < slots_.size(), "no tensor of this thread has the handle ", handle);
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
