// Which bytes on the device a tree has, and which of them another tree has too: FIEMAP.
#ifndef LAYERMARK_DRIVERS_REFLINK_EXTENTS_H_
#define LAYERMARK_DRIVERS_REFLINK_EXTENTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark::reflink {

struct Extent {
  uint64_t logical = 0;   // in the file
  uint64_t physical = 0;  // on the device; 0 where `placed` is false
  uint64_t length = 0;
  bool placed = false;  // it has an address; not yet written data and data kept in the inode have none
  bool shared = false;  // another file, or another place of this one, has it too
};

// The extents of an open regular file, in order, without a flush. Errors: of FS_IOC_FIEMAP.
Result<std::vector<Extent>> ExtentsOf(int fd);

// A set of byte ranges of a device.
class Ranges {
 public:
  // Adds [start, start + length) and returns how much of it was not there.
  uint64_t Add(uint64_t start, uint64_t length);

 private:
  std::map<uint64_t, uint64_t> ends_;  // start -> end; disjoint and not adjacent
};

// What the tree `directory` takes beside the tree `parent` ("": none): every inode of it, and the bytes of
// its files that no file of `parent` has, each byte on the device once. Directories, symlinks and the like
// count their blocks, and attributes of files those outside the inode (XFS tells). Nothing is flushed: data
// that waits to be written counts with its length. REQUIRES: nobody changes either. Cost: three system calls
// per file that has data, in both trees, and three more in the first.
Result<Usage> OwnExtents(const std::string& directory, const std::string& parent);

}  // namespace layermark::reflink

#endif  // LAYERMARK_DRIVERS_REFLINK_EXTENTS_H_
