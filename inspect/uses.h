// What each inode of some layers is good for: seen by somebody, or wasted, and why.
#ifndef LAYERMARK_INSPECT_USES_H_
#define LAYERMARK_INSPECT_USES_H_

#include <cstdint>
#include <vector>

#include "inspect/contents.h"
#include "inspect/root.h"
#include "inspect/scan.h"

namespace layermark::inspect {

// Where an extent has several uses, the last of them counts.
enum class Use : uint8_t {
  kOutside,    // not of these layers
  kShadowed,   // no head shows any of its names, nor its bytes
  kDuplicate,  // shown, but a lower layer has it as well
  kWhiteout,   // a marker that hides something
  kLive,
};

// Layers to look at, parents before children, and those of them that somebody mounts.
struct Scope {
  std::vector<int> layers;
  std::vector<int> heads;
  bool parts = false;  // with what is no layer
};

// An image: its layers and its top.
Scope ScopeOfImage(const Root& root, int top);
// The whole root. Heads are the tops of images, and layers without a child: containers, and what is left
// over.
Scope ScopeOfRoot(const Root& root);

// By inode. A layer of changes (LayerForm::kDelta) is looked at as overlayfs does: a name is hidden by a
// whiteout, an opaque directory or another name of an upper layer; what a redirect or a metacopy of an upper
// layer may point to counts as shown. With whole trees (kWhole) a head shows its own names alone, and a lower
// layer's file is shadowed unless the head has the same at the same place.
//
// A duplicate is a regular file whose bytes another inode of a lower layer of the scope has, that being shown
// too; with whole trees also any other inode that the parent has alike at the same place. One of each content
// stays live. Parts that are no layer are live in the root's scope.
std::vector<Use> UsesIn(const Scope& scope, const Root& root, const Scan& scan, const Contents& contents);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_USES_H_
