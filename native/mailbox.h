#pragma once
#include <ATen/core/Tensor.h>
#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace dualpipe {

using Letter = std::vector<at::Tensor>;

struct Box {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Letter> letters;
};

struct Office {
  Office(std::string name, size_t numBoxes) : name(std::move(name)), boxes(numBoxes) {}
  const std::string name;
  std::vector<Box> boxes;
  std::mutex mutex;
  std::string closedBecause;
  std::atomic<bool> closed{false};

  Box& box(double index);
  void refuseWhenClosed();
  void deliver(double box, Letter letter);
};

// Offices are found by name, so that all threads of the process reach the same one.
std::shared_ptr<Office> openOffice(const std::string& name, size_t numBoxes);
// Ends every wait, now and later, in each office whose name begins so; the names are free again.
void closeOffices(const std::string& prefix, const std::string& reason);

Napi::Value officeHandle(napi_env env, std::shared_ptr<Office> office);
Office& officeOf(const Napi::Value& handle);

void defineMailbox(Napi::Object& exports);

}  // namespace dualpipe
