// When messages were copied between cards; see cuda_transfer_times.cpp.
#pragma once
#include <c10/cuda/CUDAStream.h>
#include <napi.h>

#include <memory>

namespace dualpipe {

// One transfer, timed in the stream that makes it.
class TransferTimes {
 public:
  // Begins one behind what the stream has to do so far. Null while no thread of this process records, and in a capture.
  static std::shared_ptr<TransferTimes> beginIn(const c10::cuda::CUDAStream& stream);

  explicit TransferTimes(const c10::cuda::CUDAStream& stream);
  ~TransferTimes();
  TransferTimes(const TransferTimes&) = delete;
  TransferTimes& operator=(const TransferTimes&) = delete;

  void end(const c10::cuda::CUDAStream& stream, size_t numBytes);

 private:
  friend struct TransferAges;
  const c10::DeviceIndex card_;
  cudaEvent_t start_, end_;
  double numBytes_ = 0;
};

// Call in the thread that reads a message: keeps its times when this thread records. Does nothing for null.
void noteTransfer(std::shared_ptr<TransferTimes> times);

void defineTransferTimes(Napi::Object& cuda);

}  // namespace dualpipe
