// ErofsMechanism: every committed layer is an EROFS image, and overlayfs lies on top.
//
//   snapshots/ID/fs            the layer as a directory, while the snapshot is active
//   snapshots/ID/work          overlayfs's work directory; active snapshots with a parent only
//   snapshots/ID/layer.erofs   the layer of a committed snapshot
//   snapshots/ID/root          an empty directory with the attributes of the layer's root, for children
//
// Mounts: an active snapshot without parent is a bind mount of fs; a view of one layer is that layer's image;
// all else is the parents' images, mounted out of sight, with overlayfs over them ("format/overlay",
// core/sys/mount.h). A view of a parent stores nothing.
//
// With content apart (the form that composefs has) an image holds names and attributes alone; the bytes of
// its files are in
//
//   ROOT/objects/NAME          a file's bytes, NAME their SHA-256, one file for all layers that have them
//   snapshots/ID/objects/NAME  another name of it for each layer that needs it: when the last one goes, it
//   goes
//
// and overlayfs finds them by the attributes trusted.overlay.metacopy and .redirect, which are set by hand,
// in the data-only lower directory ROOT/objects.
//
// Images are checked against their digest before they are mounted: once for each opening of the store,
// always, or never. Commit makes the image, so that its cost is that of mkfs.erofs on the layer. Thread safe,
// as Mechanism asks.
#ifndef LAYERMARK_DRIVERS_EROFS_EROFS_MECHANISM_H_
#define LAYERMARK_DRIVERS_EROFS_EROFS_MECHANISM_H_

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/erofs/image.h"
#include "drivers/support/snapshot_store.h"

namespace layermark::erofs {

enum class Verify { kOnce, kAlways, kNever };

struct Style {
  ImageOptions image;
  Verify verify = Verify::kOnce;
  bool loop = false;           // a loop device under each image, also where the kernel takes the file itself
  bool content_apart = false;  // composefs's form
};

class ErofsMechanism : public Mechanism {
 public:
  // `root` is the store's.
  ErofsMechanism(std::string root, Style style) : root_(std::move(root)), style_(std::move(style)) {}

  Status Create(const StoredSnapshot& snapshot) override;
  Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) override;
  Status Seal(const StoredSnapshot& snapshot) override;
  Status Destroy(int64_t id, const std::string& directory) override;
  // While active the blocks and inodes of the layer as a directory; then what is stored for it.
  Result<Usage> Measure(const StoredSnapshot& snapshot) override;
  // A layer that was made on nothing can lie on any other.
  Status Rebase(const StoredSnapshot&) override { return Status::Ok(); }

 private:
  std::string Objects() const { return root_ + "/objects"; }
  Mount ImageMount(const std::string& directory) const;
  std::vector<std::string> OverlayOptions(size_t images) const;
  // The layer that is stored in `directory`, as style.verify asks.
  Status CheckOnce(const std::string& directory);
  // A sealed snapshot that is active still (its Commit ended before the record) gets its directory back.
  Status Unseal(const std::string& directory);

  const std::string root_;
  const Style style_;
  std::mutex mutex_;
  std::set<std::string> checked_;  // images that were found good
};

}  // namespace layermark::erofs

#endif  // LAYERMARK_DRIVERS_EROFS_EROFS_MECHANISM_H_
