#pragma once
#include <napi.h>
namespace dualpipe {
void defineMailbox(Napi::Object& exports);
}
