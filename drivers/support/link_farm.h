// The link farm: trees that share their files by hard links, and an overlayfs upper directory laid over one.
//
// Only directories cannot be shared. So a tree made from another costs an inode per directory, and every
// other inode gets one more name, until it takes no more (EMLINK: 65,000 on ext4). Both trees must lie on one
// file system, and nobody may write to a file of either: it is the other's file too.
//
// Threads: LinkTree starts its own; calls for different trees may run at once.
#ifndef LAYERMARK_DRIVERS_SUPPORT_LINK_FARM_H_
#define LAYERMARK_DRIVERS_SUPPORT_LINK_FARM_H_

#include <string>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

// Makes the empty directory `to` show what the directory `from` shows: directories are made with all their
// attributes, all else is linked. Errors: of the call that failed, with the path below `from`; what was made
// so far stays, for the caller to remove.
Status LinkTree(const std::string& from, const std::string& to);

// Lays the overlayfs upper directory `upper` over the tree `root`, so that `root` shows what a mount of the
// two showed: a whiteout removes, an opaque directory replaces, a directory gives its attributes, all else is
// linked in place of what was there. Attributes that belong to overlayfs (`overlay_prefix`,
// "trusted.overlay.") are taken from the files that are linked and do not come along with directories; those
// that a mount escaped
// ("trusted.overlay.overlay.") stay. REQUIRES: `upper` was mounted without redirects and metacopy, and is
// whole by itself. May be done twice with the same result. Any depth. Errors as above.
Status LayUpperOver(const std::string& upper, const std::string& root, const std::string& overlay_prefix);

// What the tree `root` takes of its own beside the tree `parent` that it was linked from: blocks and inodes
// of its directories and of every file that `parent` does not have, each inode once. Cost: a walk of both.
Result<Usage> UsageBeside(const std::string& parent, const std::string& root);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_LINK_FARM_H_
