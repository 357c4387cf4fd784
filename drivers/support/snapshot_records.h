// SnapshotRecords: the table of snapshots in SQLite; each changing call is one transaction.
//
// It knows rows and no rules. A change that only takes something away works on a full file system too.
// Threads: one at a time; SnapshotStore brings the mutex.
#ifndef LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_RECORDS_H_
#define LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_RECORDS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"
#include "drivers/support/database_room.h"
#include "drivers/support/snapshot_index.h"
#include "drivers/support/sqlite.h"

namespace layermark {

struct SnapshotRecord {
  int64_t id = 0;
  int64_t parent_id = 0;  // 0: none
  Info info;
  Usage usage;  // frozen at commit; zero before
};

class SnapshotRecords {
 public:
  // Opens or makes the database file. kFailedPrecondition if a newer layermark wrote it, kDataLoss where a
  // parent is missing.
  static Result<SnapshotRecords> Open(const std::string& path);
  void Close() { database_.Close(); }

  // The greatest number of a snapshot that there is; 0 where there is none.
  Result<int64_t> LastId();
  Result<std::optional<SnapshotRecord>> Find(const std::string& name);
  Result<std::vector<SnapshotRecord>> All();
  Result<std::set<int64_t>> Ids();
  // The same snapshots without their labels, times and usage: one process owns the file, so memory is enough.
  const SnapshotIndex& index() const { return index_; }

  Status Insert(const SnapshotRecord& record);
  Status UpdateLabels(int64_t id, const Labels& labels, int64_t updated_ns);
  // The row becomes committed under record.info.name with all that `record` states.
  Status Commit(const SnapshotRecord& record);  // flushed
  Status Delete(const SnapshotRecord& record);  // flushed if it is a committed one

 private:
  SnapshotRecords(DatabaseRoom room, SqlDatabase database)
      : room_(std::move(room)), database_(std::move(database)) {}
  Status Start();
  // A transaction, within the room that the store keeps for itself on a full file system.
  Status Change(bool flushed, const std::function<Status()>& body);
  Status ReplaceLabels(int64_t id, const Labels& labels);
  Status WriteLabels(int64_t id, const Labels& labels);
  Status ReadLabels(SnapshotRecord& record);
  Status ReadIndex();
  // Makes `change` in the index where the rows were changed, and answers `changed`.
  Status Remembered(const Status& changed, const std::function<void()>& change);
  void Remember(const SnapshotRecord& record);

  DatabaseRoom room_;  // goes after the database is closed
  SqlDatabase database_;
  int64_t page_bytes_ = 0;
  SnapshotIndex index_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_RECORDS_H_
