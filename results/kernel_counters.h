// What the kernel counts of a device and of its own memory: texts of /sys and /proc, read and parsed.
//
// Threads: any; the functions keep no state. The memory counters are the whole machine's, and so are the
// device's where others write to it.
#ifndef LAYERMARK_RESULTS_KERNEL_COUNTERS_H_
#define LAYERMARK_RESULTS_KERNEL_COUNTERS_H_

#include <cstdint>
#include <map>
#include <string>

#include "core/result.h"

namespace layermark {

struct DeviceCounters {
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
  int64_t flushes = 0;  // of its write cache
};
// The text of /sys/class/block/NAME/stat. kUnimplemented where the kernel counts no flushes (before 5.5).
Result<DeviceCounters> ParseBlockStat(const std::string& text);
// Of the loop device under the mount that `directory` lies on. kFailedPrecondition where that is no loop
// device: then others write to it too.
Result<DeviceCounters> ReadDevice(const std::string& directory);

// Bytes of objects in use by cache.
using SlabBytes = std::map<std::string, int64_t>;
// The text of /proc/slabinfo; only the caches of inodes, directory entries and mounts. kInvalidArgument for
// another version than 2.x.
Result<SlabBytes> ParseSlabInfo(const std::string& text);
Result<SlabBytes> ReadSlabs();  // root only
// What grew or shrank, by cache; without those that did neither.
SlabBytes Growth(const SlabBytes& before, const SlabBytes& after);
int64_t Sum(const SlabBytes& slabs);

// The first number of /proc/sys/fs/dentry-state: directory entries, used and unused.
Result<int64_t> ParseDentryState(const std::string& text);
Result<int64_t> ReadDentries();

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_KERNEL_COUNTERS_H_
