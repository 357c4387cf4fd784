// What of a file is in the page cache.
//
// Both functions ask about the inode behind the descriptor. On overlayfs that matters: cachestat(2) of a file
// opened through an overlay sees the overlay's own inode, which caches nothing, while a mapping of the same
// descriptor is one of the file below. So ask about files of the backing file system, and of FUSE file
// systems about both.
#ifndef LAYERMARK_CORE_SYS_PAGE_CACHE_H_
#define LAYERMARK_CORE_SYS_PAGE_CACHE_H_

#include <cstdint>

#include "core/result.h"

namespace layermark {

// Bytes of whole pages. By cachestat(2): kUnimplemented before Linux 6.5.
Result<int64_t> CachedBytesByCachestat(int fd);
// The same by a mapping and mincore(2). `size` is the file's. Root, or the file's owner, or who may write to
// it; others are told that all is cached.
Result<int64_t> CachedBytesByMincore(int fd, int64_t size);
// Drops the file's clean pages (posix_fadvise); what is dirty, mapped or locked stays.
Status DropCache(int fd);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_PAGE_CACHE_H_
