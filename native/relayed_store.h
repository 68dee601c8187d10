// A store of torch.distributed whose keys travel over the program's own connections: `publish` gets the keys that a
// wire sets here, and `learn` adds those of the other processes. Unlike the TCPStore it opens no port.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <vector>

namespace dualpipe {

class RelayedStore : public c10d::HashStore {
 public:
  using Value = std::vector<uint8_t>;
  using Publish = std::function<void(const std::string& key, const Value& value)>;

  explicit RelayedStore(Publish publish) : publish_(std::move(publish)) {}

  void learn(const std::string& key, const Value& value) { HashStore::set(key, value); }

  void set(const std::string& key, const Value& value) override {
    HashStore::set(key, value);
    publish_(key, value);
  }

  // LibTorch 2 would then set keys by calls other than `set`, which are not published.
  virtual bool hasExtendedApi() const { return false; }

 private:
  const Publish publish_;
};

}  // namespace dualpipe
