// Walking a directory tree of any depth without recursion, without following symlinks, and with a bounded
// number of open descriptors.
#ifndef LAYERMARK_CORE_TREE_DIR_WALK_H_
#define LAYERMARK_CORE_TREE_DIR_WALK_H_

#include <sys/stat.h>

#include <functional>
#include <string>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// One name met on the walk. References and descriptors are valid during the call only.
struct WalkedName {
  int dir_fd;  // the directory that holds it
  const std::string& name;
  const std::string& path;  // relative to the root of the walk
  const struct stat& st;    // lstat
  uint8_t dirent_type;      // d_type
  ino_t dirent_ino;         // d_ino
  int opened_fd;            // a directory that the walk goes into: open for reading; -1 for all else
};

// openat(2) for reading without following a symlink; leaves the access time alone where that is allowed.
// `path` is for the message.
Result<Fd> OpenForReading(int dir_fd, const std::string& name, const std::string& path, int extra_flags = 0);

// Visits every name below `root` (open for reading), a directory before what is in it, otherwise in no
// particular order. `enter` says whether the walk goes into a directory. The first failure ends the walk.
Status WalkTree(Fd root, const std::function<bool(const struct stat&)>& enter,
                const std::function<Status(const WalkedName&)>& visit);

}  // namespace layermark

#endif  // LAYERMARK_CORE_TREE_DIR_WALK_H_
