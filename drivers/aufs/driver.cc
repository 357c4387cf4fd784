// aufs: the union file system that Docker started with, where the kernel has it.
#include "drivers/driver.h"

#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "drivers/aufs/branches.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"
#include "drivers/support/union_mechanism.h"

namespace layermark {
namespace {

size_t MostBranches(const DriverOptions& options) {
  auto found = options.find("branches");
  return found == options.end() ? aufs::kDefaultBranches : std::stoul(found->second);
}

Result<std::vector<Mount>> AufsMounts(const DriverOptions& options, const StackSpec& spec) {
  LM_ASSIGN(std::vector<std::string> words, aufs::MountOptionsOf(spec, MostBranches(options)));
  return std::vector<Mount>{{"aufs", "none", "", std::move(words)}};
}

// A layer keeps its whiteouts (".wh.NAME") and opaque markers (".wh..wh..opq"); what aufs put into the root
// of the branch for its own use while it was writable goes.
class AufsMechanism : public UnionMechanism {
 public:
  using UnionMechanism::UnionMechanism;

  Status Seal(const StoredSnapshot& snapshot) override {
    if (snapshot.parent_directories.empty())
      return Status::Ok();  // was bind mounted: all names are the user's
    LM_ASSIGN(const std::vector<std::string> names, ListDir(AT_FDCWD, snapshot.directory));
    for (const std::string& name : names) {
      if (aufs::IsBaseFile(name)) LM_TRY(RemoveTree(snapshot.directory + "/" + name));
    }
    return Status::Ok();
  }
};

Status TryMount(const DriverOptions& options, const std::string& directory) {
  for (const char* name : {"lower", "upper", "merged"}) LM_TRY(MakeDirectory(directory + "/" + name, 0755));
  LM_TRY(WriteFile(directory + "/lower/changed", "old"));
  LM_TRY(WriteFile(directory + "/lower/deleted", "old"));
  LM_ASSIGN(const std::vector<Mount> mounts,
            AufsMounts(options, StackSpec{{directory + "/lower"}, directory + "/upper", "", {}}));
  const std::string merged = directory + "/merged";
  LM_ASSIGN(Mounted mounted, MountAll(mounts, merged));
  LM_TRY(WriteFile(merged + "/changed", "new"));
  if (unlink((merged + "/deleted").c_str()) != 0) return Status::Errno("unlink", merged + "/deleted");
  LM_TRY(mounted.Unmount());
  LM_ASSIGN(const std::string lower, ReadFile(directory + "/lower/changed"));
  LM_ASSIGN(const std::string upper, ReadFile(directory + "/upper/changed"));
  if (lower != "old" || upper != "new") return Internal("copy-up gave the wrong content");
  if (!Exists(directory + "/upper/.wh.deleted"))
    return Internal("no whiteout .wh.deleted in the upper branch");
  return Status::Ok();
}

class AufsDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override { return "the union file system aufs, where the kernel has it"; }
  std::string default_backing() const override { return "ext4"; }
  bool in_short_runs() const override { return false; }

  std::vector<OptionRow> options() const override {
    return {{"branches",
             {"127", "511", "1023", "32767"},
             "branches that the kernel's build allows (default 127, CONFIG_AUFS_BRANCH_MAX)"}};
  }

  // As its documentation has it; no kernel was at hand to try.
  CapabilitySet capabilities(const DriverOptions& options, const std::string& backing) const override {
    using enum Capability;
    CapabilitySet set = BackingCapabilities(backing);
    for (Capability missing : {rename_dir, rename_exchange, rename_noreplace, tmpfile, reflink, inode_flags,
                               file_handles, link_across_copy_up}) {
      set.Remove(missing);
    }
    for (Capability offered :
         {shares_bytes, shares_inodes, shares_page_cache, layer_stack, rebase, cleanup, usage_own_changes}) {
      set.Add(offered);
    }
    if (MostBranches(options) > 128) set.Add(layers_128);
    if (MostBranches(options) > 500) set.Add(layers_500);
    return set;
  }

  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.per_store = kSnapshotStoreInodes;
    return formula;
  }

  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    LM_TRY(TryMount(options, tree.path()));
    return tree.Remove();
  }

  Result<std::string> Version(const DriverOptions&) const override {
    LM_ASSIGN(const std::string kernel, KernelVersion());
    auto module = ReadFile("/sys/module/aufs/version");
    if (!module.ok()) return kernel;
    return "aufs " + module->substr(0, module->find('\n')) + ", " + kernel;
  }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    UnionStyle style;
    style.mounts = [options](const StackSpec& spec) { return AufsMounts(options, spec); };
    style.has_work = false;
    SnapshotStoreOptions store_options;
    store_options.rebase = true;
    return OpenSnapshotStore(root, std::make_unique<AufsMechanism>(std::move(style)), store_options);
  }

  Result<std::vector<Mount>> StackMounts(const DriverOptions& options, const StackSpec& spec) const override {
    return AufsMounts(options, spec);
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const AufsDriver driver;
  return driver;
}

}  // namespace layermark
