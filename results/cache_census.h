// The page cache that a set of files takes: by asking each inode, by the kernel's events, and on the whole
// machine.
//
// Three views, because none alone is true. By inode: exact, but only of the inodes that one knows. By events:
// all pages that came and went on the devices asked about, whoever owns them, since a moment. Of the machine:
// what nobody can hide, with everybody else's pages in it.
#ifndef LAYERMARK_RESULTS_CACHE_CENSUS_H_
#define LAYERMARK_RESULTS_CACHE_CENSUS_H_

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/tracepoints.h"

namespace layermark {

// Of an open file: cachestat, or mincore where the kernel has none. `size` is the file's.
Result<int64_t> CachedBytes(int fd, int64_t size);
// Of all regular files below `directory`, each inode once; not across mounts, but across btrfs subvolumes.
// REQUIRES: a file system of its own pages (not overlayfs). On FUSE opening a file can drop its pages: keep
// the descriptors that were read through, and ask those. Cost: an open and a call for each file.
Result<int64_t> CachedBytesBelow(const std::string& directory);
// Flushes the file system and drops the pages of all regular files below `directory`.
Status DropCacheBelow(const std::string& directory);

// The tracepoints that the next function counts, for TracepointCounter::Open.
std::vector<Tracepoint> CacheTracepoints();
// Bytes of pages added to the page cache less those deleted from it, of files on `devices` (as DeviceOfMount
// names them). Of btrfs its tree, inode 1, is no file. `first_tracepoint`: where those of CacheTracepoints
// begin in what was opened.
int64_t CachedBytesByEvents(const std::vector<TracepointCount>& counts, const std::set<dev_t>& devices,
                            size_t first_tracepoint = 0);
// The device as the kernel's events call it, of the mount that `path` lies on.
Result<dev_t> DeviceOfMount(const std::string& path);

// File pages of the machine without those of tmpfs, from the text of /proc/vmstat.
Result<int64_t> ParseFilePages(const std::string& vmstat, int64_t page_size);
// The same now. Has the kernel add up its counters by processor first.
Result<int64_t> MachineFileBytes();

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_CACHE_CENSUS_H_
