// reflink: a copy per snapshot by FICLONE: every file is an inode of its own, and none copies its bytes.
#include "drivers/driver.h"

#include "drivers/reflink/extents.h"
#include "drivers/support/copy_mechanism.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {
namespace {

constexpr CopyStyle kStyle = {.method = CopyMethod::kReflink, .views_bind_parent = true};

// Copies whose bytes are the parent's: what a snapshot takes is what the file system maps to it alone.
class ReflinkMechanism : public CopyMechanism {
 public:
  using CopyMechanism::CopyMechanism;

  Result<Usage> Measure(const StoredSnapshot& snapshot) override {
    const std::string parent = snapshot.parent_directories.empty() ? "" : snapshot.parent_directories[0];
    return reflink::OwnExtents(snapshot.directory, parent);
  }
};

class ReflinkDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override {
    return "a copy per snapshot that shares every file's extents (FICLONE)";
  }
  std::string default_backing() const override { return "xfs"; }
  bool in_short_runs() const override { return false; }
  std::vector<OptionRow> options() const override { return CopyOptionRows(); }

  CapabilitySet capabilities(const DriverOptions&, const std::string& backing) const override {
    using enum Capability;
    // A mounted snapshot is a directory of the backing file system.
    CapabilitySet set = BackingCapabilities(backing);
    for (Capability c : {reflink, shares_bytes, layers_128, layers_500, cleanup}) set.Add(c);
    return set;
  }

  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.stores = InodeFormula::Stores::kFullTree;
    formula.per_store = kSnapshotStoreInodes;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; a snapshot's directory is "
        "the root of its tree, in which every file is an inode of its own; a view of a parent takes nothing";
    return formula;
  }

  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    return ProbeCopy(WithOptions(kStyle, options), directory);
  }
  Result<std::string> Version(const DriverOptions&) const override { return KernelVersion(); }
  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    return OpenSnapshotStore(root, std::make_unique<ReflinkMechanism>(WithOptions(kStyle, options)));
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const ReflinkDriver driver;
  return driver;
}

}  // namespace layermark
