// The executor's operations on names and on attributes.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "conformance/fuzz/executor.h"
#include "conformance/fuzz/system_calls.h"

namespace layermark {
namespace {

using fuzz_internal::At;
using fuzz_internal::Counted;
using fuzz_internal::Done;

constexpr int kAlways = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// Opens, writes, closes; the first failure is the outcome.
Outcome WriteTo(const std::string& path, int flags, mode_t mode, int64_t offset, const std::string& data) {
  const Fd fd(openat(AT_FDCWD, At(path), O_WRONLY | kAlways | flags, mode & 07777));
  if (!fd.valid() || data.empty()) return Done(fd.get());
  return Counted(offset < 0 ? write(fd.get(), data.data(), data.size())
                            : pwrite(fd.get(), data.data(), data.size(), offset));
}

Outcome ReadPath(const std::string& path) {
  const Fd fd(openat(AT_FDCWD, At(path), O_RDONLY | kAlways));
  return fd.valid() ? fuzz_internal::ReadFrom(fd.get(), -1, 1 << 20) : Done(-1);
}

Outcome List(const FuzzStep& step) {
  const Fd fd(openat(AT_FDCWD, At(step.path), O_RDONLY | O_DIRECTORY | kAlways));
  if (!fd.valid()) return Done(-1);
  switch (step.op) {
    case FuzzOp::kListInodes:
      return fuzz_internal::ListInodes(fd.get());
    case FuzzOp::kListRemove:
      return fuzz_internal::ListRemove(fd.get());
    case FuzzOp::kListCreate:
      return fuzz_internal::ListCreate(fd.get());
    default:
      return fuzz_internal::ListNames(fd.get(), step.op == FuzzOp::kListPieces);
  }
}

Outcome SameFile(const std::string& one, const std::string& other) {
  struct stat first {};
  struct stat second {};
  if (fstatat(AT_FDCWD, At(one), &first, AT_SYMLINK_NOFOLLOW) != 0) return Done(-1);
  if (fstatat(AT_FDCWD, At(other), &second, AT_SYMLINK_NOFOLLOW) != 0) return Done(-1);
  const bool same = first.st_ino == second.st_ino && first.st_dev == second.st_dev;
  return {0, 0, same ? "object=same" : "object=other"};
}

Outcome Statfs(const std::string& path) {
  struct statvfs st {};
  Outcome outcome = Done(statvfs(At(path), &st));
  if (outcome.error == 0) {
    outcome.seen = fmt::format("bsize={} blocks={} namemax={} readonly={}", st.f_bsize, st.f_blocks,
                               st.f_namemax, (st.f_flag & ST_RDONLY) != 0);
  }
  return outcome;
}

// The size of the buffer that the step asks for.
size_t BufferOf(const FuzzStep& step) {
  return (step.flags & kXattrSizeOnly) != 0 ? 0 : (step.flags & kXattrShort) != 0 ? 1 : 65536;
}

// Names that a union keeps for itself do not count.
bool IsPrivate(std::string_view name) {
  for (const char* prefix :
       {"trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.", "security.selinux"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

Outcome ListXattrs(const std::string& path) {
  std::vector<char> buffer(65536);
  const ssize_t n = llistxattr(At(path), buffer.data(), buffer.size());
  if (n < 0) return Done(-1);
  std::vector<std::string> names;
  for (size_t at = 0; at < static_cast<size_t>(n);) {
    const std::string name(buffer.data() + at);
    at += name.size() + 1;
    if (!IsPrivate(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  Outcome outcome{0, static_cast<int64_t>(names.size()), "xattrs="};
  for (const std::string& name : names) outcome.seen += name + ",";
  return outcome;
}

}  // namespace

Outcome Executor::OnPath(const FuzzStep& s) {
  switch (s.op) {
    case FuzzOp::kCreate:
      return WriteTo(s.path, O_CREAT | O_EXCL, s.mode, -1, s.data);
    case FuzzOp::kRead:
      return ReadPath(s.path);
    case FuzzOp::kWrite:
      return WriteTo(s.path, 0, 0, s.offset < 0 ? 0 : s.offset, s.data);
    case FuzzOp::kAppend:
      return WriteTo(s.path, O_APPEND, 0, -1, s.data);
    case FuzzOp::kTruncate:
      return Done(truncate(At(s.path), s.size));
    case FuzzOp::kRename:
      return Done(renameat2(AT_FDCWD, At(s.path), AT_FDCWD, At(s.target), static_cast<unsigned>(s.flags)));
    case FuzzOp::kLink:
      return Done(linkat(AT_FDCWD, At(s.path), AT_FDCWD, At(s.target), static_cast<int>(s.flags)));
    case FuzzOp::kUnlink:
      return Done(unlink(At(s.path)));
    case FuzzOp::kRmdir:
      return Done(rmdir(At(s.path)));
    case FuzzOp::kMkdir:
      return Done(mkdir(At(s.path), s.mode & 07777));
    case FuzzOp::kSymlink:
      return Done(symlink(s.target.c_str(), At(s.path)));
    case FuzzOp::kReadlink: {
      char buffer[4096];
      const ssize_t n = readlink(At(s.path), buffer, sizeof buffer);
      Outcome outcome = Counted(n);
      if (n > 0) outcome.seen = fuzz_internal::Shown({buffer, static_cast<size_t>(n)});
      return outcome;
    }
    case FuzzOp::kMknod:
      return Done(mknod(At(s.path), s.mode, s.rdev));
    case FuzzOp::kList:
    case FuzzOp::kListPieces:
    case FuzzOp::kListInodes:
    case FuzzOp::kListRemove:
    case FuzzOp::kListCreate:
      return List(s);
    default:
      return {ENOSYS, 0, ""};
  }
}

Outcome Executor::OnAttributes(const FuzzStep& s) {
  switch (s.op) {
    case FuzzOp::kStat:
      return StatPath(s);
    case FuzzOp::kStatfs:
      return Statfs(s.path);
    case FuzzOp::kSameFile:
      return SameFile(s.path, s.target);
    case FuzzOp::kAccess:
      // AT_EACCESS looks at the ids that setfsuid changed; the plain call would look at the real ones.
      return Done(faccessat(AT_FDCWD, At(s.path), static_cast<int>(s.mode & 7), AT_EACCESS));
    case FuzzOp::kChmod:
      return Done(fchmodat(AT_FDCWD, At(s.path), s.mode & 07777, 0));
    case FuzzOp::kChown:
      return Done(fchownat(AT_FDCWD, At(s.path), static_cast<uid_t>(s.uid), static_cast<gid_t>(s.gid),
                           static_cast<int>(s.flags)));
    case FuzzOp::kTimes: {
      const timespec times[2] = {fuzz_internal::TimeOf(s.atime_ns), fuzz_internal::TimeOf(s.mtime_ns)};
      Outcome outcome = Done(utimensat(AT_FDCWD, At(s.path), times, static_cast<int>(s.flags)));
      struct stat st {};
      if (outcome.error != 0 || fstatat(AT_FDCWD, At(s.path), &st, static_cast<int>(s.flags)) != 0)
        return outcome;
      if (s.atime_ns != kTimeOmit)
        outcome.seen = "atime=" + fuzz_internal::TimeText(st.st_atim, recent_ns_) + " ";
      if (s.mtime_ns != kTimeOmit) outcome.seen += "mtime=" + fuzz_internal::TimeText(st.st_mtim, recent_ns_);
      return outcome;
    }
    case FuzzOp::kSetXattr:
      return Done(
          lsetxattr(At(s.path), s.name.c_str(), s.data.data(), s.data.size(), static_cast<int>(s.flags)));
    case FuzzOp::kGetXattr: {
      std::vector<char> buffer(65536);
      const ssize_t n = lgetxattr(At(s.path), s.name.c_str(), buffer.data(), BufferOf(s));
      Outcome outcome = Counted(n);
      if (n > 0 && BufferOf(s) > 0)
        outcome.seen = fuzz_internal::Shown({buffer.data(), static_cast<size_t>(n)});
      return outcome;
    }
    case FuzzOp::kListXattr:
      return ListXattrs(s.path);
    case FuzzOp::kRemoveXattr:
      return Done(lremovexattr(At(s.path), s.name.c_str()));
    default:
      return {ENOSYS, 0, ""};
  }
}

Outcome Executor::StatPath(const FuzzStep& s) {
  struct stat st {};
  Outcome outcome = Done(fstatat(AT_FDCWD, At(s.path), &st, static_cast<int>(s.flags)));
  if (outcome.error != 0) return outcome;
  outcome.seen = fuzz_internal::AttributesOf(st, recent_ns_);
  // Of the name itself, so that a link that leads elsewhere by now is not taken for another number.
  if (S_ISLNK(st.st_mode) || fstatat(AT_FDCWD, At(s.path), &st, AT_SYMLINK_NOFOLLOW) != 0) return outcome;
  const auto [known, first] = numbers_.emplace(s.path, st.st_ino);
  if (!first) outcome.seen += known->second == st.st_ino ? " ino=same" : " ino=other";
  known->second = st.st_ino;
  return outcome;
}

Outcome Executor::OnInodeFlags(const FuzzStep& s) {
  constexpr int kMine = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL;
  Fd fd(openat(AT_FDCWD, At(s.path), O_RDONLY | kAlways | O_NOFOLLOW));
  if (!fd.valid()) return Done(-1);
  struct stat st {};
  // Of a fifo or device each file system has its own opinion.
  if (fstat(fd.get(), &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) return {0, 0, "nothing"};
  int flags = 0;
  if (ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) return Done(-1);
  if (s.op == FuzzOp::kGetFlags) return {0, 0, fmt::format("flags={:#x}", flags & kMine)};
  flags = (flags & ~kMine) | static_cast<int>(s.flags & kMine);
  const Outcome outcome = Done(ioctl(fd.get(), FS_IOC_SETFLAGS, &flags));
  if (outcome.error == 0 && (flags & kMine) != 0) flagged_.push_back(std::move(fd));
  return outcome;
}

}  // namespace layermark
