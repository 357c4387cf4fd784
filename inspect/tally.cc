#include "inspect/tally.h"

#include <algorithm>
#include <tuple>

namespace layermark::inspect {
namespace {

// The extents of one space, from left to right: those that cover the present place are `active_`.
class Sweep {
 public:
  Sweep(const Scan& scan, const std::vector<Use>& uses, Tally* tally)
      : scan_(scan), uses_(uses), tally_(*tally) {}

  void Take(const Extent& extent) {
    if (!active_.empty() && active_.front().space != extent.space) Finish();
    AdvanceTo(extent.start);
    if (active_.empty()) at_ = extent.start;
    active_.push_back(extent);
  }
  void Finish() { AdvanceTo(UINT64_MAX); }

 private:
  void AdvanceTo(uint64_t place) {
    while (!active_.empty() && at_ < place) {
      uint64_t end = place;
      for (const Extent& extent : active_) end = std::min(end, extent.end);
      Count(static_cast<int64_t>(end - at_));
      at_ = end;
      std::erase_if(active_, [end](const Extent& extent) { return extent.end <= end; });
    }
  }

  void Count(int64_t bytes) {
    Holders holders;
    Use use = Use::kOutside;
    for (const Extent& extent : active_) {
      const Holders some = scan_.Holders(extent.inode);
      holders.insert(holders.end(), some.begin(), some.end());
      use = std::max(use, uses_[extent.inode]);
    }
    std::sort(holders.begin(), holders.end());
    holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
    tally_[{std::move(holders), use}].bytes += bytes;
  }

  const Scan& scan_;
  const std::vector<Use>& uses_;
  Tally& tally_;
  std::vector<Extent> active_;
  uint64_t at_ = 0;
};

}  // namespace

void SortExtents(Scan* scan) {
  std::sort(scan->extents.begin(), scan->extents.end(), [](const Extent& a, const Extent& b) {
    return std::tie(a.space, a.start, a.end, a.inode) < std::tie(b.space, b.start, b.end, b.inode);
  });
}

Tally TallyUp(const Scan& scan, const std::vector<Use>& uses) {
  Tally tally;
  for (uint32_t i = 0; i < scan.inodes.size(); ++i) {
    if (uses[i] == Use::kOutside) continue;
    const Inode& inode = scan.inodes[i];
    // What its extents do not explain: directories, blocks of extended attributes and of long extent lists.
    const int64_t rest = inode.inline_data ? 0 : std::max<int64_t>(0, inode.block_bytes - inode.mapped_bytes);
    tally[{scan.Holders(i), uses[i]}] += {rest, 1};
  }
  Sweep sweep(scan, uses, &tally);
  for (const Extent& extent : scan.extents) {
    if (uses[extent.inode] != Use::kOutside) sweep.Take(extent);
  }
  sweep.Finish();
  return tally;
}

}  // namespace layermark::inspect
