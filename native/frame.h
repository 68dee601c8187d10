// What travels between processes: a message packed into one run of bytes, and unpacked without a copy of its tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace dualpipe {

enum class FrameKind : int64_t { Letter, Abort, Bye };

struct Message {
  FrameKind kind = FrameKind::Letter;
  // The post office of a letter, or the prefix of the offices that an abort closes.
  std::string office;
  std::string reason;
  int64_t numBoxes = 0;
  int64_t box = 0;
  std::vector<at::Tensor> letter;
};

at::Tensor emptyFrame(int64_t numBytes);
at::Tensor packMessage(const Message& message);
// The letter's tensors lie in the frame and keep it alive.
Message unpackMessage(const at::Tensor& frame);

// Stands where a frame is larger than the receiver has foreseen; the frame follows.
at::Tensor packAnnouncement(int64_t numBytes);
bool isAnnouncement(const at::Tensor& frame);
// The size of the frame, or of the announced one.
int64_t frameBytes(const at::Tensor& frame);

}  // namespace dualpipe
