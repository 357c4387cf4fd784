// Reading and writing images: OCI image layouts and docker-archive tars.
#ifndef LAYERMARK_CORE_OCI_IMAGE_H_
#define LAYERMARK_CORE_OCI_IMAGE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// The part of an image's configuration that starting a container needs (OCI image-spec config.md).
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;  // "K=V"
  std::string working_dir;
  std::string user;                        // "", "uid", "uid:gid", "name", "name:group"
  std::vector<std::string> exposed_ports;  // "8080/tcp"
  std::map<std::string, std::string> labels;
  std::string architecture = "amd64";
  std::string os = "linux";
};

struct ImageLayer {
  std::string digest;   // of the blob as stored
  std::string diff_id;  // of the uncompressed tar
  std::string media_type;
  int64_t size_bytes = 0;          // of the blob as stored
  int64_t uncompressed_bytes = 0;  // 0 if not known yet
};

// An image on disk, opened and checked. Blobs are opened on demand.
class Image {
 public:
  // REF is "oci:DIR[:REF]", "docker-archive:FILE[:REF]". Reads and checks index, manifest and config; digests
  // of layer blobs are checked by VerifyLayers or while they are read. Errors: kNotFound (no such file, no
  // such ref), kDataLoss (a digest or size does not fit; names blob, expected and seen), kInvalidArgument
  // (malformed).
  static Result<Image> Open(const std::string& reference);

  const std::string& reference() const { return reference_; }
  const std::string& manifest_digest() const { return manifest_digest_; }
  const ImageConfig& config() const { return config_; }
  const std::vector<ImageLayer>& layers() const { return layers_; }
  // Chain ID of layers [0, index] (OCI image-spec): the natural name of a committed snapshot.
  std::string ChainId(size_t index) const;

  // A descriptor on the layer's uncompressed tar: the blob is decompressed to an unnamed file if need be,
  // and its digest and diff ID are checked on the way.
  Result<Fd> OpenLayer(size_t index) const;
  Status VerifyLayers() const;

 private:
  std::string reference_, directory_, manifest_digest_;
  ImageConfig config_;
  std::vector<ImageLayer> layers_;
  std::vector<std::string>
      blob_paths_;  // a file below directory_, or a member of the archive's unpacked copy
  Fd archive_fd_;   // docker-archive: the outer tar
  std::vector<int64_t> member_offsets_;  // docker-archive: where each layer's tar starts in it
  friend class ImageReader;
};

// Writes an OCI image layout into DIR (created; must be empty or absent): layers are uncompressed tars given
// as descriptors, in order from the base. Deterministic: the same input gives the same bytes. Returns the
// manifest digest.
Result<std::string> WriteImageLayout(const std::string& dir, const std::string& ref,
                                     const ImageConfig& config, const std::vector<int>& layer_tar_fds,
                                     bool gzip = false);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_IMAGE_H_
