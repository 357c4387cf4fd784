// The branches of a union as unionfs-fuse takes them.
#ifndef LAYERMARK_DRIVERS_UNIONFS_FUSE_BRANCHES_H_
#define LAYERMARK_DRIVERS_UNIONFS_FUSE_BRANCHES_H_

#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/driver.h"

namespace layermark::unionfs {

// "dirs=UPPER=RW:LOWER=RO:LOWER=RO" and the options that every mount here needs: copy-on-write, and what FUSE
// mounts lack otherwise (set-id programs, devices, other users). Without an upper directory: read-only.
// REQUIRES: CheckPaths.
std::vector<std::string> MountOptionsOf(const StackSpec& spec);

// kInvalidArgument names a path that holds ':' or '=': the program has no way to state it.
Status CheckPaths(const StackSpec& spec);

}  // namespace layermark::unionfs

#endif  // LAYERMARK_DRIVERS_UNIONFS_FUSE_BRANCHES_H_
