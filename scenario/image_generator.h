// Synthetic images: seeded, and the same bytes on every machine.
//
// Directories about 20 wide and nested; files with log-normal sizes, half of them text-like, half random;
// symlinks, hard links, user.* xattrs, one file capability, several owners and modes, mtimes to the
// nanosecond. Half of it is in the base layer. Each later layer adds its share, rewrites about 1 % of the
// files that are there, and hides some: single files, a directory with what is in it, and the lower content
// of a directory (opaque). Every tar lists each directory on the way to a change, the root included (L32),
// each path once (L1), parents first, and markers before what they spare (L30).
#ifndef LAYERMARK_SCENARIO_IMAGE_GENERATOR_H_
#define LAYERMARK_SCENARIO_IMAGE_GENERATOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/oci/image.h"
#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

struct ImageSpec {
  uint64_t seed = 1;
  int layers = 4;
  int directories = 40;
  int files = 400;                // regular files made new, over all layers
  int64_t total_bytes = 8 << 20;  // their content
  bool whiteouts = true, links = true, xattrs = true;
  bool operator==(const ImageSpec&) const = default;
};

// What --profile smoke, quick and full mean. Full is I1 of the methodology: 1,000 directories, 10,000 files,
// 64 MiB, 10 layers.
ImageSpec SmokeSpec(uint64_t seed = 1);
ImageSpec QuickSpec(uint64_t seed = 1);
ImageSpec FullSpec(uint64_t seed = 1);

// "synthetic:seed=1,layers=4,directories=40,files=400,bytes=8388608,whiteouts=1,links=1,xattrs=1".
std::string ToString(const ImageSpec& spec);

struct GeneratedImage {
  std::vector<Fd> layer_tars;  // unnamed files, open for reading and writing
  std::vector<std::string> diff_ids;
  std::string digest;  // over the spec and all diff IDs
  ImageConfig config;
};

// Errors: kInvalidArgument for a spec out of bounds; what writing the files may fail with.
Result<GeneratedImage> GenerateImage(const ImageSpec& spec);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_IMAGE_GENERATOR_H_
