// The copy engine: an exact copy of a directory tree, with several threads.
//
// Exact means: type, mode (whatever the umask), owner, nanosecond atime and mtime of files, directories and
// symlinks, all xattrs (ACLs and capabilities are xattrs), hard links within the tree, holes, devices, fifos
// and sockets, and the root directory's own attributes. Symlinks are never followed; any depth and any name.
// A mount below the source is an error (EXDEV), not content.
//
// With CopyMethod::kHardLink only directories are made; all else is linked to the source's inode, the same
// file in both trees (EXDEV where they are on two file systems, EMLINK where an inode takes no more names).
//
// Cost: about nine system calls for a file of up to 256 KiB; memory for one directory's names per thread and
// one record per inode with several names. Each thread has at most six descriptors open, however deep the
// tree.
//
// Threads: CopyTree starts its own and joins them before it returns. They have a umask and a working
// directory of their own, so that the caller's are neither read nor changed. Calls for different targets may
// run at once.
#ifndef LAYERMARK_DRIVERS_SUPPORT_COPY_ENGINE_H_
#define LAYERMARK_DRIVERS_SUPPORT_COPY_ENGINE_H_

#include <cstdint>

#include "core/result.h"
#include "drivers/support/copy_data.h"

namespace layermark {

struct CopyOptions {
  CopyMethod method = CopyMethod::kBytes;
  int threads = 0;    // 0: one for each core, at most 4
  bool sync = false;  // one syncfs of the target's file system after the last entry
};

struct CopyCounts {
  int64_t directories = 0;  // the root counts
  int64_t files = 0;        // distinct regular files
  int64_t symlinks = 0;     // likewise
  int64_t specials = 0;     // devices, fifos, sockets
  int64_t links = 0;  // further names of an inode that was copied already; kHardLink: of one of the source
  int64_t data_bytes = 0;  // bytes in data segments; holes are not counted
};

// Copies what is below the directory `from_root_fd` into the directory `to_root_fd`, and the attributes of
// the first to the second. REQUIRES: `to_root_fd` is empty and not below `from_root_fd`; nobody changes
// either. Errors: of the call that failed, with the path relative to the root; what was copied so far stays,
// for the caller to remove. A file's owner, device nodes and trusted xattrs need the privileges that they
// always need.
Result<CopyCounts> CopyTree(int from_root_fd, int to_root_fd, const CopyOptions& options = {});

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_COPY_ENGINE_H_
