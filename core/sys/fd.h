// Fd: owner of a file descriptor, and the few whole-file helpers that the rest of layermark needs.
//
// Every helper takes paths relative to a directory descriptor, opens with O_CLOEXEC and names operation, path
// and errno in its Status. Threads: an Fd belongs to one thread at a time; helpers are thread safe.
#ifndef LAYERMARK_CORE_SYS_FD_H_
#define LAYERMARK_CORE_SYS_FD_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace layermark {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();  // closes; an error of close() is lost here: call Close() where it matters

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release();
  Status Close();
  Result<Fd> Duplicate() const;

 private:
  int fd_ = -1;
};

// openat(2) with O_CLOEXEC added.
Result<Fd> OpenAt(int dir_fd, const std::string& path, int flags, mode_t mode = 0);
inline Result<Fd> Open(const std::string& path, int flags, mode_t mode = 0) {
  return OpenAt(AT_FDCWD, path, flags, mode);
}
// openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: `path` is resolved as if `root_fd` were "/".
Result<Fd> OpenInRoot(int root_fd, const std::string& path, int flags, mode_t mode = 0);

// Whole-file reading and writing. ReadFile bounds what it takes in: longer than `max_bytes` is kOutOfRange.
Result<std::string> ReadAll(int fd, size_t max_bytes = size_t{1} << 30);
Result<std::string> ReadFileAt(int dir_fd, const std::string& path, size_t max_bytes = size_t{1} << 30);
inline Result<std::string> ReadFile(const std::string& path, size_t max_bytes = size_t{1} << 30) {
  return ReadFileAt(AT_FDCWD, path, max_bytes);
}
Status WriteAll(int fd, std::string_view data);
Status PWriteAll(int fd, std::string_view data, off_t offset);
// Creates or truncates.
Status WriteFileAt(int dir_fd, const std::string& path, std::string_view data, mode_t mode = 0644);
inline Status WriteFile(const std::string& path, std::string_view data, mode_t mode = 0644) {
  return WriteFileAt(AT_FDCWD, path, data, mode);
}

// mkdir -p below dir_fd; existing directories are fine. Modes of existing directories are left alone.
Status MakeDirsAt(int dir_fd, const std::string& path, mode_t mode = 0755);
inline Status MakeDirs(const std::string& path, mode_t mode = 0755) {
  return MakeDirsAt(AT_FDCWD, path, mode);
}

Result<std::string> ReadLinkAt(int dir_fd, const std::string& path);
bool ExistsAt(int dir_fd, const std::string& path);  // lstat semantics
inline bool Exists(const std::string& path) {
  return ExistsAt(AT_FDCWD, path);
}

// Names in a directory without "." and "..", sorted by bytes. `fd` is read from its start; the offset of
// the caller's descriptor is not disturbed (it is reopened).
Result<std::vector<std::string>> ListDir(int dir_fd, const std::string& path = ".");

// Extended attributes of `path` itself (symlinks are not followed), values byte for byte.
struct Xattr {
  std::string name;
  std::string value;
  auto operator<=>(const Xattr&) const = default;
};
// Below a directory descriptor and for long paths through /proc/self/fd of the parent, so that no path is too
// long. Sorted by name.
Result<std::vector<std::string>> ListXattrNamesAt(int dir_fd, const std::string& path);
Result<std::vector<Xattr>> ListXattrsAt(int dir_fd, const std::string& path);
Status SetXattrAt(int dir_fd, const std::string& path, const std::string& name, std::string_view value,
                  int flags = 0);
Result<std::string> GetXattrAt(int dir_fd, const std::string& path, const std::string& name);
Status RemoveXattrAt(int dir_fd, const std::string& path, const std::string& name);

// Removes `path` below dir_fd with all that is in it. Never crosses a mount (a mount point met on the way is
// an error, kFailedPrecondition, and what lies behind it is untouched), never follows a symlink. A path that
// does not exist is ok. Any depth: it does not recurse on the stack and does not depend on PATH_MAX.
Status RemoveTreeAt(int dir_fd, const std::string& path);
inline Status RemoveTree(const std::string& path) {
  return RemoveTreeAt(AT_FDCWD, path);
}

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_FD_H_
