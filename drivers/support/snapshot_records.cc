#include "drivers/support/snapshot_records.h"

#include <utility>

namespace layermark {
namespace {

constexpr int64_t kSchemaVersion = 1;

// One process owns the store, so the file stays locked while it is open and the log needs no index in shared
// memory. The write-ahead log is kept when the store closes: always the same two files.
constexpr char kSettings[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    // Checkpoints while the log is still within what was reserved for it: a store does not grow by its log.
    "PRAGMA wal_autocheckpoint = 240;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA foreign_keys = ON;";
constexpr char kSchema[] =
    "CREATE TABLE snapshots ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  kind TEXT NOT NULL,"
    "  parent INTEGER,"
    "  created_ns INTEGER NOT NULL,"
    "  updated_ns INTEGER NOT NULL,"
    "  inodes INTEGER NOT NULL,"
    "  size_bytes INTEGER NOT NULL);"
    "CREATE TABLE labels ("
    "  snapshot INTEGER NOT NULL REFERENCES snapshots(id) ON DELETE CASCADE,"
    "  key TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  PRIMARY KEY (snapshot, key)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";
constexpr char kSelect[] =
    "SELECT s.id, s.parent, s.name, s.kind, p.name, s.created_ns, s.updated_ns, s.inodes, s.size_bytes "
    "FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent";

SnapshotRecord RecordOf(const SqlRow& row) {
  SnapshotRecord record;
  record.id = row.Int(0);
  record.parent_id = row.Int(1);
  record.info.name = row.Text(2);
  record.info.kind = KindFromName(row.Text(3));
  record.info.parent = row.Text(4);
  record.info.created_ns = row.Int(5);
  record.info.updated_ns = row.Int(6);
  record.usage.inodes = row.Int(7);
  record.usage.size_bytes = row.Int(8);
  return record;
}

SqlValue ParentValue(int64_t parent_id) {
  return parent_id == 0 ? SqlValue(nullptr) : SqlValue(parent_id);
}

}  // namespace

Result<SnapshotRecords> SnapshotRecords::Open(const std::string& path) {
  LM_ASSIGN(DatabaseRoom room, DatabaseRoom::Open(path));
  LM_ASSIGN(SqlDatabase database, SqlDatabase::Open(path));
  LM_TRY(database.RunScript(kSettings));
  int64_t version = 0;
  LM_TRY(database.Run("PRAGMA user_version", {}, [&](const SqlRow& row) { version = row.Int(0); }));
  if (version > kSchemaVersion) {
    return FailedPrecondition(path + ": written by a newer layermark (schema " + std::to_string(version) +
                              ")");
  }
  SnapshotRecords records(std::move(room), std::move(database));
  LM_TRY(records.Start());
  if (version == 0) LM_TRY(records.Change(true, [&] { return records.database_.RunScript(kSchema); }));
  LM_TRY(records.ReadIndex());
  return records;
}

Status SnapshotRecords::Start() {
  LM_TRY(database_.Run("PRAGMA page_size", {}, [&](const SqlRow& row) { page_bytes_ = row.Int(0); }));
  // Where there is no room left, the log is as long as it was when there was.
  Status reserved = room_.ReserveLog();
  return reserved.code() == Code::kResourceExhausted ? Status::Ok() : reserved;
}

Status SnapshotRecords::Change(bool flushed, const std::function<Status()>& body) {
  const auto change = [&]() -> Status {
    LM_TRY(body());
    int64_t pages = 0;
    LM_TRY(database_.Run("PRAGMA page_count", {}, [&](const SqlRow& row) { pages = row.Int(0); }));
    return room_.Reserve(pages * page_bytes_);
  };
  const auto transact = [&] {
    return flushed ? database_.TransactDurably(change) : database_.Transact(change);
  };
  Status status = transact();
  if (status.code() != Code::kResourceExhausted) return status;
  // The log is full, and its pages have their places in the database. After this it starts anew.
  return database_.Run("PRAGMA wal_checkpoint").ok() ? transact() : status;
}

Result<int64_t> SnapshotRecords::LastId() {
  int64_t last = 0;
  LM_TRY(database_.Run("SELECT MAX(id) FROM snapshots", {}, [&](const SqlRow& row) { last = row.Int(0); }));
  return last;
}

Status SnapshotRecords::ReadLabels(SnapshotRecord& record) {
  return database_.Run("SELECT key, value FROM labels WHERE snapshot = ?", {record.id},
                       [&](const SqlRow& row) { record.info.labels[row.Text(0)] = row.Text(1); });
}

Result<std::optional<SnapshotRecord>> SnapshotRecords::Find(const std::string& name) {
  std::optional<SnapshotRecord> found;
  LM_TRY(database_.Run(std::string(kSelect) + " WHERE s.name = ?", {name},
                       [&](const SqlRow& row) { found = RecordOf(row); }));
  if (found) LM_TRY(ReadLabels(*found));
  return found;
}

Result<std::vector<SnapshotRecord>> SnapshotRecords::All() {
  std::vector<SnapshotRecord> all;
  LM_TRY(database_.Run(kSelect, {}, [&](const SqlRow& row) { all.push_back(RecordOf(row)); }));
  for (SnapshotRecord& record : all) LM_TRY(ReadLabels(record));
  return all;
}

Result<std::set<int64_t>> SnapshotRecords::Ids() {
  std::set<int64_t> ids;
  LM_TRY(database_.Run("SELECT id FROM snapshots", {}, [&](const SqlRow& row) { ids.insert(row.Int(0)); }));
  return ids;
}

Status SnapshotRecords::ReadIndex() {
  index_ = SnapshotIndex();
  std::vector<SnapshotRecord> all;
  LM_TRY(database_.Run(kSelect, {}, [&](const SqlRow& row) { all.push_back(RecordOf(row)); }));
  for (const SnapshotRecord& record : all) Remember(record);
  for (const SnapshotRecord& record : all) {
    if (record.parent_id != 0 && index_.Chain(record.parent_id).empty())
      return DataLoss("snapshot \"" + record.info.name + "\": its parent, number " +
                      std::to_string(record.parent_id) + ", is not among the records");
  }
  return Status::Ok();
}

Status SnapshotRecords::Remembered(const Status& changed, const std::function<void()>& change) {
  if (changed.ok()) {
    change();
    return changed;
  }
  // Nearly always nothing happened; what did is in the rows.
  (void)ReadIndex();
  return changed;
}

void SnapshotRecords::Remember(const SnapshotRecord& record) {
  index_.Put(record.info.name, {record.id, record.parent_id, record.info.kind});
}

Status SnapshotRecords::ReplaceLabels(int64_t id, const Labels& labels) {
  LM_TRY(database_.Run("DELETE FROM labels WHERE snapshot = ?", {id}));
  return WriteLabels(id, labels);
}

Status SnapshotRecords::WriteLabels(int64_t id, const Labels& labels) {
  for (const auto& [key, value] : labels) {
    LM_TRY(database_.Run("INSERT INTO labels(snapshot, key, value) VALUES(?, ?, ?)", {id, key, value}));
  }
  return Status::Ok();
}

Status SnapshotRecords::Insert(const SnapshotRecord& record) {
  const Status changed = Change(false, [&]() -> Status {
    LM_TRY(database_.Run(
        "INSERT INTO snapshots(id, name, kind, parent, created_ns, updated_ns, inodes, size_bytes) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        {record.id, record.info.name, std::string(KindName(record.info.kind)), ParentValue(record.parent_id),
         record.info.created_ns, record.info.updated_ns, record.usage.inodes, record.usage.size_bytes}));
    return WriteLabels(record.id, record.info.labels);
  });
  return Remembered(changed, [&] { Remember(record); });
}

Status SnapshotRecords::UpdateLabels(int64_t id, const Labels& labels, int64_t updated_ns) {
  return Change(false, [&]() -> Status {
    LM_TRY(database_.Run("UPDATE snapshots SET updated_ns = ? WHERE id = ?", {updated_ns, id}));
    return ReplaceLabels(id, labels);
  });
}

Status SnapshotRecords::Commit(const SnapshotRecord& record) {
  const Status changed = Change(true, [&]() -> Status {
    LM_TRY(
        database_.Run("UPDATE snapshots SET name = ?, kind = ?, parent = ?, created_ns = ?, updated_ns = ?, "
                      "inodes = ?, size_bytes = ? WHERE id = ?",
                      {record.info.name, std::string(KindName(Kind::kCommitted)),
                       ParentValue(record.parent_id), record.info.created_ns, record.info.updated_ns,
                       record.usage.inodes, record.usage.size_bytes, record.id}));
    return ReplaceLabels(record.id, record.info.labels);
  });
  return Remembered(changed, [&] { Remember(record); });
}

Status SnapshotRecords::Delete(const SnapshotRecord& record) {
  const Status changed = Change(record.info.kind == Kind::kCommitted, [&] {
    return database_.Run("DELETE FROM snapshots WHERE id = ?", {record.id});
  });
  return Remembered(changed, [&] { index_.Erase(record.id); });
}

}  // namespace layermark
