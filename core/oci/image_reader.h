// ImageReader: builds an Image from what is on disk. Internal to core/oci.
#ifndef LAYERMARK_CORE_OCI_IMAGE_READER_H_
#define LAYERMARK_CORE_OCI_IMAGE_READER_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/oci/image.h"
#include "core/oci/image_json.h"
#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

class ImageReader {
 public:
  // `location` is the reference without its scheme: a path, or "path:ref".
  static Result<Image> OpenLayout(const std::string& reference, const std::string& location);
  static Result<Image> OpenDockerArchive(const std::string& reference, const std::string& location);

 private:
  static Status ReadManifest(int dir_fd, const Descriptor& manifest, Image* image);
  static Status ReadArchiveEntry(const nlohmann::json& entry, Image* image);
};

// The path of `location` that exists, and the ref after it. A path may hold ':' itself.
struct Location {
  std::string path;
  std::string ref;
};
Result<Location> SplitLocation(const std::string& location);

// A file that must be regular, so that no device or pipe is waited for.
Result<Fd> OpenRegularInRoot(int dir_fd, const std::string& path);
Status RequireRegular(int fd, const std::string& path);
// "blobs/sha256/<hex>". REQUIRES: IsSha256Digest(digest).
std::string BlobPath(std::string_view digest);

// One layer's bytes as stored: a range of a file.
struct BlobRange {
  int fd = -1;
  int64_t offset = 0;
  int64_t size_bytes = 0;
};
// Reads the range once and checks `digest` (of the stored bytes; empty: not known) and `diff_id` (of what it
// decompresses to). The uncompressed bytes go to `out_fd` unless that is -1; answers their number.
Result<int64_t> ReadLayerBlob(const BlobRange& blob, const std::string& digest, const std::string& diff_id,
                              int out_fd);
// True if the bytes are no plain tar, by their first bytes.
Result<bool> IsCompressed(const BlobRange& blob);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_IMAGE_READER_H_
