#include "drivers/support/copy_data.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string_view>

#include "core/sys/xattr_alias.h"

namespace layermark {
namespace {

// Larger buffers fall out of the second-level cache between the read and the write.
constexpr size_t kBufferBytes = size_t{256} << 10;
// A file of one block has no hole worth a system call, unless it is one.
constexpr int64_t kSmallestHoleBytes = 4096;

bool NotSupported(int error) {
  return error == EOPNOTSUPP || error == ENOTSUP || error == ENOSYS;
}

bool RangeUnusable(int error) {
  return NotSupported(error) || error == EXDEV || error == EINVAL;
}

// The system calls of one pair of files, by descriptor or by name.
struct XattrCalls {
  std::function<ssize_t(const char*, void*, size_t)> get;
  std::function<int(const char*, const void*, size_t)> set;
};

// The names in `buffer` (NUL after each), or none where the file system has no xattrs.
template <typename List>
Result<size_t> ListNames(const List& list, std::vector<char>& buffer) {
  ssize_t n = list(buffer.data(), buffer.size());
  if (n < 0 && NotSupported(errno)) return size_t{0};
  if (n < 0) return Status::Errno("listxattr", "", errno);
  return static_cast<size_t>(n);
}

Status CopyNames(const XattrCalls& calls, const char* names, size_t length, std::vector<char>& value) {
  for (const char* name = names; name < names + length; name += std::string_view(name).size() + 1) {
    if (IsXattrAlias(name)) continue;
    ssize_t n = calls.get(name, value.data(), value.size());
    if (n < 0) return Status::Errno("getxattr", name, errno);
    if (calls.set(name, value.data(), static_cast<size_t>(n)) != 0)
      return Status::Errno("setxattr", name, errno);
  }
  return Status::Ok();
}

bool Contains(const std::vector<char>& names, size_t length, std::string_view wanted) {
  for (const char* name = names.data(); name < names.data() + length;
       name += std::string_view(name).size() + 1) {
    if (wanted == name) return true;
  }
  return false;
}

}  // namespace

FileCopier::FileCopier(CopyMethod method) : method_(method), buffer_(kBufferBytes), names_(XATTR_LIST_MAX) {
  static_assert(kBufferBytes >= XATTR_SIZE_MAX);
}

Result<int64_t> FileCopier::CopyData(int from, int to, int64_t size) {
  if (size == 0) return int64_t{0};
  if (method_ == CopyMethod::kReflink) {
    if (ioctl(to, FICLONE, from) != 0) return Status::Errno("ioctl FICLONE", "", errno);
    return size;
  }
  // st_blocks is no proof against holes: preallocation behind the end makes up for them.
  int64_t hole = size > kSmallestHoleBytes ? lseek(from, 0, SEEK_HOLE) : size;
  if (hole < 0 || hole >= size) return CopySegment(from, to, 0, size);

  int64_t copied = 0;
  int64_t offset = 0;
  while (offset < size) {
    int64_t data = lseek(from, offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) return Status::Errno("lseek SEEK_DATA", "", errno);
    int64_t end = lseek(from, data, SEEK_HOLE);
    if (end < 0) return Status::Errno("lseek SEEK_HOLE", "", errno);
    end = std::min(end, size);
    if (data >= end) break;
    LM_ASSIGN(int64_t n, CopySegment(from, to, data, end - data));
    copied += n;
    offset = end;
  }
  if (ftruncate(to, size) != 0) return Status::Errno("ftruncate", "", errno);
  return copied;
}

Result<int64_t> FileCopier::CopySegment(int from, int to, int64_t offset, int64_t length) {
  if (method_ != CopyMethod::kCopyFileRange || !range_works_) return CopyBytes(from, to, offset, length);
  off_t in = offset;
  off_t out = offset;
  int64_t done = 0;
  while (done < length) {
    ssize_t n = copy_file_range(from, &in, to, &out, static_cast<size_t>(length - done), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && RangeUnusable(errno) && done == 0) {
      // Swap files and the like answer EINVAL for one file; EXDEV and ENOSYS hold for all.
      if (errno != EINVAL) range_works_ = false;
      return CopyBytes(from, to, offset, length);
    }
    if (n < 0) return Status::Errno("copy_file_range", "", errno);
    if (n == 0) break;
    done += n;
  }
  if (done == length) return done;
  // Some file systems end a range early where read() still has bytes.
  LM_ASSIGN(int64_t rest, CopyBytes(from, to, offset + done, length - done));
  return done + rest;
}

Result<int64_t> FileCopier::CopyBytes(int from, int to, int64_t offset, int64_t length) {
  int64_t done = 0;
  while (done < length) {
    size_t wanted =
        static_cast<size_t>(std::min<int64_t>(length - done, static_cast<int64_t>(buffer_.size())));
    ssize_t n = pread(from, buffer_.data(), wanted, offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Errno("read", "", errno);
    if (n == 0) break;
    for (ssize_t written = 0; written < n;) {
      ssize_t w =
          pwrite(to, buffer_.data() + written, static_cast<size_t>(n - written), offset + done + written);
      if (w < 0 && errno == EINTR) continue;
      if (w < 0) return Status::Errno("write", "", errno);
      written += w;
    }
    done += n;
  }
  return done;
}

Status FileCopier::CopyXattrs(int from, int to) {
  // Nearly every file has none: the common case is this one call.
  ssize_t n = flistxattr(from, names_.data(), names_.size());
  if (n == 0 || (n < 0 && NotSupported(errno))) return Status::Ok();
  if (n < 0) return Status::Errno("listxattr", "", errno);
  XattrCalls calls;
  calls.get = [from](const char* name, void* value, size_t size) {
    return fgetxattr(from, name, value, size);
  };
  calls.set = [to](const char* name, const void* value, size_t size) {
    return fsetxattr(to, name, value, size, 0);
  };
  return CopyNames(calls, names_.data(), static_cast<size_t>(n), buffer_);
}

Status FileCopier::CopyXattrsAt(int from_directory, int to_directory, const char* name) {
  if (fchdir(from_directory) != 0) return Status::Errno("fchdir", "", errno);
  auto list = [name](char* names, size_t size) { return llistxattr(name, names, size); };
  LM_ASSIGN(size_t length, ListNames(list, names_));
  if (length == 0) return Status::Ok();
  XattrCalls calls;
  calls.get = [&](const char* key, void* value, size_t size) -> ssize_t {
    return fchdir(from_directory) == 0 ? lgetxattr(name, key, value, size) : -1;
  };
  calls.set = [&](const char* key, const void* value, size_t size) {
    return fchdir(to_directory) == 0 ? lsetxattr(name, key, value, size, 0) : -1;
  };
  return CopyNames(calls, names_.data(), length, buffer_);
}

Status FileCopier::RemoveOtherXattrs(int from, int to) {
  auto list_to = [to](char* names, size_t size) { return flistxattr(to, names, size); };
  LM_ASSIGN(size_t to_length, ListNames(list_to, buffer_));
  if (to_length == 0) return Status::Ok();
  auto list_from = [from](char* names, size_t size) { return flistxattr(from, names, size); };
  LM_ASSIGN(size_t from_length, ListNames(list_from, names_));
  for (const char* name = buffer_.data(); name < buffer_.data() + to_length;
       name += std::string_view(name).size() + 1) {
    if (Contains(names_, from_length, name) || std::string_view(name).starts_with("security.selinux"))
      continue;
    if (fremovexattr(to, name) != 0 && errno != ENODATA) return Status::Errno("removexattr", name, errno);
  }
  return Status::Ok();
}

}  // namespace layermark
