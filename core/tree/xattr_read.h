// Reading the extended attributes of many files: one buffer for all, the descriptor where one is open anyway.
#ifndef LAYERMARK_CORE_TREE_XATTR_READ_H_
#define LAYERMARK_CORE_TREE_XATTR_READ_H_

#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// Threads: one at a time per object. Results are sorted by name. A file system without xattrs has none.
class XattrReader {
 public:
  // Names with one of these prefixes are left out. The vector must outlive the reader.
  explicit XattrReader(const std::vector<std::string>& ignored_prefixes) : ignored_(ignored_prefixes) {}

  // Of an open file. `path` is for the message.
  Status ReadFd(int fd, const std::string& path, std::vector<Xattr>* out);
  // Of a name that is not opened (symlinks, special files), through /proc/self/fd of its directory.
  Status ReadName(int dir_fd, const std::string& name, const std::string& path, std::vector<Xattr>* out);

 private:
  Status Read(int fd, const char* proc_path, const std::string& path, std::vector<Xattr>* out);

  const std::vector<std::string>& ignored_;
  std::unique_ptr<char[]> names_;
  std::unique_ptr<char[]> value_;
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_TREE_XATTR_READ_H_
