#pragma once
#include <napi.h>

namespace dualpipe {
void defineSchemas(Napi::Object& exports);
}
