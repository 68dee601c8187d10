#pragma once
#include <napi.h>

#include <functional>

#include "environment.h"

namespace dualpipe {

// What JavaScript calls an operator with: its number, and which of the arguments are tensors. See dispatch.cpp.
struct Word {
  size_t op;
  uint64_t tensorBits;
  explicit Word(double word);
  bool isTensor(size_t position) const { return ((tensorBits >> position) & 1) != 0; }
};

// Puts the operator's arguments, from the position `first` of the call, on the stack and calls `invoke`, which leaves
// the results there. Errors name the operator and its arguments.
void executeWith(const Napi::CallbackInfo& info, Word word, size_t first, const std::function<void(Environment&, Operator&)>& invoke);

void defineDispatch(Napi::Object& exports);

}  // namespace dualpipe
