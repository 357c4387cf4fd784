#include "core/sys/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace layermark {
namespace {

// Not in the headers of Debian 12; the number is the same on every machine.
constexpr long kSysCachestat = 451;
struct CachestatRange {
  uint64_t offset = 0;
  uint64_t length = 0;  // 0: to the end
};
struct Cachestat {
  uint64_t cached = 0, dirty = 0, writeback = 0, evicted = 0, recently_evicted = 0;
};

int64_t PageSize() {
  return sysconf(_SC_PAGESIZE);
}

}  // namespace

Result<int64_t> CachedBytesByCachestat(int fd) {
  CachestatRange range;
  Cachestat stat;
  if (syscall(kSysCachestat, fd, &range, &stat, 0u) != 0) return Status::Errno("cachestat", "");
  return static_cast<int64_t>(stat.cached) * PageSize();
}

Result<int64_t> CachedBytesByMincore(int fd, int64_t size) {
  if (size == 0) return int64_t{0};
  const auto bytes = static_cast<size_t>(size);
  void* base = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return Status::Errno("mmap", "");
  std::vector<unsigned char> pages((bytes + static_cast<size_t>(PageSize()) - 1) /
                                   static_cast<size_t>(PageSize()));
  const int result = mincore(base, bytes, pages.data());
  const int error = errno;
  munmap(base, bytes);
  if (result != 0) return Status::Errno("mincore", "", error);
  return PageSize() *
         std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
}

Status DropCache(int fd) {
  const int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  return error == 0 ? Status::Ok() : Status::Errno("posix_fadvise", "", error);
}

}  // namespace layermark
