// overlay: Docker's first overlay driver, kernel overlayfs with one lower directory.
#include "drivers/driver.h"

#include <sys/stat.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/layer.h"
#include "drivers/overlay/one_lower_mechanism.h"
#include "drivers/support/kernel.h"
#include "drivers/support/link_farm.h"
#include "drivers/support/snapshot_directory.h"

namespace layermark {
namespace {

std::vector<Mount> OverlayMounts(const StackSpec& spec) {
  // Whatever the kernel's defaults are: an upper directory is to hold all that the snapshot changed.
  Mount mount{"overlay", "overlay", "", {}};
  mount.options = {"lowerdir=" + spec.lowers[0], "upperdir=" + spec.upper, "workdir=" + spec.work,
                   "redirect_dir=nofollow",      "metacopy=off",           "index=off"};
  return {mount};
}

// One layer on another: a change, a deletion, and the farm that Commit makes of them.
Status TryLayer(const std::string& directory) {
  for (const char* name : {"lower", "upper", "work", "merged", "root"})
    LM_TRY(MakeDirectory(directory + "/" + name, 0755));
  for (const char* name : {"changed", "deleted", "kept"})
    LM_TRY(WriteFile(directory + "/lower/" + name, "old"));
  LM_TRY(MakeDirectory(directory + "/lower/anew", 0755));
  const StackSpec spec{{directory + "/lower"}, directory + "/upper", directory + "/work", {}};
  const std::string merged = directory + "/merged";
  LM_ASSIGN(Mounted mounted, MountAll(OverlayMounts(spec), merged));
  {
    LM_ASSIGN(const Fd root, Open(merged, O_RDONLY | O_DIRECTORY));
    LM_TRY(
        ApplyLayer(Layer().File("changed", "new").Remove("deleted").Remove("anew").Dir("anew"), root.get()));
  }
  LM_TRY(mounted.Unmount());
  const std::string root = directory + "/root";
  LM_TRY(LinkTree(spec.lowers[0], root));
  LM_TRY(LayUpperOver(spec.upper, root, "trusted.overlay."));
  LM_ASSIGN(const std::string lower, ReadFile(spec.lowers[0] + "/changed"));
  LM_ASSIGN(const std::string upper, ReadFile(root + "/changed"));
  struct stat below = {};
  struct stat above = {};
  if (lstat((spec.lowers[0] + "/kept").c_str(), &below) != 0 || lstat((root + "/kept").c_str(), &above) != 0)
    return Status::Errno("lstat", "kept");
  if (lower != "old" || upper != "new" || Exists(root + "/deleted") || below.st_ino != above.st_ino)
    return Internal("the link farm is not what the mount showed");
  return Status::Ok();
}

class OverlayDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override {
    return "Docker's first overlay driver: one lower directory, a hard-link farm per layer";
  }
  std::string default_backing() const override { return "ext4"; }
  bool in_short_runs() const override { return false; }

  CapabilitySet capabilities(const DriverOptions&, const std::string& backing) const override {
    using enum Capability;
    CapabilitySet set = BackingCapabilities(backing);
    for (Capability missing : {file_handles, link_across_copy_up, rename_dir}) set.Remove(missing);
    if (!KernelAtLeast(6, 3)) set.Remove(tmpfile);
    for (Capability offered : {shares_bytes, shares_page_cache, upper_visible, kernel_overlay, layers_128,
                               layers_500, cleanup, usage_own_changes}) {
      set.Add(offered);
    }
    return set;
  }

  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.stores = InodeFormula::Stores::kLinkFarm;
    formula.per_store = kSnapshotStoreInodes;
    formula.per_snapshot = 1;
    formula.per_mounted_active = 2;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; per snapshot: its directory, "
        "every directory of the whole image below it, and the files of its own layer; all other files are "
        "hard links to the parent's; an active snapshot with a parent has an upper and a work directory, and "
        "work in it once it was mounted; a view of a parent takes nothing";
    return formula;
  }

  Status Probe(const DriverOptions&, const std::string& directory) const override {
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    LM_TRY(TryLayer(tree.path()));
    return tree.Remove();
  }

  Result<std::string> Version(const DriverOptions&) const override { return KernelVersion(); }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions&, const std::string& root) const override {
    return OpenSnapshotStore(root, std::make_unique<OneLowerMechanism>(OverlayMounts));
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const OverlayDriver driver;
  return driver;
}

}  // namespace layermark
