// What the kernel offers to FUSE daemons.
#ifndef LAYERMARK_CORE_SYS_FUSE_OFFER_H_
#define LAYERMARK_CORE_SYS_FUSE_OFFER_H_

#include <cstdint>
#include <string>

#include "core/result.h"

namespace layermark {

struct FuseOffer {
  uint32_t major = 0, minor = 0;  // of the protocol
  bool passthrough = false;       // FUSE_PASSTHROUGH, Linux 6.9: reads and writes that no daemon sees
  bool io_uring = false;          // FUSE_OVER_IO_URING, Linux 6.14, where the module allows it
};

// Mounts a FUSE file system without a daemon at `target`, reads the kernel's first request, which says what
// it can do, and unmounts again. Needs CAP_SYS_ADMIN. The Status names the call that failed.
Result<FuseOffer> AskFuseOffer(const std::string& target);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_FUSE_OFFER_H_
