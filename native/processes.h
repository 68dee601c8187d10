#pragma once
#include <napi.h>
namespace dualpipe {
void defineProcesses(Napi::Object& exports);
}
