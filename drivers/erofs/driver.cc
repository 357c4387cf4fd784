// erofs: each committed layer is an EROFS image, with overlayfs on top.
#include "drivers/driver.h"

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/layer.h"
#include "drivers/erofs/erofs_mechanism.h"
#include "drivers/support/kernel.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {
namespace {

std::string OptionOf(const DriverOptions& options, const std::string& key, const std::string& otherwise) {
  auto found = options.find(key);
  return found == options.end() ? otherwise : found->second;
}

bool IsComposefs(const DriverOptions& options) {
  return OptionOf(options, "form", "image") == "composefs";
}

erofs::Style StyleOf(const DriverOptions& options) {
  erofs::Style style;
  const std::string compression = OptionOf(options, "compression", "none");
  if (compression != "none") style.image.compression = compression;
  style.image.cluster = OptionOf(options, "cluster", "");
  style.content_apart = IsComposefs(options);
  // mkfs.erofs 1.5 stores the holes that stand for the files as bytes: compressed they take next to nothing.
  if (style.content_apart && style.image.compression.empty()) style.image.compression = "lz4";
  style.image.inline_tails = style.content_apart;
  const std::string verify = OptionOf(options, "verify", "once");
  style.verify = verify == "always" ? erofs::Verify::kAlways
                 : verify == "off"  ? erofs::Verify::kNever
                                    : erofs::Verify::kOnce;
  style.loop = OptionOf(options, "loop", "auto") == "on";
  return style;
}

// Two layers through the mechanism itself, and a change on top.
Status TryLayers(const DriverOptions& options, const std::string& directory) {
  erofs::ErofsMechanism mechanism(directory, StyleOf(options));
  const std::string merged = directory + "/merged";
  LM_TRY(MakeDirectory(merged, 0755));
  const auto change = [&](const StoredSnapshot& snapshot, const Layer& layer) -> Status {
    LM_ASSIGN(const std::vector<Mount> mounts, mechanism.Mounts(snapshot));
    LM_ASSIGN(Mounted mounted, MountAll(mounts, merged));
    {
      LM_ASSIGN(const Fd root, Open(merged, O_RDONLY | O_DIRECTORY));
      LM_TRY(ApplyLayer(layer, root.get()));
    }
    return mounted.Unmount();
  };
  const StoredSnapshot base{1, Kind::kActive, directory + "/1", {}, {}};
  LM_TRY(mechanism.Create(base));
  LM_TRY(
      change(base, Layer().File("changed", std::string(5000, 'o')).File("deleted", "old").File("kept", "k")));
  LM_TRY(mechanism.Seal(base));
  const StoredSnapshot next{2, Kind::kActive, directory + "/2", {1}, {base.directory}};
  LM_TRY(mechanism.Create(next));
  LM_TRY(change(next, Layer().Write("changed", 0, "new").Remove("deleted")));
  LM_TRY(mechanism.Seal(next));
  const StoredSnapshot view{3, Kind::kView, directory + "/3", {2, 1}, {next.directory, base.directory}};
  LM_ASSIGN(const std::vector<Mount> mounts, mechanism.Mounts(view));
  LM_ASSIGN(Mounted mounted, MountAll(mounts, merged));
  LM_ASSIGN(const std::string changed, ReadFile(merged + "/changed"));
  LM_ASSIGN(const std::string kept, ReadFile(merged + "/kept"));
  if (!changed.starts_with("newo") || changed.size() != 5000 || kept != "k" || Exists(merged + "/deleted"))
    return Internal("the layers do not show what was written");
  return mounted.Unmount();
}

class ErofsDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override {
    return "each committed layer an EROFS image, with overlayfs on top";
  }
  std::string default_backing() const override { return "ext4"; }
  bool in_short_runs() const override { return false; }

  std::vector<OptionRow> options() const override {
    return {
        {"compression", {}, "as mkfs.erofs -z takes it: lz4, lz4hc, lz4hc\\,12 (default none)"},
        {"cluster", {}, "bytes of a compressed cluster, as mkfs.erofs -C takes them"},
        {"form",
         {"image", "composefs"},
         "composefs: images of names alone, bytes as files shared by all layers"},
        {"loop",
         {"auto", "on"},
         "on: a loop device under each image; auto (default): where the kernel needs one"},
        {"verify", {"once", "always", "off"}, "when images are held against their digests (default once)"},
    };
  }

  CapabilitySet capabilities(const DriverOptions& options, const std::string& backing) const override {
    using enum Capability;
    CapabilitySet set = BackingCapabilities(backing);
    for (Capability missing : {file_handles, link_across_copy_up}) set.Remove(missing);
    // With content apart a file may be copied up without its bytes, which needs redirects and brings them.
    if (!IsComposefs(options)) set.Remove(rename_dir);
    if (!KernelAtLeast(6, 3)) set.Remove(tmpfile);
    for (Capability offered :
         {shares_bytes, shares_inodes, upper_visible, kernel_overlay, rebase, cleanup, usage_own_changes}) {
      set.Add(offered);
    }
    if (IsComposefs(options)) set.Add(shares_page_cache);
    // There are not that many loop devices. With content apart the directory of the objects counts as a
    // layer.
    const bool file_backed = KernelAtLeast(6, 12) && OptionOf(options, "loop", "auto") == "auto";
    if (file_backed) set.Add(layers_128);
    if (file_backed && !IsComposefs(options)) set.Add(layers_500);
    return set;
  }

  InodeFormula inode_formula(const DriverOptions& options) const override {
    InodeFormula formula;
    formula.per_store = kSnapshotStoreInodes;
    if (IsComposefs(options)) return formula;  // which files share their bytes is not foretold
    formula.stores = InodeFormula::Stores::kImage;
    formula.per_snapshot = 3;
    formula.explanation =
        "per store: the database, its log and the directory of the snapshots; per snapshot: its directory, "
        "the "
        "image of its layer and a directory with its root's attributes, whatever the layer holds; an active "
        "snapshot with a parent: its directory, the layer, a work directory and work in it; a view of a "
        "parent "
        "takes nothing";
    return formula;
  }

  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    LM_TRY(erofs::UtilsVersion().status());
    LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
    LM_TRY(TryLayers(options, tree.path()));
    return tree.Remove();
  }

  Result<std::string> Version(const DriverOptions&) const override {
    LM_ASSIGN(const std::string utils, erofs::UtilsVersion());
    LM_ASSIGN(const std::string kernel, KernelVersion());
    return utils + ", " + kernel;
  }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    SnapshotStoreOptions store_options;
    store_options.rebase = true;
    return OpenSnapshotStore(root, std::make_unique<erofs::ErofsMechanism>(root, StyleOf(options)),
                             store_options);
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const ErofsDriver driver;
  return driver;
}

}  // namespace layermark
