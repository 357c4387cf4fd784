// OneLowerMechanism: the storage of Docker's first overlay driver. Overlayfs had one lower directory then, so
// that every committed snapshot is a whole tree: a link farm of its parent, with its own changes laid over
// it.
//
//   snapshots/ID/root    the whole tree: of a committed snapshot, and of one without parent
//   snapshots/ID/upper   the changes of an active snapshot with a parent, on the parent's root
//   snapshots/ID/work    overlayfs's work directory for it
//
// Commit makes root of the two and removes them; between that and the record an active snapshot may have root
// already, which then takes the parent's place below its upper directory. A view of a parent stores nothing.
// Thread safe, as Mechanism asks. The cost of Commit is one hard link for each file of the whole image.
#ifndef LAYERMARK_DRIVERS_OVERLAY_ONE_LOWER_MECHANISM_H_
#define LAYERMARK_DRIVERS_OVERLAY_ONE_LOWER_MECHANISM_H_

#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/driver.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {

class OneLowerMechanism : public Mechanism {
 public:
  // The union mount of one lower directory, upper and work. Redirects and metacopy must be off: the upper
  // directory has to be whole by itself.
  using MountsOf = std::function<std::vector<Mount>(const StackSpec&)>;
  explicit OneLowerMechanism(MountsOf mounts) : mounts_(std::move(mounts)) {}

  Status Create(const StoredSnapshot& snapshot) override;
  Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) override;
  Status Seal(const StoredSnapshot& snapshot) override;
  Status Destroy(int64_t id, const std::string& directory) override;
  // The snapshot's own: the upper directory while it is active; then what its tree does not share with the
  // parent's, all its directories among it.
  Result<Usage> Measure(const StoredSnapshot& snapshot) override;

 private:
  const MountsOf mounts_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_OVERLAY_ONE_LOWER_MECHANISM_H_
