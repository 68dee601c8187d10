// What a bridge between processes stands on: bytes with a number (the tag), from one process to another, in the order
// in which they were sent with that tag. Gloo is one wire (gloo_wire.cpp), plain sockets are another (socket_wire.cpp).
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

namespace dualpipe {

// A send or a receive that is under way.
class Transfer {
 public:
  virtual ~Transfer() = default;
  // False when it was aborted, or the time is up. Throws when the connection is broken.
  virtual bool wait(std::chrono::milliseconds timeout) = 0;
  // Ends the wait, from any thread.
  virtual void abort() = 0;
};

struct WireOptions {
  // The address at which this process listens for the others.
  std::string address;
  int process;
  int numProcesses;
  // The time that the others have to connect.
  std::chrono::milliseconds connectTimeout;
  // By process: the first bytes that this process sends to it, and the first that it must send.
  std::vector<std::string> ownTokens;
  std::vector<std::string> theirTokens;
};

class Wire {
 public:
  virtual ~Wire() = default;
  // `bytes` must not change until the transfer has ended.
  virtual std::shared_ptr<Transfer> send(const at::Tensor& bytes, int process, int tag) = 0;
  // Of exactly the size of what was sent.
  virtual std::shared_ptr<Transfer> receive(const at::Tensor& bytes, int process, int tag) = 0;
};

using StorePointer = c10::intrusive_ptr<c10d::Store>;

// Both block until this process is connected to all others, and throw when one does not come in time.
std::unique_ptr<Wire> connectSockets(const WireOptions& options, const StorePointer& store);
#if DUALPIPE_WITH_GLOO
std::unique_ptr<Wire> connectGloo(const WireOptions& options, const StorePointer& store);
#endif

}  // namespace dualpipe
