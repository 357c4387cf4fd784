// ImageSource: an image to work with, wherever it comes from: a synthetic one, an OCI layout or a docker
// archive.
#ifndef LAYERMARK_SCENARIO_IMAGE_SOURCE_H_
#define LAYERMARK_SCENARIO_IMAGE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/oci/image.h"
#include "core/result.h"
#include "core/sys/fd.h"
#include "scenario/image_generator.h"

namespace layermark {

// A value that shares its layers: copies are cheap. Layers are uncompressed, and their digests checked, when
// it is made. It stays usable after fork(). Threads: const methods from any thread.
class ImageSource {
 public:
  // "oci:DIR[:REF]" or "docker-archive:FILE[:REF]"; errors as Image::Open and Image::OpenLayer.
  static Result<ImageSource> FromReference(const std::string& reference);
  static Result<ImageSource> FromSpec(const ImageSpec& spec);

  size_t layer_count() const;
  // A descriptor of its own on the layer's uncompressed tar, at offset 0.
  Result<Fd> OpenLayer(size_t index) const;
  int64_t layer_bytes(size_t index) const;  // of the uncompressed tar
  const std::string& diff_id(size_t index) const;
  const std::string& chain_id(size_t index) const;
  // Of the manifest (a layout), the config (a docker archive) or spec and diff IDs (a synthetic image).
  const std::string& digest() const;
  const ImageConfig& config() const;
  // "synthetic:seed=1,..." or the reference.
  const std::string& name() const;

 private:
  struct Content;
  static Result<ImageSource> Make(std::shared_ptr<Content> content);
  std::shared_ptr<const Content> content_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_IMAGE_SOURCE_H_
