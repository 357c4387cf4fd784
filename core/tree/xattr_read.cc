#include "core/tree/xattr_read.h"

#include <fmt/core.h>
#include <linux/limits.h>
#include <sys/xattr.h>

#include <algorithm>

#include "core/sys/xattr_alias.h"

namespace layermark {

Status XattrReader::ReadFd(int fd, const std::string& path, std::vector<Xattr>* out) {
  return Read(fd, nullptr, path, out);
}

Status XattrReader::ReadName(int dir_fd, const std::string& name, const std::string& path,
                             std::vector<Xattr>* out) {
  const std::string proc_path = fmt::format("/proc/self/fd/{}/{}", dir_fd, name);
  return Read(-1, proc_path.c_str(), path, out);
}

Status XattrReader::Read(int fd, const char* proc_path, const std::string& path, std::vector<Xattr>* out) {
  // The kernel's own limits: neither a list nor a value can be longer.
  if (!names_) names_ = std::make_unique_for_overwrite<char[]>(XATTR_LIST_MAX);
  ssize_t length = proc_path != nullptr ? llistxattr(proc_path, names_.get(), XATTR_LIST_MAX)
                                        : flistxattr(fd, names_.get(), XATTR_LIST_MAX);
  if (length < 0) {
    if (errno == EOPNOTSUPP || errno == ENOSYS) return Status::Ok();
    return Status::Errno("listxattr", path);
  }
  for (const char* name = names_.get(); name < names_.get() + length;
       name += std::string_view(name).size() + 1) {
    auto ignored = [&](const std::string& prefix) { return std::string_view(name).starts_with(prefix); };
    if (IsXattrAlias(name) || std::any_of(ignored_.begin(), ignored_.end(), ignored)) continue;
    if (!value_) value_ = std::make_unique_for_overwrite<char[]>(XATTR_SIZE_MAX);
    ssize_t size = proc_path != nullptr ? lgetxattr(proc_path, name, value_.get(), XATTR_SIZE_MAX)
                                        : fgetxattr(fd, name, value_.get(), XATTR_SIZE_MAX);
    if (size < 0) return Status::Errno(fmt::format("getxattr {} of", name), path);
    out->push_back({name, std::string(value_.get(), static_cast<size_t>(size))});
  }
  std::sort(out->begin(), out->end());
  return Status::Ok();
}

}  // namespace layermark
