// Opening a directory of a tree by its path below the tree's root, however long the path is.
#ifndef LAYERMARK_DRIVERS_SUPPORT_OPEN_BELOW_H_
#define LAYERMARK_DRIVERS_SUPPORT_OPEN_BELOW_H_

#include <string_view>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// Opens the directory `path` below `root` ("" is the root) with O_RDONLY and `flags`; a path longer than the
// kernel takes goes in several steps. Follows no symlink and does not leave `root`. A mount on the way is an
// error (EXDEV): what is mounted below a tree is no part of it. O_NOATIME is a wish.
Result<Fd> OpenBelow(int root, std::string_view path, int flags);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_OPEN_BELOW_H_
