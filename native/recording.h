#pragma once
#include <napi.h>
namespace dualpipe {
void defineRecording(Napi::Object& exports);
}
