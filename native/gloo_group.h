#pragma once
#include <napi.h>
namespace dualpipe {
void defineGloo(Napi::Object& exports);
}
