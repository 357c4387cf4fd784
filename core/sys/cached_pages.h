// How much of a file the page cache holds.
#ifndef LAYERMARK_CORE_SYS_CACHED_PAGES_H_
#define LAYERMARK_CORE_SYS_CACHED_PAGES_H_

#include <cstdint>

#include "core/result.h"

namespace layermark {

// Bytes of the pages that are cached for the inode behind `fd`, in whole pages: cachestat(2), or mmap(2) and
// mincore(2) before Linux 6.5. They differ on a union: cachestat asks the union's own inode, which holds no
// page of a file that it passes on, mincore the one that is mapped. Ask the backing file. Threads: any.
Result<int64_t> CachedBytes(int fd);
// The second way, whatever the kernel offers.
Result<int64_t> CachedBytesByMincore(int fd);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_CACHED_PAGES_H_
