// UnionMechanism: the storage of drivers that stack directories by a union mount.
//
//   snapshots/ID        the snapshot's own layer (the upper directory while it is active)
//   snapshots/ID.work   the union's work directory, where it has one; active snapshots with a parent only
//
// Shapes of mounts: without parent a bind mount of the layer; an active snapshot with parents the union of
// the parents' layers below its own; a view of one layer a read-only bind mount of that layer; of more layers
// a union without upper directory. Such a view stores nothing.
#ifndef LAYERMARK_DRIVERS_SUPPORT_UNION_MECHANISM_H_
#define LAYERMARK_DRIVERS_SUPPORT_UNION_MECHANISM_H_

#include <functional>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {

struct UnionStyle {
  // The union mount of these directories; spec.upper is empty for a read-only one.
  std::function<Result<std::vector<Mount>>(const StackSpec& spec)> mounts;
  bool has_work = true;  // false: spec.work is empty
  // Makes a used work directory fit for the next mount. May be empty.
  std::function<Status(const std::string& work)> refresh_work;
  // Extended attributes with these prefixes belong to the union and are not a root directory's own.
  std::vector<std::string> private_xattr_prefixes;
};

class UnionMechanism : public Mechanism {
 public:
  explicit UnionMechanism(UnionStyle style) : style_(std::move(style)) {}

  Status Create(const StoredSnapshot& snapshot) override;
  Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) override;
  Status Seal(const StoredSnapshot& snapshot) override;
  Status Destroy(int64_t id, const std::string& directory) override;
  Result<Usage> Measure(const StoredSnapshot& snapshot) override;
  // Nothing to do: a layer that was made on nothing can lie on any other.
  Status Rebase(const StoredSnapshot& snapshot) override;

 private:
  const UnionStyle style_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_UNION_MECHANISM_H_
