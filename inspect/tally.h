// Sums of bytes and inodes by who holds them and what they are good for.
#ifndef LAYERMARK_INSPECT_TALLY_H_
#define LAYERMARK_INSPECT_TALLY_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "inspect/scan.h"
#include "inspect/uses.h"

namespace layermark::inspect {

struct Amount {
  int64_t bytes = 0;
  int64_t inodes = 0;
  Amount& operator+=(const Amount& other) {
    bytes += other.bytes;
    inodes += other.inodes;
    return *this;
  }
  bool operator==(const Amount&) const = default;
};

using Holders = std::vector<int>;  // sorted
using Tally = std::map<std::pair<Holders, Use>, Amount>;

// Each inode, and each byte of the disk, once, under all that hold it; what lies outside the uses' scope is
// left out. An extent that several inodes hold has the strongest of their uses. Bytes are blocks as du counts
// them, except that an extent counts once and data kept in the file system's metadata not at all. REQUIRES:
// scan.extents is sorted (SortExtents). Cost: one pass over the inodes and the extents.
Tally TallyUp(const Scan& scan, const std::vector<Use>& uses);

void SortExtents(Scan* scan);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_TALLY_H_
