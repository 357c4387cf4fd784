// What an image's layers amount to, counted from the layer tars alone: the reference for inode accounting.
//
// Shares no code with the application of layers or with a driver: a small simulation of names and inodes,
// which takes a layer's markers first and its other entries after that (the same result by L19, L20 and L27).
#ifndef LAYERMARK_SCENARIO_IMAGE_CENSUS_H_
#define LAYERMARK_SCENARIO_IMAGE_CENSUS_H_

#include <cstdint>
#include <vector>

#include "core/oci/layer_tar.h"
#include "core/result.h"
#include "scenario/image_source.h"

namespace layermark {

struct LayerCensus {
  // The full tree after layers 0..i: distinct inodes, its root included; bytes of its distinct regular files.
  int64_t tree_inodes = 0;
  int64_t tree_bytes = 0;
  int64_t tree_directories = 0;  // of tree_inodes
  // The layer alone: the root, every directory on the way to an entry, a hidden name or a link's target,
  // listed or not, and every object that an entry makes; hard links count once, a lower file that gets a new
  // name counts too. Markers do not count. Bytes of its distinct regular files.
  int64_t layer_inodes = 0;
  int64_t layer_bytes = 0;
  int64_t layer_directories = 0;  // of layer_inodes
  // Markers in the tar.
  int64_t whiteouts = 0;
  int64_t opaques = 0;
  // Names of the lower tree that the layer hides and does not make anew: a directory counts once for all that
  // is in it, each name in an opaque directory for itself. What an overlay upper directory holds as whiteouts
  // after the layer was applied to the mounted union.
  int64_t hidden_names = 0;
};

// One row per layer. Errors: what a layer that no tree can take is refused for (an escape, a parent that is
// no directory, a hard link to nothing).
Result<std::vector<LayerCensus>> TakeCensus(const std::vector<std::vector<TarListEntry>>& layers);
Result<std::vector<LayerCensus>> TakeCensus(const ImageSource& image);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_IMAGE_CENSUS_H_
