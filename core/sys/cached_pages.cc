#include "core/sys/cached_pages.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace layermark {
namespace {

constexpr long kCachestat = 451;  // newer than the headers

struct CachestatRange {
  uint64_t offset, length;
};
struct Cachestat {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

}  // namespace

Result<int64_t> CachedBytesByMincore(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return Status::Errno("fstat", "a file in the cache");
  if (info.st_size == 0) return int64_t{0};
  const auto bytes = static_cast<size_t>(info.st_size);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* mapped = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return Status::Errno("mmap", "a file in the cache");
  std::vector<unsigned char> resident((bytes + page - 1) / page);
  const int failed = mincore(mapped, bytes, resident.data());
  const int error = errno;
  munmap(mapped, bytes);
  if (failed != 0) return Status::Errno("mincore", "a file in the cache", error);
  const auto count =
      std::count_if(resident.begin(), resident.end(), [](unsigned char c) { return (c & 1) != 0; });
  return static_cast<int64_t>(count) * static_cast<int64_t>(page);
}

Result<int64_t> CachedBytes(int fd) {
  CachestatRange whole = {0, 0};  // to the end
  Cachestat answer = {};
  if (syscall(kCachestat, fd, &whole, &answer, 0) == 0)
    return static_cast<int64_t>(answer.cached) * sysconf(_SC_PAGESIZE);
  if (errno != ENOSYS && errno != EOPNOTSUPP) return Status::Errno("cachestat", "a file in the cache");
  return CachedBytesByMincore(fd);
}

}  // namespace layermark
