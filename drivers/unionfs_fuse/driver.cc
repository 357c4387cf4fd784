// unionfs_fuse: the user-space union file system unionfs-fuse, the real program.
#include "drivers/driver.h"

#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"
#include "drivers/support/union_mechanism.h"
#include "drivers/unionfs_fuse/branches.h"

namespace layermark {
namespace {

constexpr char kProgram[] = "unionfs";

std::string OptionOf(const DriverOptions& options, const std::string& key, const std::string& otherwise) {
  auto found = options.find(key);
  return found == options.end() ? otherwise : found->second;
}

std::vector<Mount> UnionMounts(const DriverOptions& options, const StackSpec& spec) {
  const std::string program = OptionOf(options, "program", "");
  // The program takes its branches as an option; it is given no source.
  Mount mount{std::string("fuse.") + kProgram, program.empty() ? "none" : program + "#none", "", {}};
  mount.options = unionfs::MountOptionsOf(spec);
  if (OptionOf(options, "use_ino", "on") == "on") mount.options.emplace_back("use_ino");
  if (OptionOf(options, "hide_meta_files", "on") == "on") mount.options.emplace_back("hide_meta_files");
  if (OptionOf(options, "statfs_omit_ro", "off") == "on") mount.options.emplace_back("statfs_omit_ro");
  mount.options.insert(mount.options.end(), spec.options.begin(), spec.options.end());
  return {mount};
}

Status TryMount(const DriverOptions& options, const std::string& directory) {
  for (const char* name : {"lower", "upper", "merged"}) LM_TRY(MakeDirectory(directory + "/" + name, 0755));
  LM_TRY(WriteFile(directory + "/lower/changed", "old"));
  LM_TRY(WriteFile(directory + "/lower/deleted", "old"));
  const StackSpec spec{{directory + "/lower"}, directory + "/upper", "", {}};
  LM_TRY(unionfs::CheckPaths(spec));
  const std::string merged = directory + "/merged";
  LM_ASSIGN(Mounted mounted, MountAll(UnionMounts(options, spec), merged));
  LM_TRY(WriteFile(merged + "/changed", "new"));
  if (unlink((merged + "/deleted").c_str()) != 0) return Status::Errno("unlink", merged + "/deleted");
  if (Exists(merged + "/deleted")) return Internal("a deleted name is still there");
  LM_TRY(mounted.Unmount());
  LM_ASSIGN(const std::string lower, ReadFile(directory + "/lower/changed"));
  LM_ASSIGN(const std::string upper, ReadFile(directory + "/upper/changed"));
  if (lower != "old" || upper != "new") return Internal("copy-up gave the wrong content");
  if (!Exists(directory + "/lower/deleted")) return Internal("deleting a lower file deleted it below");
  return Status::Ok();
}

class UnionfsFuseDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override { return "the user-space union file system unionfs-fuse"; }
  std::string default_backing() const override { return "ext4"; }
  bool in_short_runs() const override { return false; }

  std::vector<OptionRow> options() const override {
    return {
        {"program", {}, "path of the program to run instead of the one on PATH"},
        {"use_ino", {"on", "off"}, "inode numbers are the branches', so that hard links show (default on)"},
        {"hide_meta_files", {"on", "off"}, "the directory of whiteouts is not listed (default on)"},
        {"statfs_omit_ro", {"on", "off"}, "free space is that of the upper branch alone (default off)"},
    };
  }

  CapabilitySet capabilities(const DriverOptions& options, const std::string& backing) const override {
    using enum Capability;
    CapabilitySet set = BackingCapabilities(backing);
    // The program is built without extended attributes in Debian, and O_DIRECT reaches its own unaligned
    // reads.
    for (Capability missing :
         {xattr_user, xattr_trusted, xattr_security, acl, rename_exchange, rename_noreplace, tmpfile,
          fallocate, seek_hole, reflink, direct_io, inode_flags, link_across_copy_up}) {
      set.Remove(missing);
    }
    if (OptionOf(options, "use_ino", "on") == "on") set.Remove(constant_inode);
    for (Capability offered : {shares_bytes, shares_inodes, layer_stack, fuse_daemon, layers_128, layers_500,
                               rebase, cleanup, usage_own_changes}) {
      set.Add(offered);
    }
    return set;
  }

  // No explanation: a removed directory leaves a marker for each name that was in it, a name that came back
  // takes its marker away, and which of them there are depends on the order in which names went.
  InodeFormula inode_formula(const DriverOptions&) const override {
    InodeFormula formula;
    formula.per_store = kSnapshotStoreInodes;
    return formula;
  }

  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    LM_TRY(Version(options).status());
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    LM_TRY(TryMount(options, tree.path()));
    return tree.Remove();
  }

  Result<std::string> Version(const DriverOptions& options) const override {
    const std::string program = OptionOf(options, "program", kProgram);
    if (!FindProgram(program)) return NotFound(program + ": no such program (Debian: unionfs-fuse)");
    LM_ASSIGN(const std::string text, RunCommandOk({program, "--version"}));
    const std::string key = "unionfs-fuse version: ";
    const size_t start = text.find(key);
    if (start == std::string::npos) return DataLoss(program + " --version: does not state a version");
    const size_t number = start + key.size();
    return "unionfs-fuse " + text.substr(number, text.find_first_of("\r\n", number) - number);
  }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    LM_TRY(unionfs::CheckPaths(StackSpec{{root}, "", "", {}}));
    UnionStyle style;
    style.mounts = [options](const StackSpec& spec) { return UnionMounts(options, spec); };
    style.has_work = false;
    SnapshotStoreOptions store_options;
    store_options.rebase = true;
    return OpenSnapshotStore(root, std::make_unique<UnionMechanism>(std::move(style)), store_options);
  }

  Result<std::vector<Mount>> StackMounts(const DriverOptions& options, const StackSpec& spec) const override {
    LM_TRY(unionfs::CheckPaths(spec));
    return UnionMounts(options, spec);
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const UnionfsFuseDriver driver;
  return driver;
}

}  // namespace layermark
