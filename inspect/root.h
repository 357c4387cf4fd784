// What the books of a storage root say: which images there are, of which layers, and where each layer lies.
//
// Nothing is written and no daemon is asked: containerd's records are read from its bbolt files, Docker's and
// containers/storage's (podman, CRI-O, buildah) from their JSON. The books are not trusted: an id that is not
// one plain file name is refused, so that no path leads out of the root.
//
// Threads: pure functions.
#ifndef LAYERMARK_INSPECT_ROOT_H_
#define LAYERMARK_INSPECT_ROOT_H_

#include <string>
#include <vector>

#include "core/result.h"

namespace layermark::inspect {

// What a layer's directory holds.
enum class LayerForm {
  kDelta,  // the changes to its parent: overlay's
  kWhole,  // the whole tree, its parent's files included: vfs, native, btrfs
};

struct LayerRecord {
  std::string id;         // the driver's
  std::string name;       // chain ID, key or container that it stands for; may be the id
  std::string state;      // committed, active, view
  std::string driver;     // overlayfs, overlay2, vfs, ...
  std::string directory;  // relative to the root
  int parent = -1;        // index; a parent comes before its children
  LayerForm form = LayerForm::kDelta;
};

struct ImageRecord {
  std::string name;    // the first of its names, or its id
  std::string driver;  // empty: not unpacked
  int top = -1;        // index of its topmost layer; -1: it has none here
};

// A directory that is no layer, and what is in it.
struct PartRecord {
  std::string directory;  // relative to the root; empty: all the rest
  std::string name;       // "bookkeeping", "content store", "other"
};

struct Root {
  std::string kind;  // containerd, Docker, containers/storage
  std::string path;  // as given
  std::vector<LayerRecord> layers;
  std::vector<ImageRecord> images;
  std::vector<PartRecord> parts;
  std::vector<std::string> notes;  // what could not be read, in a sentence each
};

// Finds out which kind of root `path` is, and reads its books. kInvalidArgument where it is none of the
// known ones; the message says what was looked for.
Result<Root> ReadRoot(const std::string& path);

// The indices of `top` and its parents, the lowest first.
std::vector<int> Chain(const Root& root, int top);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_ROOT_H_
