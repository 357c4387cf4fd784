// Inspect: what the images and layers of a storage root really take, share and waste.
#ifndef LAYERMARK_INSPECT_INSPECTION_H_
#define LAYERMARK_INSPECT_INSPECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "inspect/root.h"
#include "inspect/tally.h"

namespace layermark::inspect {

struct Figures {
  Amount used;       // on the disk: each inode and each extent once
  Amount alone;      // of it, held by nothing else: what goes when this goes
  Amount shadowed;   // wasted: hidden by upper layers
  Amount duplicate;  // wasted: a lower layer has the same
  Amount whiteouts;  // wasted: markers
  int64_t whiteout_names_count = 0;
  int64_t du_bytes = 0;  // blocks of each inode once, as du counts: a shared extent once for each file
  Amount shared() const { return {used.bytes - alone.bytes, used.inodes - alone.inodes}; }
  Amount wasted() const {
    Amount sum = shadowed;
    sum += duplicate;
    sum += whiteouts;
    return sum;
  }
};

struct LayerFigures {
  LayerRecord record;
  int images_count = 0;      // that have it
  int containers_count = 0;  // active snapshots and views on it, itself included
  Figures figures;           // wasted: for all who use it
};

struct ImageFigures {
  ImageRecord record;
  int layers_count = 0;
  Figures figures;  // alone: in layers that no other image and no container has; wasted: in this image
};

struct PartFigures {
  std::string name;
  Amount used;
  int64_t du_bytes = 0;
};

struct WastedFile {
  std::string path;  // relative to the root
  Use use = Use::kShadowed;
  int64_t block_bytes = 0;
};

struct Inspection {
  std::string kind, path, file_system;
  bool extents_known = true;  // false: shared extents count for each file, because nothing tells of them
  Figures total;              // of all that is in the root; `alone` is all
  Figures layers_total;       // of the layers
  Amount unused;              // in layers that no image and no container has
  std::vector<ImageFigures> images;
  std::vector<LayerFigures> layers;
  std::vector<PartFigures> parts;        // parts of one name together
  std::vector<WastedFile> wasted_files;  // the largest ones, at most as many as were asked for
  int64_t wasted_files_count = 0;        // of all of them
  std::vector<std::string> notes;
  int64_t files_read_count = 0;  // to tell equal contents
  int64_t bytes_read = 0;
};

struct InspectOptions {
  size_t wasted_files = 10;  // how many to name
};

// Reads the root at `path`; nothing is written there, and no daemon is asked. Errors: kInvalidArgument where
// it is no known root; else what stood in the way, with its path.
Result<Inspection> Inspect(const std::string& path, const InspectOptions& options = {});

// One JSON document, bytes and inodes as numbers. Names that are not UTF-8 are shown with U+FFFD.
std::string ToJson(const Inspection& inspection);

// "shadowed", "duplicate", "whiteout", "live", "outside".
std::string_view UseName(Use use);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_INSPECTION_H_
