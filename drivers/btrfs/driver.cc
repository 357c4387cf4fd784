// btrfs: every snapshot is a subvolume, a child is a writable snapshot of its parent's.
#include "drivers/driver.h"

#include <unistd.h>

#include <chrono>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "drivers/btrfs/deleted_subvolumes.h"
#include "drivers/btrfs/own_changes.h"
#include "drivers/btrfs/subvolume.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {
namespace {

class BtrfsMechanism : public Mechanism {
 public:
  Status Create(const StoredSnapshot& snapshot) override {
    const bool view = snapshot.kind == Kind::kView;
    if (!snapshot.parent_directories.empty()) {
      return btrfs::CreateSnapshot(snapshot.parent_directories[0], snapshot.directory, view);
    }
    LM_TRY(btrfs::CreateSubvolume(snapshot.directory));
    return view ? btrfs::SetReadOnly(snapshot.directory, true) : Status::Ok();
  }
  Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) override {
    const bool view = snapshot.kind == Kind::kView;
    if (!view) {
      // Sealed and still active only after a Commit that ended before its record.
      LM_ASSIGN(const bool sealed, btrfs::IsReadOnly(snapshot.directory));
      if (sealed) LM_TRY(btrfs::SetReadOnly(snapshot.directory, false));
    }
    return std::vector<Mount>{BindOf(snapshot.directory, view)};
  }
  Status Seal(const StoredSnapshot& snapshot) override {
    return btrfs::SetReadOnly(snapshot.directory, true);
  }
  Status Destroy(int64_t, const std::string& directory) override { return btrfs::DeleteSubvolume(directory); }
  Status Settle(const std::string& root) override {
    return btrfs::WaitForDeletedSubvolumes(root, std::chrono::minutes(1));
  }
  Result<Usage> Measure(const StoredSnapshot& snapshot) override {
    return btrfs::OwnChanges(snapshot.directory, !snapshot.parent_directories.empty());
  }
};

// A subvolume, a snapshot of it that is changed while the source stays, and back.
Status TrySnapshots(const std::string& directory) {
  const std::string source = directory + "/source";
  const std::string snapshot = directory + "/snapshot";
  LM_TRY(btrfs::CreateSubvolume(source));
  LM_TRY(WriteFile(source + "/file", "old"));
  LM_TRY(btrfs::SetReadOnly(source, true));
  LM_TRY(btrfs::CreateSnapshot(source, snapshot, false));
  LM_TRY(WriteFile(snapshot + "/file", "new"));
  LM_ASSIGN(const std::string old_content, ReadFile(source + "/file"));
  if (old_content != "old") return Internal("writing to a snapshot changed its source");
  return btrfs::OwnChanges(snapshot, true).status();
}

class BtrfsDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override { return "a btrfs subvolume per snapshot"; }
  std::string default_backing() const override { return "btrfs"; }

  CapabilitySet capabilities(const DriverOptions&, const std::string&) const override {
    using enum Capability;
    CapabilitySet set = BackingCapabilities("btrfs");
    for (Capability offered : {shares_bytes, layers_128, layers_500, cleanup, usage_own_changes})
      set.Add(offered);
    return set;
  }

  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.stores = InodeFormula::Stores::kFullTree;
    formula.per_store = kSnapshotStoreInodes;
    formula.per_snapshot = 0;
    formula.view_stores_tree = true;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; a subvolume is the root of "
        "its "
        "snapshot's tree. Counted are inode numbers that a walk sees (device and number); on disk a snapshot "
        "shares "
        "the inodes of its parent until they change, and there is no table that could run out";
    return formula;
  }

  Status Probe(const DriverOptions&, const std::string& directory) const override {
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    const Status tried = TrySnapshots(tree.path());
    Status removed = btrfs::DeleteSubvolume(tree.path() + "/snapshot");
    if (removed.ok()) removed = btrfs::DeleteSubvolume(tree.path() + "/source");
    if (removed.ok()) removed = tree.Remove();
    return tried.ok() ? removed : tried;
  }

  Result<std::string> Version(const DriverOptions&) const override { return KernelVersion(); }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions&, const std::string& root) const override {
    return OpenSnapshotStore(root, std::make_unique<BtrfsMechanism>());
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const BtrfsDriver driver;
  return driver;
}

}  // namespace layermark
