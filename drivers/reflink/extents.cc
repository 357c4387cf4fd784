#include "drivers/reflink/extents.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

#include "core/sys/fd.h"
#include "drivers/support/disk_usage.h"

namespace layermark::reflink {
namespace {

constexpr uint32_t kBatch = 128;
// Without an address on the device, or with one that means something else.
constexpr uint32_t kNotPlaced =
    FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL;

using ExtentVisitor = std::function<void(const Extent&)>;
using FileVisitor = std::function<Status(int fd, const struct stat&)>;

// Every regular file of a tree that has blocks or data to come, each inode once.
Status VisitFiles(const std::string& directory, const FileVisitor& visit) {
  std::set<ino_t> seen;
  return VisitTree(directory, [&](int parent, const std::string& name, const struct stat& stat) -> Status {
    if (!S_ISREG(stat.st_mode) || (stat.st_size == 0 && stat.st_blocks == 0)) return Status::Ok();
    if (stat.st_nlink > 1 && !seen.insert(stat.st_ino).second) return Status::Ok();
    LM_ASSIGN(const Fd file, OpenAt(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    return visit(file.get(), stat);
  });
}

// The extents of every regular file of a tree.
Status VisitExtents(const std::string& directory, const ExtentVisitor& visit) {
  return VisitFiles(directory, [&](int fd, const struct stat& stat) -> Status {
    LM_ASSIGN(const std::vector<Extent> extents, ExtentsOf(fd));
    // What is preallocated behind the end comes and goes by itself.
    const uint64_t end = (static_cast<uint64_t>(stat.st_size) + 4095) / 4096 * 4096;
    for (Extent extent : extents) {
      if (extent.logical >= end) break;
      extent.length = std::min(extent.length, end - extent.logical);
      visit(extent);
    }
    return Status::Ok();
  });
}

// As ExtentsOf, of what `flags` (FIEMAP_FLAG_*) names.
Result<std::vector<Extent>> ExtentsNamed(int fd, uint32_t flags) {
  std::vector<char> room(sizeof(struct fiemap) + kBatch * sizeof(struct fiemap_extent));
  auto* map = reinterpret_cast<struct fiemap*>(room.data());
  std::vector<Extent> extents;
  for (uint64_t start = 0;;) {
    std::memset(map, 0, sizeof *map);
    map->fm_start = start;
    map->fm_length = FIEMAP_MAX_OFFSET - start;
    map->fm_extent_count = kBatch;
    map->fm_flags = flags;
    if (ioctl(fd, FS_IOC_FIEMAP, map) != 0) return Status::Errno("ioctl FS_IOC_FIEMAP", "");
    bool last = map->fm_mapped_extents == 0;
    for (uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      const struct fiemap_extent& row = map->fm_extents[i];
      Extent extent;
      extent.logical = row.fe_logical;
      extent.length = row.fe_length;
      extent.placed = (row.fe_flags & kNotPlaced) == 0;
      extent.physical = extent.placed ? row.fe_physical : 0;
      extent.shared = (row.fe_flags & FIEMAP_EXTENT_SHARED) != 0;
      extents.push_back(extent);
      start = row.fe_logical + row.fe_length;
      last = last || (row.fe_flags & FIEMAP_EXTENT_LAST) != 0;
    }
    if (last) return extents;
  }
}

// The blocks outside the inode that the attributes of a file take; no file shares them. None where the file
// system does not tell.
Result<int64_t> AttributeBytes(int fd) {
  const Result<std::vector<Extent>> extents = ExtentsNamed(fd, FIEMAP_FLAG_XATTR);
  if (extents.status().error_number() == EBADR) return 0;
  LM_TRY(extents.status());
  int64_t bytes = 0;
  for (const Extent& extent : *extents) bytes += extent.placed ? static_cast<int64_t>(extent.length) : 0;
  return bytes;
}

}  // namespace

Result<std::vector<Extent>> ExtentsOf(int fd) {
  return ExtentsNamed(fd, 0);
}

uint64_t Ranges::Add(uint64_t start, uint64_t length) {
  const uint64_t end = start + length;
  uint64_t merged_start = start;
  uint64_t merged_end = end;
  uint64_t known = 0;
  auto it = ends_.upper_bound(start);
  if (it != ends_.begin() && std::prev(it)->second >= start) --it;
  while (it != ends_.end() && it->first <= end) {
    const uint64_t from = std::max(it->first, start);
    const uint64_t to = std::min(it->second, end);
    if (to > from) known += to - from;
    merged_start = std::min(merged_start, it->first);
    merged_end = std::max(merged_end, it->second);
    it = ends_.erase(it);
  }
  ends_[merged_start] = merged_end;
  return length - known;
}

Result<Usage> OwnExtents(const std::string& directory, const std::string& parent) {
  Usage usage;
  std::set<ino_t> seen;
  LM_TRY(VisitTree(directory, [&](int, const std::string&, const struct stat& stat) {
    if (stat.st_nlink > 1 && !S_ISDIR(stat.st_mode) && !seen.insert(stat.st_ino).second) return Status::Ok();
    ++usage.inodes;
    if (!S_ISREG(stat.st_mode)) usage.size_bytes += static_cast<int64_t>(stat.st_blocks) * 512;
    return Status::Ok();
  }));
  Ranges known;
  if (!parent.empty()) {
    LM_TRY(VisitExtents(parent, [&](const Extent& extent) {
      if (extent.placed && extent.shared) known.Add(extent.physical, extent.length);
    }));
  }
  LM_TRY(VisitExtents(directory, [&](const Extent& extent) {
    const bool alone = !extent.placed || !extent.shared;
    usage.size_bytes +=
        static_cast<int64_t>(alone ? extent.length : known.Add(extent.physical, extent.length));
  }));
  LM_TRY(VisitFiles(directory, [&](int fd, const struct stat&) -> Status {
    LM_ASSIGN(const int64_t bytes, AttributeBytes(fd));
    usage.size_bytes += bytes;
    return Status::Ok();
  }));
  return usage;
}

}  // namespace layermark::reflink
