#include "drivers/support/open_below.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>

namespace layermark {
namespace {

Result<Fd> OpenStep(int base, const std::string& path, int flags) {
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  // RESOLVE_NO_XDEV: what is mounted below the source is no part of it.
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  long fd = syscall(SYS_openat2, base, path.c_str(), &how, sizeof how);
  if (fd < 0 && errno == EPERM && (flags & O_NOATIME) != 0) return OpenStep(base, path, flags & ~O_NOATIME);
  if (fd < 0) return Status::Errno("openat2", path, errno);
  return Fd(static_cast<int>(fd));
}

}  // namespace

Result<Fd> OpenBelow(int root, std::string_view path, int flags) {
  flags |= O_RDONLY | O_DIRECTORY;
  Fd base;
  while (path.size() >= PATH_MAX) {
    size_t cut = path.rfind('/', PATH_MAX - 1);
    if (cut == std::string_view::npos) return Status::Errno("openat2", path, ENAMETOOLONG);
    LM_ASSIGN(base, OpenStep(base.valid() ? base.get() : root, std::string(path.substr(0, cut)),
                             O_PATH | O_DIRECTORY));
    path.remove_prefix(cut + 1);
  }
  return OpenStep(base.valid() ? base.get() : root, path.empty() ? "." : std::string(path), flags);
}

}  // namespace layermark
