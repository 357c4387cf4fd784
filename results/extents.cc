#include "results/extents.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace layermark {

void RangeSet::Add(uint64_t start, uint64_t length) {
  if (length == 0) return;
  ranges_.push_back({start, start + length});
  if (ranges_.size() < unite_at_) return;
  // Memory follows the distinct ranges, not how often they were named.
  Unite();
  unite_at_ = std::max(unite_at_, 2 * ranges_.size());
}

void RangeSet::Unite() {
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.start < b.start; });
  size_t kept = 0;
  for (const Range& range : ranges_) {
    if (kept > 0 && range.start <= ranges_[kept - 1].end) {
      ranges_[kept - 1].end = std::max(ranges_[kept - 1].end, range.end);
    } else {
      ranges_[kept++] = range;
    }
  }
  ranges_.resize(kept);
}

int64_t RangeSet::UnitedBytes() {
  Unite();
  uint64_t sum = 0;
  for (const Range& range : ranges_) sum += range.end - range.start;
  return static_cast<int64_t>(sum);
}

Status ForEachExtent(int fd, const std::function<void(const FileExtent&)>& take) {
  constexpr size_t kBatch = 128;
  // A flexible array member at the end: room for one batch behind the header.
  alignas(fiemap) std::byte room[sizeof(fiemap) + kBatch * sizeof(fiemap_extent)];
  uint64_t next = 0;
  for (;;) {
    auto* map = new (room) fiemap{};
    map->fm_start = next;
    map->fm_length = FIEMAP_MAX_OFFSET - next;
    map->fm_extent_count = kBatch;
    if (ioctl(fd, FS_IOC_FIEMAP, map) != 0) {
      int error = errno == ENOTTY ? EOPNOTSUPP : errno;
      return Status::Errno("ioctl FS_IOC_FIEMAP", "", error);
    }
    if (map->fm_mapped_extents == 0) return Status::Ok();
    const auto* found = reinterpret_cast<const fiemap_extent*>(room + sizeof(fiemap));
    for (uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      const fiemap_extent& extent = found[i];
      take({extent.fe_logical, extent.fe_physical, extent.fe_length, extent.fe_flags});
      if ((extent.fe_flags & FIEMAP_EXTENT_LAST) != 0) return Status::Ok();
      next = extent.fe_logical + extent.fe_length;
    }
  }
}

Status AddExtents(int fd, Extents& extents) {
  return ForEachExtent(fd, [&extents](const FileExtent& extent) {
    if ((extent.flags & FIEMAP_EXTENT_DATA_INLINE) != 0) {
      extents.inline_bytes += static_cast<int64_t>(extent.length);
    } else if ((extent.flags & FIEMAP_EXTENT_UNKNOWN) == 0) {
      RangeSet& set = (extent.flags & FIEMAP_EXTENT_SHARED) != 0 ? extents.shared : extents.own;
      set.Add(extent.physical, extent.length);
    }
  });
}

}  // namespace layermark
