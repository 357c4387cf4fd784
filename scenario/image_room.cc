#include "scenario/image_room.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace layermark {

int64_t RoomForImage(const ImageSource& image, const ImageCopies& copies, bool shares_bytes) {
  int64_t tree = 0;   // all layers, as if no layer took anything away
  int64_t stack = 0;  // the tree after each layer, in full
  for (size_t i = 0; i < image.layer_count(); ++i) {
    tree += image.layer_bytes(i);
    stack += tree;
  }
  int64_t bytes = copies.plain * tree;
  bytes += copies.stacks * (shares_bytes ? tree : stack);
  if (!shares_bytes) bytes += copies.trees * tree;
  return bytes + bytes / 4;
}

Result<Backing> CreateBackingWithRoom(BackingSpec spec, int64_t room_bytes) {
  spec.size_bytes = std::max(spec.size_bytes, room_bytes);
  LM_ASSIGN(Backing backing, Backing::Create(spec));
  if (backing.spec().kind == "dir" || backing.spec().size_bytes >= room_bytes / (1 << 20) * (1 << 20))
    return backing;
  constexpr int64_t kMiB = int64_t{1} << 20;
  return Status(Code::kResourceExhausted,
                fmt::format("the image needs {} MiB here, the budget for {} leaves {} MiB{}",
                            room_bytes / kMiB, backing.spec().device, backing.spec().size_bytes / kMiB,
                            backing.spec().device == "ram" ? "; --device disk has more" : ""));
}

}  // namespace layermark
