// overlay2: kernel overlayfs with as many lower directories as the image has layers.
#include "drivers/driver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/sys/user_namespace.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"
#include "drivers/support/union_mechanism.h"

namespace layermark {
namespace {

std::string OptionOf(const DriverOptions& options, const std::string& key) {
  auto found = options.find(key);
  return found == options.end() ? "" : found->second;
}

// What the kernel takes where the instance says nothing ("Y", "N"; empty where there is no such parameter).
bool KernelDefault(const std::string& parameter) {
  auto text = ReadFile("/sys/module/overlay/parameters/" + parameter);
  return text.ok() && text->starts_with("Y");
}

bool IsOn(const DriverOptions& options, const std::string& key) {
  // In a user namespace there are no file handles for it, and these need some.
  if ((key == "index" || key == "nfs_export") && InUserNamespace()) return false;
  const std::string value = OptionOf(options, key);
  if (!value.empty()) return value == "on";
  // userxattr turns off what an ordinary user could forge.
  const bool turned_off =
      (key == "metacopy" || key == "redirect_dir") && OptionOf(options, "userxattr") == "on";
  return !turned_off && KernelDefault(key);
}

// The mount options of this instance; what is not stated is left to the kernel.
std::vector<std::string> MountOptionsOf(const DriverOptions& options, bool writable) {
  std::vector<std::string> words;
  for (const char* key : {"metacopy", "redirect_dir", "index", "xino", "nfs_export"}) {
    if (const std::string value = OptionOf(options, key); !value.empty())
      words.push_back(key + ("=" + value));
  }
  if (OptionOf(options, "userxattr") == "on") words.emplace_back("userxattr");
  if (OptionOf(options, "volatile") == "on" && writable) words.emplace_back("volatile");
  return words;
}

std::vector<Mount> OverlayMounts(const std::vector<std::string>& mount_options, const StackSpec& spec) {
  Mount mount{"overlay", "overlay", "", {}};
  for (const std::string& lower : spec.lowers) mount.options.push_back("lowerdir=" + lower);
  if (!spec.upper.empty()) {
    mount.options.push_back("upperdir=" + spec.upper);
    mount.options.push_back("workdir=" + spec.work);
  } else {
    mount.options.emplace_back("ro");
  }
  mount.options.insert(mount.options.end(), mount_options.begin(), mount_options.end());
  return {mount};
}

// A mount with `volatile` leaves this directory, which makes the kernel refuse the next mount: nobody knows
// whether the upper directory survived. We do: it is the same boot, no crash came between.
Status ForgetVolatile(const std::string& work) {
  constexpr char kMark[] = "work/incompat/volatile";  // below the work directory, by the kernel
  const std::string mark = work + "/" + kMark;
  return Exists(mark) ? RemoveTree(mark) : Status::Ok();
}

// Mounts once with exactly the instance's options, changes a lower file, deletes another and makes a lower
// directory anew, which needs an attribute of overlayfs's own.
Status TryMount(const DriverOptions& options, const std::string& directory) {
  for (const char* name : {"lower", "upper", "work", "merged"})
    LM_TRY(MakeDirectory(directory + "/" + name, 0755));
  LM_TRY(WriteFile(directory + "/lower/changed", "old"));
  LM_TRY(WriteFile(directory + "/lower/deleted", "old"));
  LM_TRY(MakeDirectory(directory + "/lower/anew", 0755));
  const StackSpec spec{{directory + "/lower"}, directory + "/upper", directory + "/work", {}};
  const std::string merged = directory + "/merged";
  LM_ASSIGN(Mounted mounted, MountAll(OverlayMounts(MountOptionsOf(options, true), spec), merged));
  LM_TRY(WriteFile(merged + "/changed", "new"));
  if (unlink((merged + "/deleted").c_str()) != 0) return Status::Errno("unlink", merged + "/deleted");
  if (rmdir((merged + "/anew").c_str()) != 0) return Status::Errno("rmdir", merged + "/anew");
  LM_TRY(MakeDirectory(merged + "/anew", 0755));
  LM_TRY(mounted.Unmount());
  struct stat whiteout = {};
  if (lstat((directory + "/upper/deleted").c_str(), &whiteout) != 0)
    return Status::Errno("lstat", "whiteout");
  if (!S_ISCHR(whiteout.st_mode) || whiteout.st_rdev != 0)
    return Internal("the whiteout is not a 0/0 device");
  LM_ASSIGN(const std::string lower, ReadFile(directory + "/lower/changed"));
  LM_ASSIGN(const std::string upper, ReadFile(directory + "/upper/changed"));
  if (lower != "old" || upper != "new") return Internal("copy-up gave the wrong content");
  return Status::Ok();
}

class Overlay2Driver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override { return "kernel overlayfs, one lower directory per layer"; }
  std::string default_backing() const override { return "ext4"; }

  std::vector<OptionRow> options() const override {
    return {
        {"metacopy", {"on", "off"}, "chmod and chown of a lower file copy up no data"},
        {"redirect_dir", {"on", "off", "follow", "nofollow"}, "directories of lower layers can be renamed"},
        {"index", {"on", "off"}, "hard links survive copy-up; an upper directory is used once"},
        {"xino", {"on", "off", "auto"}, "inode numbers are unique over several file systems"},
        {"nfs_export", {"on", "off"}, "file handles of its files; needs index=on, and forbids metacopy=on"},
        {"volatile", {"on", "off"}, "nothing is synced to disk"},
        {"userxattr", {"on", "off"}, "user.overlay.* attributes instead of trusted.overlay.*"},
    };
  }

  // All that makes it more like one file system. Metacopy is not among them: nfs_export=on forbids it.
  std::vector<DriverOptions> further_checked_options() const override {
    return {{{"index", "on"}, {"nfs_export", "on"}, {"redirect_dir", "on"}, {"xino", "on"}}};
  }

  // Attributes trusted.* are root's alone.
  DriverOptions options_in_a_user_namespace() const override { return {{"userxattr", "on"}}; }

  CapabilitySet capabilities(const DriverOptions& options, const std::string& backing) const override {
    using enum Capability;
    CapabilitySet set = BackingCapabilities(backing);
    if (!IsOn(options, "nfs_export")) set.Remove(file_handles);
    if (!KernelAtLeast(6, 3)) set.Remove(tmpfile);
    if (!IsOn(options, "index")) set.Remove(link_across_copy_up);
    // metacopy needs redirects and turns them on where the instance does not forbid it.
    const bool implied = IsOn(options, "metacopy") && OptionOf(options, "redirect_dir").empty();
    if (!IsOn(options, "redirect_dir") && !implied) set.Remove(rename_dir);
    for (Capability offered : {shares_bytes, shares_inodes, shares_page_cache, upper_visible, layer_stack,
                               kernel_overlay, layers_128, rebase, cleanup, usage_own_changes}) {
      set.Add(offered);
    }
    if (KernelAtLeast(6, 8))
      set.Add(layers_500);  // before, all layers must fit into one page of mount options
    return set;
  }

  InodeFormula inode_formula(const DriverOptions& options) const override {
    InodeFormula formula;
    // With it the index holds an entry for each directory and each whiteout as well, not foretold here.
    if (IsOn(options, "nfs_export")) return formula;
    formula.stores = InodeFormula::Stores::kOwnLayer;
    formula.whiteouts = InodeFormula::Whiteouts::kOneShared;
    formula.per_store = kSnapshotStoreInodes;
    formula.per_snapshot = 0;
    formula.per_mounted_active = IsOn(options, "index") ? 3 : 2;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; per snapshot: nothing but its "
        "layer; all names removed during one mount are hard links of one device node, the whiteout of a "
        "rename is a node of its own; an active snapshot with a parent has a work directory as well, and "
        "work in it (with index=on index too) once it was mounted; a view of a parent takes nothing";
    return formula;
  }

  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    LM_TRY(TryMount(options, tree.path()));
    return tree.Remove();
  }

  Result<std::string> Version(const DriverOptions&) const override { return KernelVersion(); }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    UnionStyle style;
    style.mounts = [options](const StackSpec& spec) {
      return OverlayMounts(MountOptionsOf(options, !spec.upper.empty()), spec);
    };
    style.refresh_work = ForgetVolatile;
    style.private_xattr_prefixes = {"trusted.overlay.", "user.overlay."};
    SnapshotStoreOptions store_options;
    store_options.rebase = true;
    return OpenSnapshotStore(root, std::make_unique<UnionMechanism>(std::move(style)), store_options);
  }

  Result<std::vector<Mount>> StackMounts(const DriverOptions& options, const StackSpec& spec) const override {
    // Not volatile unless the stack says so: the store takes the mark of a volatile mount away before the
    // next one, and a stack by hand has nobody who does.
    std::vector<std::string> words = MountOptionsOf(options, false);
    words.insert(words.end(), spec.options.begin(), spec.options.end());
    return OverlayMounts(words, spec);
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const Overlay2Driver driver;
  return driver;
}

}  // namespace layermark
