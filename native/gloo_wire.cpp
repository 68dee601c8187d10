#if DUALPIPE_WITH_GLOO
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "wire.h"

namespace dualpipe {

namespace {

class GlooTransfer : public Transfer {
 public:
  explicit GlooTransfer(c10::intrusive_ptr<c10d::Work> work) : work_(std::move(work)) {}
  bool wait(std::chrono::milliseconds timeout) override { return work_->wait(timeout); }
  void abort() override { work_->abort(); }

 private:
  const c10::intrusive_ptr<c10d::Work> work_;
};

class GlooWire : public Wire {
 public:
  GlooWire(const WireOptions& options, const StorePointer& store) {
    // While it connects, Gloo waits five times as long as this.
    auto glooOptions = c10d::ProcessGroupGloo::Options::create(options.connectTimeout / 5);
    glooOptions->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(options.address));
    // For collectives, which we do not use.
    glooOptions->threads = 1;
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.process, options.numProcesses, glooOptions);
  }

  std::shared_ptr<Transfer> send(const at::Tensor& bytes, int process, int tag) override {
    std::vector<at::Tensor> list{bytes};
    return std::make_shared<GlooTransfer>(gloo_->send(list, process, tag));
  }

  std::shared_ptr<Transfer> receive(const at::Tensor& bytes, int process, int tag) override {
    std::vector<at::Tensor> list{bytes};
    return std::make_shared<GlooTransfer>(gloo_->recv(list, process, tag));
  }

 private:
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
};

}  // namespace

std::unique_ptr<Wire> connectGloo(const WireOptions& options, const StorePointer& store) {
  return std::make_unique<GlooWire>(options, store);
}

}  // namespace dualpipe

#endif
