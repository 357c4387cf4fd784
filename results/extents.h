// Where the bytes of files lie on the device, and unions of such ranges.
#ifndef LAYERMARK_RESULTS_EXTENTS_H_
#define LAYERMARK_RESULTS_EXTENTS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "core/result.h"

namespace layermark {

// A set of byte ranges that may overlap as they are added. Cost: 16 bytes per range until united.
class RangeSet {
 public:
  void Add(uint64_t start, uint64_t length);
  // Bytes in the union of all ranges. Sorts.
  int64_t UnitedBytes();

 private:
  struct Range {
    uint64_t start;
    uint64_t end;
  };
  void Unite();

  std::vector<Range> ranges_;
  size_t unite_at_ = size_t{1} << 16;
};

// The extents of many files of one file system.
struct Extents {
  RangeSet own;
  RangeSet shared;           // flagged as shared by the file system
  int64_t inline_bytes = 0;  // kept in metadata; has no range
};

// One extent of a file as FIEMAP names it; `flags` are FIEMAP_EXTENT_*.
struct FileExtent {
  uint64_t logical = 0;
  uint64_t physical = 0;
  uint64_t length = 0;
  uint32_t flags = 0;
};

// Hands over each extent of the open file `fd`, by its logical place. kUnimplemented where the file system
// has no FIEMAP. REQUIRES: the file was flushed; what has no place yet would be left out or has no physical
// place.
Status ForEachExtent(int fd, const std::function<void(const FileExtent&)>& take);

// Adds the extents of the open file `fd`. kUnimplemented where the file system has no FIEMAP.
// REQUIRES: the file was flushed; what has no place yet would be left out.
Status AddExtents(int fd, Extents& extents);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_EXTENTS_H_
