#include "core/oci/apply_attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "core/sys/owners.h"

namespace layermark {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

bool Has(const std::vector<Xattr>& xattrs, std::string_view name) {
  return std::any_of(xattrs.begin(), xattrs.end(), [&](const Xattr& xattr) { return xattr.name == name; });
}

}  // namespace

bool IsHostXattr(std::string_view name) {
  static const std::vector<std::string> prefixes = DiffOptions().dropped_xattr_prefixes;
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& p) { return name.starts_with(p); });
}

Status ApplyOwnerAndMode(const AttributeTarget& target, const TarHeader& header, const struct stat& st) {
  const char* name = target.name.c_str();
  const bool chown_needed = st.st_uid != header.uid || st.st_gid != header.gid;
  if (chown_needed) {
    const int rc = target.fd >= 0
                       ? ChownFd(target.fd, header.uid, header.gid)
                       : ChownAt(target.parent_fd, name, header.uid, header.gid, AT_SYMLINK_NOFOLLOW);
    if (rc != 0) return Status::Errno("chown", header.path);
  }
  // A symlink has no mode of its own, and chmod would go through it (L17).
  if (S_ISLNK(st.st_mode)) return Status::Ok();
  const bool special = (header.permissions & 07000) != 0 || (st.st_mode & 07000) != 0;
  if ((st.st_mode & 07777) != header.permissions || (chown_needed && special)) {
    const int rc = target.fd >= 0 ? fchmod(target.fd, header.permissions)
                                  : fchmodat(target.parent_fd, name, header.permissions, 0);
    if (rc != 0) return Status::Errno("chmod", header.path);
  }
  return Status::Ok();
}

Status ApplyXattrs(const AttributeTarget& target, const TarHeader& header, const ApplyOptions& options,
                   ApplyResult* result) {
  std::vector<Xattr> present;
  if (target.inherits) {
    LM_ASSIGN(present, ListXattrsAt(target.parent_fd, target.name));
    for (const Xattr& xattr : present) {
      if (Has(header.xattrs, xattr.name) || IsHostXattr(xattr.name)) continue;
      LM_TRY(RemoveXattrAt(target.parent_fd, target.name, xattr.name).WithContext(header.path));
    }
  }
  for (const Xattr& xattr : header.xattrs) {
    if (std::find(present.begin(), present.end(), xattr) != present.end()) continue;
    Status status;
    if (target.fd >= 0) {
      if (fsetxattr(target.fd, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0) {
        status = Status::Errno("set xattr " + xattr.name + " of", header.path);
      }
    } else {
      status = SetXattrAt(target.parent_fd, target.name, xattr.name, xattr.value);
    }
    if (status.error_number() == ENOTSUP && options.ignore_unsupported_xattrs) {
      ++result->ignored_xattrs;
    } else if (!status.ok()) {
      return status.WithContext(header.path);
    }
  }
  return Status::Ok();
}

Status ApplyTimes(const AttributeTarget& target, const TarHeader& header) {
  int64_t seconds = header.mtime_ns / kNsPerSecond, rest = header.mtime_ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  const timespec time = {static_cast<time_t>(seconds), static_cast<long>(rest)};
  const timespec times[2] = {time, time};
  const int rc = target.fd >= 0
                     ? futimens(target.fd, times)
                     : utimensat(target.parent_fd, target.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  return rc == 0 ? Status::Ok() : Status::Errno("set times of", header.path);
}

}  // namespace layermark
