// CopyMechanism: the storage of drivers that give every snapshot a whole tree of its own.
//
//   snapshots/ID    the snapshot's root directory
//
// Mounts are bind mounts of it. Thread safe, as Mechanism asks; Create's cost is that of CopyTree.
#ifndef LAYERMARK_DRIVERS_SUPPORT_COPY_MECHANISM_H_
#define LAYERMARK_DRIVERS_SUPPORT_COPY_MECHANISM_H_

#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/driver.h"
#include "drivers/support/copy_engine.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {

struct CopyStyle {
  CopyMethod method = CopyMethod::kBytes;
  bool views_bind_parent =
      false;                  // a view with a parent stores nothing and shows the parent itself, read-only
  bool sync_commits = false;  // Seal flushes the file system, so that a power failure loses no committed data
  int threads = 0;            // as in CopyOptions
};

class CopyMechanism : public Mechanism {
 public:
  explicit CopyMechanism(const CopyStyle& style) : style_(style) {}

  Status Create(const StoredSnapshot& snapshot) override;
  Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) override;
  Status Seal(const StoredSnapshot& snapshot) override;
  Status Destroy(int64_t id, const std::string& directory) override;
  // The whole tree: what the snapshot shares with its parent by reflink is counted again.
  Result<Usage> Measure(const StoredSnapshot& snapshot) override;

 private:
  bool ShowsParent(const StoredSnapshot& snapshot) const;

  const CopyStyle style_;
};

// The options that these drivers have in common ("sync", "threads"), and `style` with their values.
std::vector<OptionRow> CopyOptionRows();
CopyStyle WithOptions(CopyStyle style, const DriverOptions& options);

// Driver::Probe for them: copies a small tree of every kind of entry below `directory`, mounts the copy
// read-only and finds that writing to it fails. Leaves nothing behind.
Status ProbeCopy(const CopyStyle& style, const std::string& directory);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_COPY_MECHANISM_H_
