// Waiting for the file system to be done with subvolumes that were deleted.
#ifndef LAYERMARK_DRIVERS_BTRFS_DELETED_SUBVOLUMES_H_
#define LAYERMARK_DRIVERS_BTRFS_DELETED_SUBVOLUMES_H_

#include <chrono>
#include <string>

#include "core/result.h"

namespace layermark::btrfs {

// Deleting a subvolume returns at once; the kernel frees its blocks later. Waits until it did so for all that
// are deleted now on the file system of the directory `path`, and their room can be used. Without any it
// costs one system call. kDeadlineExceeded where a subvolume is still there, for instance because a file of
// it is open. Needs CAP_SYS_ADMIN.
Status WaitForDeletedSubvolumes(const std::string& path, std::chrono::milliseconds deadline);

}  // namespace layermark::btrfs

#endif  // LAYERMARK_DRIVERS_BTRFS_DELETED_SUBVOLUMES_H_
