#include "results/union_marks.h"

#include <sys/xattr.h>

namespace layermark {

std::string UnionMark(int fd, const char* word, size_t max_bytes) {
  std::string value;
  for (const char* prefix : {"trusted.overlay.", "user.overlay.", "user.fuseoverlayfs."}) {
    value.resize(max_bytes);
    const ssize_t n = fgetxattr(fd, (std::string(prefix) + word).c_str(), value.data(), value.size());
    if (n < 0) continue;
    value.resize(static_cast<size_t>(n));
    return value;
  }
  return "";
}

bool HasUnionMark(int fd, const char* word) {
  for (const char* prefix : {"trusted.overlay.", "user.overlay."}) {
    if (fgetxattr(fd, (std::string(prefix) + word).c_str(), nullptr, 0) >= 0) return true;
  }
  return false;
}

}  // namespace layermark
