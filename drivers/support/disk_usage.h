// DiskUsage: what a directory tree takes, as du counts it.
#ifndef LAYERMARK_DRIVERS_SUPPORT_DISK_USAGE_H_
#define LAYERMARK_DRIVERS_SUPPORT_DISK_USAGE_H_

#include <sys/stat.h>

#include <functional>
#include <string>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

// Calls `visit` for the directory itself and all that is below it, with the parent's descriptor, the name
// below it and lstat's answer. Does not cross mounts, follows no symlink, any depth. Cost: one fstatat per
// entry. An entry that goes meanwhile is left out. The first Status of `visit` that is not ok ends the walk.
using TreeVisitor = std::function<Status(int parent_fd, const std::string& name, const struct stat& stat)>;
Status VisitTree(const std::string& directory, const TreeVisitor& visit);

// Allocated blocks (not lengths) and inodes, the directory itself included, each inode once.
Result<Usage> DiskUsage(const std::string& directory);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_DISK_USAGE_H_
