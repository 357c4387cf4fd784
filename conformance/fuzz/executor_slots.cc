// The executor's operations on descriptors that live on.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "conformance/fuzz/executor.h"
#include "conformance/fuzz/system_calls.h"

namespace layermark {
namespace {

using fuzz_internal::At;
using fuzz_internal::Counted;
using fuzz_internal::Done;

// A map through which the kernel copies: what lies beyond the end of the file is EFAULT then, where a plain
// access would be a signal.
class Map {
 public:
  Map(int fd, size_t size, int protection)
      : size_(size), address_(mmap(nullptr, size, protection, MAP_SHARED, fd, 0)) {}
  ~Map() {
    if (valid()) munmap(address_, size_);
  }
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;
  bool valid() const { return address_ != MAP_FAILED; }
  char* at(int64_t offset) const { return static_cast<char*>(address_) + offset; }
  int Sync() const { return msync(address_, size_, MS_SYNC); }

 private:
  size_t size_;
  void* address_;
};

// Where `data` lies for the kernel to copy from, or room for it to copy to.
int Aside() {
  static const Fd fd(memfd_create("aside", MFD_CLOEXEC));
  return fd.get();
}

// Into what is there already, as far as the file goes.
Outcome MmapWrite(int fd, int64_t offset, const std::string& data) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return Done(-1);
  if (!S_ISREG(st.st_mode) || offset < 0 || offset >= st.st_size || data.empty()) return {0, 0, "nothing"};
  const Map map(fd, static_cast<size_t>(st.st_size), PROT_READ | PROT_WRITE);
  if (!map.valid()) return Done(-1);
  const size_t n = std::min(data.size(), static_cast<size_t>(st.st_size - offset));
  if (pwrite(Aside(), data.data(), n, 0) != static_cast<ssize_t>(n)) return Done(-1);
  const ssize_t copied = pread(Aside(), map.at(offset), n, 0);
  if (copied < 0) return Done(-1);
  Outcome outcome = Done(map.Sync());
  outcome.value = copied;
  return outcome;
}

Outcome MmapRead(int fd, int64_t offset, int64_t size) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return Done(-1);
  if (!S_ISREG(st.st_mode) || offset < 0 || offset >= st.st_size) return {0, 0, "nothing"};
  const Map map(fd, static_cast<size_t>(st.st_size), PROT_READ);
  if (!map.valid()) return Done(-1);
  std::string bytes(static_cast<size_t>(std::min(size, st.st_size - offset)), '\0');
  const ssize_t n = pwrite(Aside(), map.at(offset), bytes.size(), 0);
  if (n < 0) return Done(-1);
  if (pread(Aside(), bytes.data(), static_cast<size_t>(n), 0) != n) return Done(-1);
  return {0, n, fuzz_internal::Shown(std::string_view(bytes).substr(0, static_cast<size_t>(n)))};
}

Outcome Lock(int fd, int64_t flags) {
  const int kind = static_cast<int>(flags & ~kLockOfd);
  if ((flags & kLockOfd) == 0) return Done(flock(fd, kind | LOCK_NB));
  struct flock lock {};
  lock.l_type = static_cast<short>(kind == LOCK_SH ? F_RDLCK : kind == LOCK_EX ? F_WRLCK : F_UNLCK);
  lock.l_whence = SEEK_SET;
  return Done(fcntl(fd, F_OFD_SETLK, &lock));
}

Outcome Sendfile(int from, int to, int64_t offset, int64_t size) {
  off_t in = offset < 0 ? 0 : offset;
  return Counted(sendfile(to, from, &in, static_cast<size_t>(size)));
}

Outcome CopyRange(int from, int to, int64_t offset, int64_t size) {
  loff_t in = offset < 0 ? 0 : offset;
  loff_t out = in;
  return Counted(copy_file_range(from, &in, to, &out, static_cast<size_t>(size), 0));
}

// Where data and holes lie is the file system's own business, a hole may be told as data, and a directory has
// neither.
Outcome Seek(int fd, const FuzzStep& step) {
  const int whence = static_cast<int>(step.flags);
  struct stat what {};
  const bool data = whence == SEEK_DATA || whence == SEEK_HOLE;
  if (data && fstat(fd, &what) == 0 && !S_ISREG(what.st_mode)) return {0, 0, "nothing"};
  const off_t at = lseek(fd, step.offset < 0 ? 0 : step.offset, whence);
  if (!data) return Counted(at);
  const int error = at < 0 ? errno : 0;
  struct stat st {};
  if (error == ENXIO && fstat(fd, &st) == 0 && step.offset < st.st_size) return {0, 0, ""};
  return {error, 0, ""};
}

}  // namespace

Outcome Executor::OnSlot(const FuzzStep& s) {
  Fd& slot = slots_[static_cast<size_t>(s.slot)];
  const int fd = slot.get();
  switch (s.op) {
    case FuzzOp::kOpen: {
      const int flags = static_cast<int>(s.flags) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
      slot = Fd();
      slot = Fd(openat(AT_FDCWD, At(s.path), flags, s.mode & 07777));
      return Done(slot.get());
    }
    case FuzzOp::kTmpfile:
      slot = Fd();
      slot = Fd(openat(AT_FDCWD, At(s.path), O_TMPFILE | O_RDWR | O_CLOEXEC, s.mode & 07777));
      return Done(slot.get());
    case FuzzOp::kClose: {
      if (fd < 0) return {EBADF, 0, ""};
      return Done(close(slot.Release()));
    }
    case FuzzOp::kFdRead:
      return fuzz_internal::ReadFrom(fd, s.offset, s.size);
    case FuzzOp::kFdWrite:
      return Counted(s.offset < 0 ? write(fd, s.data.data(), s.data.size())
                                  : pwrite(fd, s.data.data(), s.data.size(), s.offset));
    case FuzzOp::kFdStat: {
      struct stat st {};
      Outcome outcome = Done(fstat(fd, &st));
      if (outcome.error == 0) outcome.seen = fuzz_internal::AttributesOf(st, recent_ns_);
      return outcome;
    }
    case FuzzOp::kFdTruncate:
      return Done(ftruncate(fd, s.size));
    case FuzzOp::kFdChmod:
      return Done(fchmod(fd, s.mode & 07777));
    case FuzzOp::kFdChown:
      return Done(fchown(fd, static_cast<uid_t>(s.uid), static_cast<gid_t>(s.gid)));
    case FuzzOp::kFdTimes: {
      const timespec times[2] = {fuzz_internal::TimeOf(s.atime_ns), fuzz_internal::TimeOf(s.mtime_ns)};
      return Done(futimens(fd, times));
    }
    case FuzzOp::kFdSetXattr:
      return Done(fsetxattr(fd, s.name.c_str(), s.data.data(), s.data.size(), static_cast<int>(s.flags)));
    case FuzzOp::kFdGetXattr: {
      std::vector<char> buffer(65536);
      const ssize_t n = fgetxattr(fd, s.name.c_str(), buffer.data(), buffer.size());
      Outcome outcome = Counted(n);
      if (n > 0) outcome.seen = fuzz_internal::Shown({buffer.data(), static_cast<size_t>(n)});
      return outcome;
    }
    case FuzzOp::kFdSame: {
      struct stat open_one {};
      struct stat named {};
      if (fstat(fd, &open_one) != 0 || fstatat(AT_FDCWD, At(s.path), &named, 0) != 0) return Done(-1);
      const bool same = open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
      return {0, 0, same ? "object=same" : "object=other"};
    }
    case FuzzOp::kMmapRead:
      return MmapRead(fd, s.offset, s.size);
    case FuzzOp::kSendfile:
      return Sendfile(slots_[static_cast<size_t>(s.from)].get(), fd, s.offset, s.size);
    case FuzzOp::kFdSync:
      return Done(fsync(fd));
    case FuzzOp::kFallocate:
      return Done(fallocate(fd, static_cast<int>(s.flags), s.offset < 0 ? 0 : s.offset, s.size));
    case FuzzOp::kCopyRange:
      return CopyRange(slots_[static_cast<size_t>(s.from)].get(), fd, s.offset, s.size);
    case FuzzOp::kReflink:
      return Done(ioctl(fd, FICLONE, slots_[static_cast<size_t>(s.from)].get()));
    case FuzzOp::kMmapWrite:
      return MmapWrite(fd, s.offset, s.data);
    case FuzzOp::kLock:
      return Lock(fd, s.flags);
    case FuzzOp::kSeek:
      return Seek(fd, s);
    case FuzzOp::kFdLink:
      return Done(linkat(fd, "", AT_FDCWD, At(s.path), AT_EMPTY_PATH));
    case FuzzOp::kFdList:
      return fuzz_internal::ListNames(fd, false);
    default:
      return {ENOSYS, 0, ""};
  }
}

}  // namespace layermark
