// A step as one CUDA graph, and the flags by which the graphs of several ranks wait for one another.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAStream.h>
#include <napi.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

namespace dualpipe {

struct CopyEdge;
struct Mailboxes;

// A word in the memory of a card, at first 0. Streams write it and wait for a value, those of other cards too.
class Flag {
 public:
  explicit Flag(c10::DeviceIndex card);
  void write(const c10::cuda::CUDAStream& stream, uint32_t value) const;
  void await(const c10::cuda::CUDAStream& stream, uint32_t value) const;

 private:
  uint32_t* word_;
};

// What one thread has captured, and what the graph needs for as long as it is replayed.
struct Capture {
  at::cuda::CUDAGraph graph;
  c10::MempoolId_t pool;
  c10::DeviceIndex card;
  // Of messages, in both directions: their memory must stay where it is.
  std::vector<at::Tensor> tensors;
  // Streams that copy messages of this capture, which the compute stream waits for at the end.
  std::vector<c10::cuda::CUDAStream> copyStreams;
  // Of each edge to another rank: 1 from the first copy until the reader's graph has ended.
  std::map<const CopyEdge*, std::shared_ptr<Flag>> busy;
  // The same flags of the edges from which this capture took messages.
  std::set<std::shared_ptr<Flag>> toLower;
  // Each flag that the graph waits for, and its value.
  std::vector<std::pair<std::shared_ptr<Flag>, uint32_t>> awaited;
  // The mailboxes that brought the messages: when they are closed, what the graph waits for may never come.
  std::set<std::shared_ptr<Mailboxes>> sets;

  // Makes the stream wait for a flag.
  void await(const std::shared_ptr<Flag>& flag, const c10::cuda::CUDAStream& stream, uint32_t value);
};

// Null while this thread captures nothing.
Capture* captureOfThread();

void defineGraph(Napi::Object& cuda);

}  // namespace dualpipe
