// What drivers ask of the running kernel.
#ifndef LAYERMARK_DRIVERS_SUPPORT_KERNEL_H_
#define LAYERMARK_DRIVERS_SUPPORT_KERNEL_H_

#include <string>

#include "core/capability.h"
#include "core/result.h"

namespace layermark {

// "Linux 6.18.44".
Result<std::string> KernelVersion();
bool KernelAtLeast(int major, int minor);

// What a directory of the kernel file system `backing` ("ext4", "xfs", "btrfs", "tmpfs") can do when it is
// bind mounted: the kFeature capabilities. Anything else is taken to be like ext4.
CapabilitySet BackingCapabilities(const std::string& backing);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_KERNEL_H_
