// OwnChanges: what a btrfs snapshot holds that its parent does not, read from the subvolume's own tree.
#ifndef LAYERMARK_DRIVERS_BTRFS_OWN_CHANGES_H_
#define LAYERMARK_DRIVERS_BTRFS_OWN_CHANGES_H_

#include <string>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark::btrfs {

// inodes: those that were made or changed after the snapshot was taken (a read that only moved an access time
// changes nothing). size_bytes: the file extents written since, as they lie on disk, each once, and the
// content of small files that is kept inside the tree. Without parent everything counts.
//
// Syncs the file system first, since what is not written yet has no extent. Needs CAP_SYS_ADMIN. Cost: one
// pass over the leaves of the tree that changed.
Result<Usage> OwnChanges(const std::string& subvolume, bool has_parent);

}  // namespace layermark::btrfs

#endif  // LAYERMARK_DRIVERS_BTRFS_OWN_CHANGES_H_
