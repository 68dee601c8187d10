#pragma once
#include <napi.h>
namespace dualpipe {
void defineDispatch(Napi::Object& exports);
}
