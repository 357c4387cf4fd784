#include "drivers/support/snapshot_store.h"

#include <sys/file.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "core/sys/fd.h"
#include "drivers/support/filter.h"
#include "drivers/support/labels.h"
#include "drivers/support/name_locks.h"
#include "drivers/support/snapshot_records.h"

namespace layermark {
namespace {

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string Quoted(const std::string& name) {
  return "\"" + name + "\"";
}
Status NoSuchSnapshot(const std::string& name) {
  return NotFound("snapshot " + Quoted(name) + " does not exist");
}

void LogToStandardError(const Status& status) {
  std::fprintf(stderr, "layermark: %s\n", status.ToString().c_str());
}

class SnapshotStore : public Snapshotter {
 public:
  SnapshotStore(std::string root, std::unique_ptr<Mechanism> mechanism, const SnapshotStoreOptions& options,
                Fd root_lock, SnapshotRecords records)
      : root_(std::move(root)),
        mechanism_(std::move(mechanism)),
        rebase_(options.rebase),
        log_(options.log ? options.log : LogToStandardError),
        root_lock_(std::move(root_lock)),
        records_(std::move(records)) {}
  ~SnapshotStore() override { (void)Close(); }

  // Takes up the numbers and destroys what a crash left. REQUIRES: called once, before any other call.
  Status Start();

  Result<Info> Stat(const std::string& key) override;
  Result<Info> Update(const Info& info, const std::vector<std::string>& field_paths) override;
  Result<Usage> GetUsage(const std::string& key) override;
  Result<std::vector<Mount>> Mounts(const std::string& key) override;
  Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                     const Labels& labels) override {
    return Make(Kind::kActive, key, parent, labels);
  }
  Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                  const Labels& labels) override {
    return Make(Kind::kView, key, parent, labels);
  }
  Status Commit(const std::string& name, const std::string& key, const Labels& labels,
                const std::optional<std::string>& parent) override;
  Status Remove(const std::string& key) override;
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters) override;
  Status Cleanup() override;
  Status Close() override;

 private:
  // The numbers for which there is storage, in order.
  Result<std::vector<int64_t>> StoredIds() const;
  // Destroys what has no record.
  Status Sweep();
  std::string Directory(int64_t id) const { return root_ + "/snapshots/" + std::to_string(id); }
  Result<std::vector<Mount>> Make(Kind kind, const std::string& key, const std::string& parent,
                                  const Labels& labels);
  // Storage first, then its mounts, then the record. The caller undoes what a failure left.
  Result<std::vector<Mount>> MakeStorage(const SnapshotRecord& record, const StoredSnapshot& stored);
  void Reclaim(int64_t id);

  // The rest REQUIRES: mutex_ is held.
  Status CheckOpen() const {
    return closed_ ? FailedPrecondition("the snapshotter is closed") : Status::Ok();
  }
  Result<SnapshotRecord> Get(const std::string& name);
  StoredSnapshot Stored(const SnapshotRecord& record, int64_t first_parent_id);
  // What Commit changes in the record; kinds and names checked.
  Result<SnapshotRecord> Committed(const SnapshotRecord& active, const std::string& name,
                                   const Labels& labels, const std::optional<std::string>& parent);

  const std::string root_;
  const std::unique_ptr<Mechanism> mechanism_;
  const bool rebase_;
  const std::function<void(const Status&)> log_;
  NameLocks names_;

  std::mutex mutex_;
  Fd root_lock_;
  SnapshotRecords records_;
  bool closed_ = false;
  int64_t next_id_ = 1;
  std::set<int64_t> in_flight_;  // storage that is being made or destroyed and has no record
};

Status SnapshotStore::Start() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    LM_ASSIGN(const int64_t last, records_.LastId());
    LM_ASSIGN(const std::vector<int64_t> stored, StoredIds());
    next_id_ = std::max(last, stored.empty() ? 0 : stored.back()) + 1;
  }
  // A leftover that cannot be destroyed must not keep the committed snapshots from being used.
  if (Status swept = Sweep(); !swept.ok()) log_(swept);
  return Status::Ok();
}

Result<SnapshotRecord> SnapshotStore::Get(const std::string& name) {
  LM_TRY(CheckOpen());
  LM_ASSIGN(std::optional<SnapshotRecord> record, records_.Find(name));
  if (!record) return NoSuchSnapshot(name);
  return *std::move(record);
}

StoredSnapshot SnapshotStore::Stored(const SnapshotRecord& record, int64_t first_parent_id) {
  StoredSnapshot stored;
  stored.id = record.id;
  stored.kind = record.info.kind;
  stored.directory = Directory(record.id);
  if (first_parent_id != 0) {
    stored.parent_ids = records_.index().Chain(first_parent_id);
    for (int64_t id : stored.parent_ids) stored.parent_directories.push_back(Directory(id));
  }
  return stored;
}

Result<Info> SnapshotStore::Stat(const std::string& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  LM_ASSIGN(SnapshotRecord record, Get(key));
  return std::move(record.info);
}

Result<Info> SnapshotStore::Update(const Info& info, const std::vector<std::string>& field_paths) {
  if (info.name.empty()) return InvalidArgument("update: the snapshot's name is empty");
  std::lock_guard<std::mutex> lock(mutex_);
  LM_ASSIGN(SnapshotRecord record, Get(info.name));
  LM_ASSIGN(record.info.labels, UpdatedLabels(record.info.labels, info.labels, field_paths));
  record.info.updated_ns = std::max(NowNs(), record.info.updated_ns + 1);
  LM_TRY(records_.UpdateLabels(record.id, record.info.labels, record.info.updated_ns));
  return std::move(record.info);
}

Result<Usage> SnapshotStore::GetUsage(const std::string& key) {
  StoredSnapshot stored;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    LM_ASSIGN(SnapshotRecord record, Get(key));
    if (record.info.kind != Kind::kActive) return record.usage;
    stored = Stored(record, record.parent_id);
  }
  Result<Usage> usage = mechanism_->Measure(stored);
  if (usage.ok()) return usage;
  // Nothing held the snapshot while it was measured: if it went meanwhile, that is the answer.
  std::lock_guard<std::mutex> lock(mutex_);
  LM_ASSIGN(SnapshotRecord record, Get(key));
  return record.id == stored.id ? usage.status() : NoSuchSnapshot(key);
}

Result<std::vector<Mount>> SnapshotStore::Mounts(const std::string& key) {
  NameLocks::Hold hold(names_, {}, {key});
  StoredSnapshot stored;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    LM_ASSIGN(SnapshotRecord record, Get(key));
    if (record.info.kind == Kind::kCommitted) {
      return FailedPrecondition("mounts: snapshot " + Quoted(key) + " is committed");
    }
    stored = Stored(record, record.parent_id);
  }
  return mechanism_->Mounts(stored);
}

Result<std::vector<Mount>> SnapshotStore::Make(Kind kind, const std::string& key, const std::string& parent,
                                               const Labels& labels) {
  if (key.empty()) return InvalidArgument("the key of a snapshot must not be empty");
  LM_TRY(CheckLabels(labels));
  NameLocks::Hold hold(names_, {key}, {parent});
  SnapshotRecord record;
  StoredSnapshot stored;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    LM_TRY(CheckOpen());
    if (records_.index().Find(key)) return AlreadyExists("snapshot " + Quoted(key) + " exists already");
    if (!parent.empty()) {
      const std::optional<SnapshotIndex::Entry> found = records_.index().Find(parent);
      if (!found) return NoSuchSnapshot(parent).WithContext("parent");
      if (found->kind != Kind::kCommitted) {
        return InvalidArgument("parent " + Quoted(parent) + " is not committed");
      }
      record.parent_id = found->id;
    }
    record.id = next_id_++;
    record.info.kind = kind;
    record.info.name = key;
    record.info.parent = parent;
    record.info.labels = StorableLabels(labels);
    stored = Stored(record, record.parent_id);
    in_flight_.insert(record.id);
  }
  Result<std::vector<Mount>> mounts = MakeStorage(record, stored);
  if (!mounts.ok()) {
    Reclaim(record.id);
  } else {
    std::lock_guard<std::mutex> lock(mutex_);
    in_flight_.erase(record.id);
  }
  return mounts;
}

Result<std::vector<Mount>> SnapshotStore::MakeStorage(const SnapshotRecord& record,
                                                      const StoredSnapshot& stored) {
  LM_TRY(mechanism_->Create(stored));
  LM_ASSIGN(std::vector<Mount> mounts, mechanism_->Mounts(stored));
  std::lock_guard<std::mutex> lock(mutex_);
  LM_TRY(CheckOpen());
  SnapshotRecord stamped = record;
  stamped.info.created_ns = stamped.info.updated_ns = NowNs();
  LM_TRY(records_.Insert(stamped));
  return mounts;
}

// REQUIRES: `id` is in in_flight_ and has no record.
void SnapshotStore::Reclaim(int64_t id) {
  if (Status destroyed = mechanism_->Destroy(id, Directory(id)); !destroyed.ok()) {
    log_(destroyed.WithContext("storage of snapshot number " + std::to_string(id) + " stays until Cleanup"));
  }
  std::lock_guard<std::mutex> lock(mutex_);
  in_flight_.erase(id);
}

Result<SnapshotRecord> SnapshotStore::Committed(const SnapshotRecord& active, const std::string& name,
                                                const Labels& labels,
                                                const std::optional<std::string>& parent) {
  SnapshotRecord committed = active;
  committed.info.name = name;
  committed.info.kind = Kind::kCommitted;
  committed.info.labels = StorableLabels(labels);
  const std::string wanted = parent.value_or("");
  if (wanted.empty() || wanted == active.info.parent) return committed;
  if (!active.info.parent.empty()) {
    return InvalidArgument("commit: snapshot " + Quoted(active.info.name) + " has the parent " +
                           Quoted(active.info.parent) + " already");
  }
  const std::optional<SnapshotIndex::Entry> found = records_.index().Find(wanted);
  if (!found) return NoSuchSnapshot(wanted).WithContext("commit: parent");
  if (found->kind != Kind::kCommitted) {
    return FailedPrecondition("commit: parent " + Quoted(wanted) + " is not committed");
  }
  if (!rebase_) return Unimplemented("commit: this driver cannot give a snapshot its parent afterwards");
  committed.parent_id = found->id;
  committed.info.parent = wanted;
  return committed;
}

Status SnapshotStore::Commit(const std::string& name, const std::string& key, const Labels& labels,
                             const std::optional<std::string>& parent) {
  if (name.empty()) return InvalidArgument("commit: the name must not be empty");
  LM_TRY(CheckLabels(labels));
  NameLocks::Hold hold(names_, {name, key}, {parent.value_or("")});
  SnapshotRecord record;
  StoredSnapshot stored;
  bool rebased = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    LM_ASSIGN(SnapshotRecord active, Get(key));
    if (records_.index().Find(name))
      return AlreadyExists("commit: snapshot " + Quoted(name) + " exists already");
    if (active.info.kind != Kind::kActive) {
      return FailedPrecondition("commit: snapshot " + Quoted(key) + " is " +
                                std::string(KindName(active.info.kind)) + ", not active");
    }
    LM_ASSIGN(record, Committed(active, name, labels, parent));
    rebased = record.parent_id != active.parent_id;
    stored = Stored(active, record.parent_id);
  }
  if (rebased) LM_TRY(mechanism_->Rebase(stored));
  LM_TRY(mechanism_->Seal(stored));
  LM_ASSIGN(record.usage, mechanism_->Measure(stored));
  std::lock_guard<std::mutex> lock(mutex_);
  LM_TRY(CheckOpen());
  record.info.created_ns = record.info.updated_ns = NowNs();
  return records_.Commit(record);
}

Status SnapshotStore::Remove(const std::string& key) {
  int64_t id = 0;
  {
    NameLocks::Hold hold(names_, {key}, {});
    std::lock_guard<std::mutex> lock(mutex_);
    LM_ASSIGN(SnapshotRecord record, Get(key));
    if (records_.index().HasChildren(record.id))
      return FailedPrecondition("remove: snapshot " + Quoted(key) + " has children");
    LM_TRY(records_.Delete(record));
    id = record.id;
    in_flight_.insert(id);
  }
  Reclaim(id);
  return Status::Ok();
}

Status SnapshotStore::Walk(const std::function<Status(const Info&)>& callback,
                           const std::vector<std::string>& filters) {
  LM_ASSIGN(FilterSet wanted, FilterSet::Parse(filters));
  std::vector<SnapshotRecord> all;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    LM_TRY(CheckOpen());
    LM_ASSIGN(all, records_.All());
  }
  for (const SnapshotRecord& record : all) {
    if (wanted.Matches(record.info)) LM_TRY(callback(record.info));
  }
  return Status::Ok();
}

Status SnapshotStore::Cleanup() {
  Status swept = Sweep();
  Status settled = mechanism_->Settle(root_);
  return swept.ok() ? settled.WithContext("cleanup") : swept;
}

Result<std::vector<int64_t>> SnapshotStore::StoredIds() const {
  LM_ASSIGN(const std::vector<std::string> names, ListDir(AT_FDCWD, root_ + "/snapshots"));
  std::vector<int64_t> ids;
  for (const std::string& name : names) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (error == std::errc() && end == name.data() + name.size()) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Status SnapshotStore::Sweep() {
  // First the directory, then the records: what was listed and still lives is in the records by then.
  LM_ASSIGN(const std::vector<int64_t> stored, StoredIds());
  std::vector<int64_t> leftovers;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    LM_TRY(CheckOpen());
    LM_ASSIGN(const std::set<int64_t> known, records_.Ids());
    for (int64_t id : stored) {
      if (!known.contains(id) && in_flight_.insert(id).second) leftovers.push_back(id);
    }
  }
  Status first;
  for (int64_t id : leftovers) {
    Status destroyed = mechanism_->Destroy(id, Directory(id));
    if (!destroyed.ok() && first.ok()) first = destroyed.WithContext("cleanup");
    std::lock_guard<std::mutex> lock(mutex_);
    in_flight_.erase(id);
  }
  return first;
}

Status SnapshotStore::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return Status::Ok();
  closed_ = true;
  records_.Close();
  // Explicitly, since a forked child may still share the descriptor.
  (void)flock(root_lock_.get(), LOCK_UN);
  return root_lock_.Close();
}

// Waits a little: after a crash the killed process may still be about to go.
Result<Fd> LockRoot(const std::string& root) {
  LM_ASSIGN(Fd fd, Open(root, O_RDONLY | O_DIRECTORY));
  for (int tries = 0; flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Status::Errno("flock", root);
    if (tries == 100) return FailedPrecondition(root + ": another process has this snapshot store open");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fd;
}

}  // namespace

Status Mechanism::Settle(const std::string&) {
  return Status::Ok();
}

Status Mechanism::Rebase(const StoredSnapshot&) {
  return Unimplemented("this driver cannot give a snapshot its parent afterwards");
}

Result<std::unique_ptr<Snapshotter>> OpenSnapshotStore(const std::string& root,
                                                       std::unique_ptr<Mechanism> mechanism,
                                                       const SnapshotStoreOptions& options) {
  LM_ASSIGN(Fd lock, LockRoot(root));
  LM_TRY(MakeDirs(root + "/snapshots", 0700));
  LM_ASSIGN(SnapshotRecords records, SnapshotRecords::Open(root + "/metadata.db"));
  auto store = std::make_unique<SnapshotStore>(root, std::move(mechanism), options, std::move(lock),
                                               std::move(records));
  LM_TRY(store->Start());
  return std::unique_ptr<Snapshotter>(std::move(store));
}

}  // namespace layermark
