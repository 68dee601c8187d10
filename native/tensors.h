#pragma once
#include <napi.h>
namespace dualpipe {
void defineTensors(Napi::Object& exports);
}
