#pragma once
#include <c10/core/Device.h>

namespace dualpipe {

// Lets a card read and write another one's memory, where the machine can.
void enablePeerAccess(c10::DeviceIndex from, c10::DeviceIndex to);

}  // namespace dualpipe
