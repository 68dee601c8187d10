#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>

namespace dualpipe {

// Lets a card read and write another one's memory, where the machine can.
void enablePeerAccess(c10::DeviceIndex from, c10::DeviceIndex to);

class Passage;
class TransferTimes;

// Memory for an incoming message, which is not given out again before all streams that were recorded for it are done.
at::Tensor emptyForMessage(c10::DeviceIndex card, at::IntArrayRef sizes, at::IntArrayRef strides, const at::TensorOptions& options);

// A message is there after what the stream has to do so far. `times`: of its transfer, when they are recorded.
std::shared_ptr<Passage> passageAfter(const c10::cuda::CUDAStream& stream, std::shared_ptr<TransferTimes> times = nullptr);

}  // namespace dualpipe
