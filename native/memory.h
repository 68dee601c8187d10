#pragma once
#include <napi.h>
namespace dualpipe {
// Once per process, before the first tensor.
void installAllocator();
void defineMemory(Napi::Object& exports);
}
