// What differs between two trees, as a plan of tar entries. Internal to DiffToTar.
#ifndef LAYERMARK_CORE_OCI_DIFF_SCAN_H_
#define LAYERMARK_CORE_OCI_DIFF_SCAN_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/oci/layer_tar.h"
#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// Goes from directory to directory of one tree by canonical paths, following no symlink, with a bounded
// number of descriptors. Neighbours in a depth-first order cost one openat().
class TreeCursor {
 public:
  static Result<TreeCursor> Create(int root_fd);
  // A descriptor (O_PATH) on the directory, valid until the next call.
  Result<int> Goto(const std::string& path);

 private:
  struct Frame {
    std::string path;
    Fd fd;
  };
  std::vector<Frame> frames_;
};

struct DiffNode {
  std::string path;
  struct stat upper {};
  size_t parent = 0;      // index of its directory's node; the root is its own
  bool whiteout = false;  // a name of the lower tree that is gone
  bool in_lower = false;  // the lower tree has the name, with the same type
  bool emit = false;      // it goes into the tar
  dev_t lower_dev = 0;
  ino_t lower_ino = 0;
};

struct DiffPlan {
  std::vector<DiffNode> nodes;  // depth first, each directory's whiteouts before its other names
  int64_t skipped_sockets = 0;
};

// Reads both trees once (`lower_fd` < 0: none). Directories on the way to a difference are marked, too, and
// all names of an inode where one of them is or where the links themselves changed (L36).
Result<DiffPlan> ScanDifferences(int lower_fd, int upper_fd, const DiffOptions& options);

// The xattrs of `name` that a layer holds.
Result<std::vector<Xattr>> LayerXattrs(int dir_fd, const std::string& name, const DiffOptions& options);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_DIFF_SCAN_H_
