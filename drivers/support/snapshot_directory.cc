#include "drivers/support/snapshot_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/sys/fd.h"

namespace layermark {
namespace {

// XFS shows root its access lists twice: as the system.posix_acl_* that everyone sees, and in its own form.
constexpr char kXfsAccessLists[] = "trusted.SGI_ACL_";

}  // namespace

Status MakeDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0) return Status::Errno("mkdir", path);
  // Not only against the umask: below a set-group-id directory the bit would be inherited.
  if (chmod(path.c_str(), mode) != 0) return Status::Errno("chmod", path);
  return Status::Ok();
}

Status CopyRootAttributes(const std::string& from, const std::string& to,
                          const std::vector<std::string>& private_prefixes) {
  struct stat stat = {};
  if (lstat(from.c_str(), &stat) != 0) return Status::Errno("lstat", from);
  LM_ASSIGN(const std::vector<Xattr> xattrs, ListXattrsAt(AT_FDCWD, from));
  if (lchown(to.c_str(), stat.st_uid, stat.st_gid) != 0) return Status::Errno("lchown", to);
  for (const Xattr& xattr : xattrs) {
    const bool stays = std::any_of(private_prefixes.begin(), private_prefixes.end(),
                                   [&](const std::string& prefix) { return xattr.name.starts_with(prefix); });
    if (!stays && !xattr.name.starts_with(kXfsAccessLists))
      LM_TRY(SetXattrAt(AT_FDCWD, to, xattr.name, xattr.value));
  }
  if (chmod(to.c_str(), stat.st_mode & 07777) != 0) return Status::Errno("chmod", to);
  const struct timespec times[2] = {stat.st_atim, stat.st_mtim};
  if (utimensat(AT_FDCWD, to.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("utimensat", to);
  return Status::Ok();
}

Mount BindOf(const std::string& directory, bool read_only) {
  return Mount{"bind", directory, "", {read_only ? "ro" : "rw", "rbind"}};
}

}  // namespace layermark
