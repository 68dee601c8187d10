#pragma once
#include <napi.h>
namespace dualpipe {
void defineC10d(Napi::Object& exports);
}
