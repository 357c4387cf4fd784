// How much room an image takes in a backing store.
#ifndef LAYERMARK_SCENARIO_IMAGE_ROOM_H_
#define LAYERMARK_SCENARIO_IMAGE_ROOM_H_

#include <cstdint>

#include "scenario/backing.h"
#include "scenario/image_source.h"

namespace layermark {

// What a store holds of an image at once.
struct ImageCopies {
  int stacks = 0;     // unpacked layer by layer, each layer a snapshot
  int64_t trees = 0;  // snapshots of the whole image on top of that
  int plain = 0;      // the whole tree in an ordinary directory, such as the raw twin's
};

// An upper bound, from the sizes of the layer tars, with a quarter to spare for the file system's own needs.
// `shares_bytes`: a snapshot does not copy its parent's data.
int64_t RoomForImage(const ImageSource& image, const ImageCopies& copies, bool shares_bytes);

// A store like `spec`, of at least `spec.size_bytes` and at least `room_bytes`. Errors: Backing::Create's;
// kResourceExhausted also where the budget leaves less than `room_bytes`.
Result<Backing> CreateBackingWithRoom(BackingSpec spec, int64_t room_bytes);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_IMAGE_ROOM_H_
