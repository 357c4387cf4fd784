// SnapshotStore: the Snapshotter rules, once. Names, parents, kinds, labels, times and error classes live in an
// SQLite database below the driver's root; the driver supplies only where the bytes are (Mechanism).
//
//   ROOT/metadata.db    the records (write-ahead log off: one file, fsynced at each commit)
//   ROOT/snapshots/ID   what the mechanism makes for the snapshot of that number
//
// Crash safety: a record exists only after its storage does. Numbers are never used twice; whatever lies below
// snapshots/ without a record after a crash is destroyed when the store is opened again.
//
// Threads: all calls thread safe. Records are guarded by one mutex that is never held while the mechanism copies
// or measures, nor during a Walk callback.
#ifndef LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_STORE_H_
#define LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

// A snapshot as the mechanism sees it.
struct StoredSnapshot {
  int64_t id = 0;
  Kind kind = Kind::kUnknown;
  std::string directory;              // ROOT/snapshots/ID
  std::vector<int64_t> parent_ids;    // nearest first
  std::vector<std::string> parent_directories;  // likewise
};

// A driver's storage. Calls come from several threads, for different snapshots.
class Mechanism {
 public:
  virtual ~Mechanism() = default;
  // Makes the storage of a new active or view snapshot. On failure the store removes `directory` by Destroy.
  virtual Status Create(const StoredSnapshot& snapshot) = 0;
  virtual Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) = 0;
  // Turns an active snapshot's storage into a committed one's (same directory).
  virtual Status Seal(const StoredSnapshot& snapshot) = 0;
  // Removes the storage, also one that Create left half made.
  virtual Status Destroy(int64_t id, const std::string& directory) = 0;
  virtual Result<Usage> Measure(const StoredSnapshot& snapshot) = 0;
  // A parentless active snapshot gets a parent at commit. Only asked of a driver that declares `rebase`.
  virtual Status Rebase(const StoredSnapshot& snapshot);
};

struct SnapshotStoreOptions {
  bool rebase = false;   // accept Commit's parent for a parentless snapshot
};

// The Snapshotter over a mechanism, or the reason why the database cannot be opened.
Result<std::unique_ptr<Snapshotter>> OpenSnapshotStore(const std::string& root, std::unique_ptr<Mechanism> mechanism,
                                                       const SnapshotStoreOptions& options = {});

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_STORE_H_
