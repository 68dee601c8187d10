#pragma once
#include <napi.h>
namespace dualpipe {
void defineOracle(Napi::Object& exports);
}
