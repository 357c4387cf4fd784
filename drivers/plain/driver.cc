// plain: the oracle and the floor. Every snapshot is an ordinary directory; a child starts as `cp -a` of its
// parent by the system's own cp, so that no code of ours stands between the oracle and the kernel.
#include "drivers/driver.h"

#include <chrono>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "drivers/support/disk_usage.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {
namespace {

// "FROM/." copies the attributes of FROM itself too.
Status SystemCopy(const std::string& from, const std::string& to) {
  CommandOptions options;
  options.deadline = std::chrono::hours(1);
  return RunCommandOk({"env", "LC_ALL=C", "cp", "-a", "--", from + "/.", to + "/"}, options).status();
}

class PlainMechanism : public Mechanism {
 public:
  Status Create(const StoredSnapshot& snapshot) override {
    const bool has_parent = !snapshot.parent_directories.empty();
    if (snapshot.kind == Kind::kView && has_parent) return Status::Ok();
    LM_TRY(MakeDirectory(snapshot.directory, 0755));
    return has_parent ? SystemCopy(snapshot.parent_directories[0], snapshot.directory) : Status::Ok();
  }
  Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) override {
    const bool view = snapshot.kind == Kind::kView;
    const bool shows_parent = view && !snapshot.parent_directories.empty();
    return std::vector<Mount>{
        BindOf(shows_parent ? snapshot.parent_directories[0] : snapshot.directory, view)};
  }
  Status Seal(const StoredSnapshot&) override { return Status::Ok(); }
  Status Destroy(int64_t, const std::string& directory) override { return RemoveTree(directory); }
  Result<Usage> Measure(const StoredSnapshot& snapshot) override { return DiskUsage(snapshot.directory); }
};

class PlainDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override {
    return "oracle and floor: ordinary directories, a child is cp -a of its parent";
  }
  std::string default_backing() const override { return "ext4"; }

  CapabilitySet capabilities(const DriverOptions&, const std::string& backing) const override {
    CapabilitySet set = BackingCapabilities(backing);
    set.Add(Capability::layers_128);
    set.Add(Capability::layers_500);
    set.Add(Capability::cleanup);
    // cp shares the extents by itself where the file system can.
    if (set.Has(Capability::reflink)) set.Add(Capability::shares_bytes);
    return set;
  }

  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.stores = InodeFormula::Stores::kFullTree;
    formula.per_store = kSnapshotStoreInodes;
    formula.per_snapshot = 0;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; a snapshot's directory is "
        "the root "
        "of its tree; a view of a parent takes nothing";
    return formula;
  }

  Status Probe(const DriverOptions&, const std::string& directory) const override {
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    const std::string from = tree.path() + "/from";
    const std::string to = tree.path() + "/to";
    LM_TRY(MakeDirectory(from, 0755));
    LM_TRY(MakeDirectory(to, 0755));
    LM_TRY(WriteFile(from + "/file", "content"));
    LM_TRY(SystemCopy(from, to));
    LM_ASSIGN(const std::string copied, ReadFile(to + "/file"));
    if (copied != "content") return DataLoss("cp -a: the copy of a file differs");
    LM_ASSIGN(Mounted mounted, MountAll({BindOf(to, false)}, from));
    LM_TRY(mounted.Unmount());
    return tree.Remove();
  }

  Result<std::string> Version(const DriverOptions&) const override {
    LM_ASSIGN(const std::string text, RunCommandOk({"cp", "--version"}));
    return text.substr(0, text.find('\n'));
  }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions&, const std::string& root) const override {
    return OpenSnapshotStore(root, std::make_unique<PlainMechanism>());
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const PlainDriver driver;
  return driver;
}

}  // namespace layermark
