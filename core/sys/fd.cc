#include "core/sys/fd.h"

#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "core/sys/xattr_alias.h"

namespace layermark {
namespace {

// "a/b/c" -> {"a/b", "c"}; "c" -> {".", "c"}; "/c" -> {"/", "c"}. Slashes at the end are dropped: with them
// the kernel would follow a symlink in the last component.
struct SplitPath {
  std::string parent;
  std::string name;
};
SplitPath Split(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {".", std::string(path)};
  std::string parent(path.substr(0, slash));
  if (parent.empty()) parent = "/";
  return {std::move(parent), std::string(path.substr(slash + 1))};
}

// A path that the path-based xattr calls can take for an object below a directory descriptor. `holder` keeps
// the parent open as long as the path is used.
struct ProcPath {
  Fd holder;
  std::string path;
  bool follow = false;  // the path ends in the magic link of the object itself
};
Result<ProcPath> MakeProcPath(int dir_fd, const std::string& path) {
  ProcPath out;
  if (path.empty()) {
    out.path = fmt::format("/proc/self/fd/{}", dir_fd);
    out.follow = true;
    return out;
  }
  if (dir_fd == AT_FDCWD && path.size() < PATH_MAX && !path.ends_with('/')) {
    out.path = path;
    return out;
  }
  if (path.find('/') == std::string::npos && dir_fd >= 0) {
    out.path = fmt::format("/proc/self/fd/{}/{}", dir_fd, path);
    return out;
  }
  SplitPath split = Split(path);
  LM_ASSIGN(out.holder, OpenAt(dir_fd, split.parent, O_PATH | O_DIRECTORY));
  out.path = fmt::format("/proc/self/fd/{}/{}", out.holder.get(), split.name);
  return out;
}

constexpr size_t kXattrMax = 65536;  // XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel

// Runs call(buffer, size) with a small buffer first and the largest possible one where that is too small.
template <typename Call>
Result<std::string> ReadSized(Call call, std::string_view operation, const std::string& path) {
  std::array<char, 1024> small;
  ssize_t n = call(small.data(), small.size());
  if (n >= 0) return std::string(small.data(), static_cast<size_t>(n));
  if (errno != ERANGE) return Status::Errno(operation, path);
  std::string large(kXattrMax, '\0');
  n = call(large.data(), large.size());
  if (n < 0) return Status::Errno(operation, path);
  large.resize(static_cast<size_t>(n));
  return large;
}

Result<std::string> GetXattr(const ProcPath& at, const std::string& name, const std::string& shown) {
  return ReadSized(
      [&](char* buffer, size_t size) {
        return at.follow ? getxattr(at.path.c_str(), name.c_str(), buffer, size)
                         : lgetxattr(at.path.c_str(), name.c_str(), buffer, size);
      },
      fmt::format("getxattr {} of", name), shown);
}

// What stands behind a descriptor, for messages: its path, or its number where it has none.
std::string NameOf(int fd) {
  Result<std::string> path = ReadLinkAt(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd));
  return path.ok() && path->starts_with('/') ? *path : fmt::format("fd {}", fd);
}

Status FailedOn(std::string_view operation, int fd) {
  const int error = errno;
  return Status::Errno(operation, NameOf(fd), error);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

int Fd::Release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

Status Fd::Close() {
  const int fd = Release();
  // After EINTR the descriptor is gone on Linux: never close it twice.
  if (fd >= 0 && close(fd) != 0 && errno != EINTR) return Status::Errno("close", fmt::format("fd {}", fd));
  return Status::Ok();
}

Result<Fd> Fd::Duplicate() const {
  const int fd = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return Status::Errno("fcntl F_DUPFD_CLOEXEC", fmt::format("fd {}", fd_));
  return Fd(fd);
}

Result<Fd> OpenAt(int dir_fd, const std::string& path, int flags, mode_t mode) {
  int fd;
  do {
    fd = openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return Status::Errno("open", path);
  return Fd(fd);
}

Result<Fd> OpenInRoot(int root_fd, const std::string& path, int flags, mode_t mode) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  // openat2 refuses a mode where no file can come into being.
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  // EAGAIN: a rename elsewhere on the system raced with a ".."; the kernel asks to try again.
  for (int attempt = 0;; ++attempt) {
    const long fd = syscall(SYS_openat2, root_fd, name, &how, sizeof(how));
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno == EINTR || (errno == EAGAIN && attempt < 128)) continue;
    return Status::Errno("openat2", path);
  }
}

Result<std::string> ReadAll(int fd, size_t max_bytes) {
  std::string out;
  struct stat st;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
    if (static_cast<uint64_t>(st.st_size) <= max_bytes) out.reserve(static_cast<size_t>(st.st_size));
  }
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return FailedOn("read", fd);
    }
    if (n == 0) return out;
    if (static_cast<size_t>(n) > max_bytes - out.size()) {
      return Status(Code::kOutOfRange, fmt::format("read fd {}: longer than {} bytes", fd, max_bytes));
    }
    out.append(buffer.data(), static_cast<size_t>(n));
  }
}

Result<std::string> ReadFileAt(int dir_fd, const std::string& path, size_t max_bytes) {
  LM_ASSIGN(Fd fd, OpenAt(dir_fd, path, O_RDONLY));
  Result<std::string> data = ReadAll(fd.get(), max_bytes);
  if (!data.ok()) return data.status().WithContext(path);
  return data;
}

Status WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = write(fd, data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return FailedOn("write", fd);
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
  return Status::Ok();
}

Status PWriteAll(int fd, std::string_view data, off_t offset) {
  while (!data.empty()) {
    const ssize_t n = pwrite(fd, data.data(), data.size(), offset);
    if (n < 0) {
      if (errno == EINTR) continue;
      return FailedOn("pwrite", fd);
    }
    data.remove_prefix(static_cast<size_t>(n));
    offset += n;
  }
  return Status::Ok();
}

Status WriteFileAt(int dir_fd, const std::string& path, std::string_view data, mode_t mode) {
  LM_ASSIGN(Fd fd, OpenAt(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  if (Status s = WriteAll(fd.get(), data); !s.ok()) return s.WithContext(path);
  if (Status s = fd.Close(); !s.ok()) return s.WithContext(path);
  return Status::Ok();
}

Status MakeDirsAt(int dir_fd, const std::string& path, mode_t mode) {
  if (OpenAt(dir_fd, path, O_PATH | O_DIRECTORY).ok()) return Status::Ok();
  Fd current;
  int at = dir_fd;
  if (path.starts_with('/')) {
    LM_ASSIGN(current, Open("/", O_PATH | O_DIRECTORY));
    at = current.get();
  }
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty()) continue;
    if (mkdirat(at, name.c_str(), mode) != 0 && errno != EEXIST) {
      return Status::Errno("mkdir", path.substr(0, end));
    }
    Result<Fd> next = OpenAt(at, name, O_PATH | O_DIRECTORY);
    if (!next.ok()) return next.status().WithContext(path);
    current = std::move(*next);
    at = current.get();
  }
  return Status::Ok();
}

Result<std::string> ReadLinkAt(int dir_fd, const std::string& path) {
  std::array<char, 4097> buffer;  // a link's target is shorter than PATH_MAX
  const ssize_t n = readlinkat(dir_fd, path.c_str(), buffer.data(), buffer.size());
  if (n < 0) return Status::Errno("readlink", path);
  return std::string(buffer.data(), static_cast<size_t>(n));
}

bool ExistsAt(int dir_fd, const std::string& path) {
  struct stat st;
  return fstatat(dir_fd, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

namespace {

Result<std::vector<std::string>> ListXattrNames(const ProcPath& at, const std::string& path) {
  Result<std::string> names = ReadSized(
      [&](char* buffer, size_t size) {
        return at.follow ? listxattr(at.path.c_str(), buffer, size)
                         : llistxattr(at.path.c_str(), buffer, size);
      },
      "listxattr", path);
  if (!names.ok()) {
    // A file system without extended attributes has none to list.
    if (names.status().error_number() == EOPNOTSUPP) return std::vector<std::string>();
    return names.status();
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < names->size();) {
    std::string name(names->c_str() + i);
    i += name.size() + 1;
    if (!IsXattrAlias(name)) out.push_back(std::move(name));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Result<std::vector<std::string>> ListXattrNamesAt(int dir_fd, const std::string& path) {
  LM_ASSIGN(ProcPath at, MakeProcPath(dir_fd, path));
  return ListXattrNames(at, path);
}

Result<std::vector<Xattr>> ListXattrsAt(int dir_fd, const std::string& path) {
  LM_ASSIGN(ProcPath at, MakeProcPath(dir_fd, path));
  LM_ASSIGN(std::vector<std::string> names, ListXattrNames(at, path));
  std::vector<Xattr> out;
  for (std::string& name : names) {
    Result<std::string> value = GetXattr(at, name, path);
    if (!value.ok()) {
      if (value.status().error_number() == ENODATA) continue;  // removed since it was listed
      return value.status();
    }
    out.push_back({std::move(name), std::move(*value)});
  }
  return out;
}

Status SetXattrAt(int dir_fd, const std::string& path, const std::string& name, std::string_view value,
                  int flags) {
  LM_ASSIGN(ProcPath at, MakeProcPath(dir_fd, path));
  const int rc = at.follow ? setxattr(at.path.c_str(), name.c_str(), value.data(), value.size(), flags)
                           : lsetxattr(at.path.c_str(), name.c_str(), value.data(), value.size(), flags);
  if (rc != 0) return Status::Errno(fmt::format("setxattr {} of", name), path);
  return Status::Ok();
}

Result<std::string> GetXattrAt(int dir_fd, const std::string& path, const std::string& name) {
  LM_ASSIGN(ProcPath at, MakeProcPath(dir_fd, path));
  return GetXattr(at, name, path);
}

Status RemoveXattrAt(int dir_fd, const std::string& path, const std::string& name) {
  LM_ASSIGN(ProcPath at, MakeProcPath(dir_fd, path));
  const int rc =
      at.follow ? removexattr(at.path.c_str(), name.c_str()) : lremovexattr(at.path.c_str(), name.c_str());
  if (rc != 0) return Status::Errno(fmt::format("removexattr {} of", name), path);
  return Status::Ok();
}

}  // namespace layermark
