// SnapshotStore: the Snapshotter rules, once. Names, parents, kinds, labels, times and error classes live in
// an SQLite database below the driver's root; the driver supplies only where the bytes are (Mechanism).
//
//   ROOT/metadata.db          the records
//   ROOT/metadata.db-wal      SQLite's write-ahead log; kept, so that a store is always these two files
//                             (database_room.h: why Remove works on a full file system)
//   ROOT/snapshots/ID         what the mechanism makes for the snapshot of that number (and ID.WORD beside
//   it)
//
// Crash safety: a record exists only after its storage does, and storage is destroyed only after its record
// is gone. No two snapshots have the same number while the store is open; whatever lies below snapshots/
// without a record after a crash is destroyed when the store is opened again. A commit, and the removal of a
// committed snapshot, are flushed before they answer; of the calls after them a power cut (not a crash) may
// undo the last ones, so that an active snapshot or view may be missing, or may be back without its content,
// and is to be removed. The data of a snapshot is as durable as its file system makes it (callers that need
// more sync before Commit, as containerd's do).
//
// One process has a store open at a time (a lock on ROOT that dies with the process).
//
// Threads: all calls thread safe. Calls that change one snapshot wait for each other; a parent cannot go
// while a child of it is being made. Records are guarded by one mutex that is never held while the mechanism
// copies or measures, nor during a Walk callback.
#ifndef LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_STORE_H_
#define LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

// What an opened store itself keeps below its root: metadata.db, metadata.db-wal and snapshots.
inline constexpr int64_t kSnapshotStoreInodes = 3;

// A snapshot as the mechanism sees it.
struct StoredSnapshot {
  int64_t id = 0;
  Kind kind = Kind::kUnknown;
  std::string directory;                        // ROOT/snapshots/ID
  std::vector<int64_t> parent_ids;              // nearest first
  std::vector<std::string> parent_directories;  // likewise
};

// A driver's storage. Calls come from several threads, for different snapshots.
class Mechanism {
 public:
  virtual ~Mechanism() = default;
  // Makes the storage of a new active or view snapshot; `directory` does not exist yet. On failure the store
  // removes `directory` by Destroy, and after a crash finds by `directory` what is to be destroyed: what lies
  // beside it is made after it and removed before it.
  virtual Status Create(const StoredSnapshot& snapshot) = 0;
  virtual Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) = 0;
  // Turns an active snapshot's storage into a committed one's (same directory). Comes before Measure and
  // before the record changes: where the process dies in between, or the record cannot be written, the
  // snapshot is still active, and the next Mounts or Seal must cope with sealed storage.
  virtual Status Seal(const StoredSnapshot& snapshot) = 0;
  // Removes the storage, also one that Create left half made, or none at all.
  virtual Status Destroy(int64_t id, const std::string& directory) = 0;
  // Waits until the room of what was destroyed can be used again. `root` is the store's. Asked of by Cleanup;
  // a mechanism whose Destroy gives the room back at once has nothing to do.
  virtual Status Settle(const std::string& root);
  virtual Result<Usage> Measure(const StoredSnapshot& snapshot) = 0;
  // A parentless active snapshot gets a parent at commit. Only asked of a driver that declares `rebase`.
  virtual Status Rebase(const StoredSnapshot& snapshot);
};

struct SnapshotStoreOptions {
  bool rebase = false;  // accept Commit's parent for a parentless snapshot
  // Gets what went wrong after a call had already succeeded (storage that could not be destroyed: Cleanup and
  // the next opening try again). Default: one line on standard error. Called from any thread.
  std::function<void(const Status&)> log;
};

// The Snapshotter over a mechanism, or the reason why the database cannot be opened.
Result<std::unique_ptr<Snapshotter>> OpenSnapshotStore(const std::string& root,
                                                       std::unique_ptr<Mechanism> mechanism,
                                                       const SnapshotStoreOptions& options = {});

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_STORE_H_
