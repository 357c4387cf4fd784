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
  // The umask may have taken bits, and below a set-group-id directory the bit is inherited. To look is
  // cheaper than to change, which the file system's journal has to record.
  struct stat made = {};
  if (lstat(path.c_str(), &made) != 0) return Status::Errno("lstat", path);
  if ((made.st_mode & 07777) != mode && chmod(path.c_str(), mode) != 0) return Status::Errno("chmod", path);
  return Status::Ok();
}

Status CopyRootAttributes(const std::string& from, const std::string& to,
                          const std::vector<std::string>& private_prefixes) {
  struct stat stat = {};
  if (lstat(from.c_str(), &stat) != 0) return Status::Errno("lstat", from);
  LM_ASSIGN(const std::vector<std::string> xattrs, ListXattrNamesAt(AT_FDCWD, from));
  struct stat own = {};
  if (lstat(to.c_str(), &own) != 0) return Status::Errno("lstat", to);
  const bool same_owner = own.st_uid == stat.st_uid && own.st_gid == stat.st_gid;
  if (!same_owner && lchown(to.c_str(), stat.st_uid, stat.st_gid) != 0) return Status::Errno("lchown", to);
  for (const std::string& xattr : xattrs) {
    const bool stays = std::any_of(private_prefixes.begin(), private_prefixes.end(),
                                   [&](const std::string& prefix) { return xattr.starts_with(prefix); });
    if (stays || xattr.starts_with(kXfsAccessLists)) continue;
    LM_ASSIGN(const std::string value, GetXattrAt(AT_FDCWD, from, xattr));
    LM_TRY(SetXattrAt(AT_FDCWD, to, xattr, value));
  }
  // After the owner, whose change takes set-id bits away, and after an access list, which changes the
  // group's.
  if (lstat(to.c_str(), &own) != 0) return Status::Errno("lstat", to);
  if (own.st_mode != stat.st_mode && chmod(to.c_str(), stat.st_mode & 07777) != 0)
    return Status::Errno("chmod", to);
  const struct timespec times[2] = {stat.st_atim, stat.st_mtim};
  if (utimensat(AT_FDCWD, to.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("utimensat", to);
  return Status::Ok();
}

Mount BindOf(const std::string& directory, bool read_only) {
  return Mount{"bind", directory, "", {read_only ? "ro" : "rw", "rbind"}};
}

}  // namespace layermark
