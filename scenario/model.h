// The model oracle: a union file system in memory, against which real ones are checked.
//
// It shares no code with core/oci, with the application of a Layer to a directory or with SnapshotStore, so
// that one mistake cannot hide in both places. It knows the rules of Linux for a process of root's: set-id
// bits and capabilities fall on chown, directories with the set-gid bit or a default ACL pass it on, and so
// on.
//
// What it does not know: limits of a file system (space, xattr size, names per inode), and that some unions
// refuse a rename of a lower directory (EXDEV) or a 0/0 device.
#ifndef LAYERMARK_SCENARIO_MODEL_H_
#define LAYERMARK_SCENARIO_MODEL_H_

#include <string>
#include <vector>

#include "core/oci/layer_tar.h"
#include "core/result.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "scenario/model_store.h"

namespace layermark {

// One file tree with inodes; hard links share one. A copy is a snapshot and costs a pointer per inode: the
// rest is shared until it is changed. Threads: one at a time per family of copies.
class ModelTree {
 public:
  // An empty root, 0755, owned by root.
  ModelTree() = default;

  // What ApplyLayer does to a union of everything applied before, with the same errno where it fails: the
  // first failing step ends it, the steps before it stay done.
  Status Apply(const Layer& layer);

  // The OCI layer rules (L8 to L40) on a list made by ListTar; without kept data, files are known by size and
  // digest. Markers hide what was there before this call, wherever they stand in the list. A root entry gives
  // the root its attributes. kInvalidArgument for what the rules forbid, kNotFound for a hard link to
  // nothing.
  Status ApplyTar(const std::vector<TarListEntry>& entries);

  // Comparable by Compare with a ReadManifest of the real tree. data_bytes counts the 4 KiB blocks that were
  // written; unspecified times are 0; the xattrs that ReadManifest leaves out by default are left out.
  Manifest ToManifest() const;
  // The same, with the unspecified times taken from `actual`, so that they never differ.
  Manifest ToManifestFor(const Manifest& actual) const;
  // Paths of implied parents of a tar: the rules leave their mtime open.
  std::vector<std::string> unspecified_mtimes() const;

 private:
  ModelStore store_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_MODEL_H_
