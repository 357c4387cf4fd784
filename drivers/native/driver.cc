// native: a copy per snapshot by copy_file_range, so that the file system may share extents; a view binds its
// parent.
#include "drivers/driver.h"
#include "drivers/support/copy_mechanism.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {
namespace {

using enum Capability;

constexpr CopyStyle kStyle = {.method = CopyMethod::kCopyFileRange, .views_bind_parent = true};

class NativeDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override {
    return "a copy per snapshot by copy_file_range; a view binds its parent";
  }
  std::string default_backing() const override { return "ext4"; }
  std::vector<OptionRow> options() const override { return CopyOptionRows(); }

  CapabilitySet capabilities(const DriverOptions&, const std::string& backing) const override {
    // A mounted snapshot is a directory of the backing file system.
    CapabilitySet set = BackingCapabilities(backing);
    for (Capability c : {layers_128, layers_500, cleanup}) set.Add(c);
    if (set.Has(reflink)) set.Add(shares_bytes);
    return set;
  }

  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.stores = InodeFormula::Stores::kFullTree;
    formula.per_store = kSnapshotStoreInodes;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; a snapshot's directory is "
        "the root of its tree; a view of a parent takes nothing";
    return formula;
  }

  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    return ProbeCopy(WithOptions(kStyle, options), directory);
  }
  Result<std::string> Version(const DriverOptions&) const override { return KernelVersion(); }
  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    return OpenSnapshotStore(root, std::make_unique<CopyMechanism>(WithOptions(kStyle, options)));
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const NativeDriver driver;
  return driver;
}

}  // namespace layermark
