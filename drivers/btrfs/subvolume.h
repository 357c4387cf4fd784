// Subvolumes of btrfs by the kernel's own calls, without the btrfs program.
#ifndef LAYERMARK_DRIVERS_BTRFS_SUBVOLUME_H_
#define LAYERMARK_DRIVERS_BTRFS_SUBVOLUME_H_

#include <string>

#include "core/result.h"

namespace layermark::btrfs {

// An empty subvolume with mode 0755 at `path`, whose parent directory exists.
Status CreateSubvolume(const std::string& path);
// A snapshot of the subvolume `source` at `path`. Waits for a transaction of the file system.
Status CreateSnapshot(const std::string& source, const std::string& path, bool read_only);
Result<bool> IsReadOnly(const std::string& path);
Status SetReadOnly(const std::string& path, bool read_only);
// Removes the subvolume with the subvolumes that were made inside it. A path that does not exist is ok; an
// ordinary directory is removed as such. The file system gives the space back later, by itself
// (deleted_subvolumes.h waits for that).
Status DeleteSubvolume(const std::string& path);

}  // namespace layermark::btrfs

#endif  // LAYERMARK_DRIVERS_BTRFS_SUBVOLUME_H_
