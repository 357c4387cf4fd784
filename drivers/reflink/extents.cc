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

// The extents of every regular file of a tree, each inode once.
Status VisitExtents(const std::string& directory, const ExtentVisitor& visit) {
  std::set<ino_t> seen;
  return VisitTree(directory, [&](int parent, const std::string& name, const struct stat& stat) -> Status {
    if (!S_ISREG(stat.st_mode) || stat.st_size == 0) return Status::Ok();
    if (stat.st_nlink > 1 && !seen.insert(stat.st_ino).second) return Status::Ok();
    LM_ASSIGN(const Fd file, OpenAt(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    LM_ASSIGN(const std::vector<Extent> extents, ExtentsOf(file.get()));
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

}  // namespace

Result<std::vector<Extent>> ExtentsOf(int fd) {
  std::vector<char> room(sizeof(struct fiemap) + kBatch * sizeof(struct fiemap_extent));
  auto* map = reinterpret_cast<struct fiemap*>(room.data());
  std::vector<Extent> extents;
  for (uint64_t start = 0;;) {
    std::memset(map, 0, sizeof *map);
    map->fm_start = start;
    map->fm_length = FIEMAP_MAX_OFFSET - start;
    map->fm_extent_count = kBatch;
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
  return usage;
}

}  // namespace layermark::reflink
