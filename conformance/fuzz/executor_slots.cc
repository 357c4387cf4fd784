// The executor's operations on descriptors that live on.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "conformance/fuzz/executor.h"
#include "conformance/fuzz/system_calls.h"

namespace layermark {
namespace {

using fuzz_internal::At;
using fuzz_internal::Counted;
using fuzz_internal::Done;

// Into what is there already: beyond the end of the file a write to the map would be a signal.
Outcome MmapWrite(int fd, int64_t offset, const std::string& data) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return Done(-1);
  if (!S_ISREG(st.st_mode) || offset < 0 || offset >= st.st_size || data.empty()) return {0, 0, "nothing"};
  const size_t size = static_cast<size_t>(st.st_size);
  void* map = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return Done(-1);
  const size_t n = std::min(data.size(), size - static_cast<size_t>(offset));
  std::memcpy(static_cast<char*>(map) + offset, data.data(), n);
  Outcome outcome = Done(msync(map, size, MS_SYNC));
  outcome.value = static_cast<int64_t>(n);
  munmap(map, size);
  return outcome;
}

Outcome CopyRange(int from, int to, int64_t offset, int64_t size) {
  loff_t in = offset < 0 ? 0 : offset;
  loff_t out = in;
  return Counted(copy_file_range(from, &in, to, &out, static_cast<size_t>(size), 0));
}

// Where data and holes lie is the file system's own business, and a hole may be told as data.
Outcome Seek(int fd, const FuzzStep& step) {
  const int whence = static_cast<int>(step.flags);
  const off_t at = lseek(fd, step.offset < 0 ? 0 : step.offset, whence);
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return Counted(at);
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
      if (outcome.error == 0) outcome.seen = fuzz_internal::AttributesOf(st);
      return outcome;
    }
    case FuzzOp::kFdTruncate:
      return Done(ftruncate(fd, s.size));
    case FuzzOp::kFdChmod:
      return Done(fchmod(fd, s.mode & 07777));
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
      return Done(flock(fd, static_cast<int>(s.flags) | LOCK_NB));
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
