// The branches of a union as aufs takes them: aufs(5), "Mount options" and "Branch syntax".
#ifndef LAYERMARK_DRIVERS_AUFS_BRANCHES_H_
#define LAYERMARK_DRIVERS_AUFS_BRANCHES_H_

#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/driver.h"

namespace layermark::aufs {

// AUFS_BRANCH_MAX of a kernel built with the default CONFIG_AUFS_BRANCH_MAX_127.
inline constexpr size_t kDefaultBranches = 127;

// The mount options of the union of these directories:
//
//   br=UPPER=rw             the topmost branch, writable
//   append=LOWER=ro+wh      each branch below it, in order; "+wh": its whiteouts count
//   xino=UPPER.xino         the table of inode numbers, beside the branches and not in one; the kernel
//   unlinks
//                           it as soon as it is open
//   dio,dirperm1            direct I/O; permissions of a directory are those of its topmost branch alone
//
// Without an upper directory the first lower one takes its place as "ro+wh", and the mount is read-only.
// Every branch is an option of its own, so that no option is longer than a path. Errors: kInvalidArgument, a
// path with ':', '=' or ',', for which the syntax has no escape; kResourceExhausted, more than `most`
// branches.
Result<std::vector<std::string>> MountOptionsOf(const StackSpec& spec, size_t most = kDefaultBranches);

// Whether aufs keeps this name in a branch for itself, as it does with ".wh..wh.aufs", ".wh..wh.plnk" and
// ".wh..wh.orph" in the root of one that was writable.
bool IsBaseFile(const std::string& name);

}  // namespace layermark::aufs

#endif  // LAYERMARK_DRIVERS_AUFS_BRANCHES_H_
