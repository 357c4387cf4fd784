// fuse_overlayfs: the union file system fuse-overlayfs, the real program.
#include "drivers/driver.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"
#include "drivers/support/union_mechanism.h"

namespace layermark {
namespace {

constexpr char kProgram[] = "fuse-overlayfs";

std::string OptionOf(const DriverOptions& options, const std::string& key) {
  auto found = options.find(key);
  return found == options.end() ? "" : found->second;
}

std::string ProgramOf(const DriverOptions& options) {
  return OptionOf(options, "program");
}

// The program's own options of this instance; what is not stated is left to the program.
std::vector<std::string> ProgramOptions(const DriverOptions& options) {
  std::vector<std::string> words;
  for (const char* flag : {"static_nlink", "volatile"}) {
    if (OptionOf(options, flag) == "on") words.emplace_back(flag);
  }
  for (const char* number : {"noxattrs", "writeback"}) {
    const std::string value = OptionOf(options, number);
    if (!value.empty()) words.push_back(number + std::string(value == "on" ? "=1" : "=0"));
  }
  return words;
}

std::vector<Mount> FuseMounts(const DriverOptions& options, const StackSpec& spec) {
  const std::string program = ProgramOf(options);
  const std::string source = program.empty() ? "overlay" : program + "#overlay";
  Mount mount{std::string("fuse3.") + kProgram, source, "", {}};
  for (const std::string& lower : spec.lowers) mount.options.push_back("lowerdir=" + lower);
  if (!spec.upper.empty()) {
    mount.options.push_back("upperdir=" + spec.upper);
    mount.options.push_back("workdir=" + spec.work);
  }
  // FUSE mounts are nodev unless they ask not to be.
  mount.options.emplace_back("dev");
  const std::vector<std::string> words = ProgramOptions(options);
  mount.options.insert(mount.options.end(), words.begin(), words.end());
  mount.options.insert(mount.options.end(), spec.options.begin(), spec.options.end());
  if (spec.upper.empty()) mount.options.emplace_back("ro");
  return {mount};
}

Status TryMount(const DriverOptions& options, const std::string& directory) {
  for (const char* name : {"lower", "upper", "work", "merged"})
    LM_TRY(MakeDirectory(directory + "/" + name, 0755));
  LM_TRY(WriteFile(directory + "/lower/changed", "old"));
  LM_TRY(WriteFile(directory + "/lower/deleted", "old"));
  const StackSpec spec{{directory + "/lower"}, directory + "/upper", directory + "/work", {}};
  const std::string merged = directory + "/merged";
  LM_ASSIGN(Mounted mounted, MountAll(FuseMounts(options, spec), merged));
  LM_TRY(WriteFile(merged + "/changed", "new"));
  if (unlink((merged + "/deleted").c_str()) != 0) return Status::Errno("unlink", merged + "/deleted");
  LM_TRY(mounted.Unmount());
  LM_ASSIGN(const std::string lower, ReadFile(directory + "/lower/changed"));
  LM_ASSIGN(const std::string upper, ReadFile(directory + "/upper/changed"));
  if (lower != "old" || upper != "new") return Internal("copy-up gave the wrong content");
  if (!Exists(directory + "/lower/deleted")) return Internal("deleting a lower file deleted it below");
  return Status::Ok();
}

class FuseOverlayfsDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override { return "the user-space union file system fuse-overlayfs"; }
  std::string default_backing() const override { return "ext4"; }

  std::vector<OptionRow> options() const override {
    return {
        {"program", {}, "path of the program to run instead of the one on PATH"},
        {"noxattrs", {"on", "off"}, "no extended attributes"},
        {"static_nlink", {"on", "off"}, "directories show the link count 1"},
        {"volatile", {"on", "off"}, "nothing is synced to disk"},
        {"writeback", {"on", "off"}, "the kernel gathers writes (the program's default)"},
    };
  }

  CapabilitySet capabilities(const DriverOptions& options, const std::string& backing) const override {
    using enum Capability;
    CapabilitySet set = BackingCapabilities(backing);
    if (OptionOf(options, "noxattrs") == "on") {
      for (Capability attribute : {acl, xattr_user, xattr_trusted, xattr_security}) set.Remove(attribute);
    }
    for (Capability missing : {rename_dir, tmpfile, seek_hole, reflink, inode_flags}) set.Remove(missing);
    for (Capability offered : {shares_bytes, shares_inodes, upper_visible, layer_stack, fuse_daemon,
                               layers_128, layers_500, rebase, cleanup, usage_own_changes}) {
      set.Add(offered);
    }
    return set;
  }

  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.stores = InodeFormula::Stores::kOwnLayer;
    formula.whiteouts = InodeFormula::Whiteouts::kOneEach;
    formula.per_store = kSnapshotStoreInodes;
    formula.per_snapshot = 0;
    formula.per_mounted_active = 2;
    formula.per_new_directory = 1;
    formula.per_new_directory_in_old = 1;
    formula.removal_copies_linked_file = true;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; per snapshot: nothing but its "
        "layer; each new directory gets the marker file .wh..wh..opq, and a device .wh..opq too where its "
        "parent directory is of a lower layer; removing one name of a lower file with several copies it up "
        "under another that lies in a directory looked into before; an active snapshot with a parent has a "
        "work directory as well, and work in it once it was mounted; a view of a parent takes nothing";
    return formula;
  }

  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    LM_TRY(Version(options).status());
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    LM_TRY(TryMount(options, tree.path()));
    return tree.Remove();
  }

  Result<std::string> Version(const DriverOptions& options) const override {
    const std::string program = ProgramOf(options).empty() ? kProgram : ProgramOf(options);
    if (!FindProgram(program)) return NotFound(program + ": no such program");
    LM_ASSIGN(const std::string text, RunCommandOk({program, "--version"}));
    const std::string key = "fuse-overlayfs: version ";
    const size_t start = text.find(key);
    if (start == std::string::npos) return DataLoss(program + " --version: does not state a version");
    const size_t number = start + key.size();
    return "fuse-overlayfs " + text.substr(number, text.find('\n', number) - number);
  }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    UnionStyle style;
    style.mounts = [options](const StackSpec& spec) { return FuseMounts(options, spec); };
    style.private_xattr_prefixes = {"trusted.overlay.", "user.overlay.", "user.fuseoverlayfs."};
    SnapshotStoreOptions store_options;
    store_options.rebase = true;
    return OpenSnapshotStore(root, std::make_unique<UnionMechanism>(std::move(style)), store_options);
  }

  Result<std::vector<Mount>> StackMounts(const DriverOptions& options, const StackSpec& spec) const override {
    return FuseMounts(options, spec);
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const FuseOverlayfsDriver driver;
  return driver;
}

}  // namespace layermark
