// The parts of a copy that concern one file: its bytes with their holes, and its extended attributes.
//
// Threads: a FileCopier belongs to one thread; it owns the buffers that its calls share.
#ifndef LAYERMARK_DRIVERS_SUPPORT_COPY_DATA_H_
#define LAYERMARK_DRIVERS_SUPPORT_COPY_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace layermark {

enum class CopyMethod {
  kBytes,          // read and write: nothing is ever shared
  kCopyFileRange,  // the file system may share extents; bytes where it cannot
  kReflink,        // FICLONE: the file system shares extents, or the copy fails with its errno
  kHardLink,       // everything but a directory becomes a further name of the source's inode
};

class FileCopier {
 public:
  explicit FileCopier(CopyMethod method);

  // Makes the empty file `to` equal to `from`, of `size` bytes. Holes stay holes. Returns the bytes in data
  // segments. Both descriptors' offsets move. A `from` that ends early gives a `to` that does too.
  Result<int64_t> CopyData(int from, int to, int64_t size);
  // Copies every xattr. `from` and `to` are open files (not O_PATH).
  Status CopyXattrs(int from, int to);
  // The same for names in directories, not following symlinks. Changes the thread's working directory.
  // REQUIRES: the calling thread has a working directory of its own (unshare CLONE_FS).
  Status CopyXattrsAt(int from_directory, int to_directory, const char* name);
  // Removes from `to` what `from` does not have, except what the kernel's security modules own.
  Status RemoveOtherXattrs(int from, int to);

 private:
  Result<int64_t> CopySegment(int from, int to, int64_t offset, int64_t length);
  Result<int64_t> CopyBytes(int from, int to, int64_t offset, int64_t length);

  CopyMethod method_;
  bool range_works_ = true;  // cleared by the first "not here" of copy_file_range
  std::vector<char> buffer_;
  std::vector<char> names_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_COPY_DATA_H_
