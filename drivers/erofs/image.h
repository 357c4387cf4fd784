// EROFS images: made from a directory, and checked.
//
// An image carries the SHA-256 of its bytes in the attribute user.layermark.sha256, so that one which a crash
// cut short or a disk changed is told from a good one before it is mounted.
#ifndef LAYERMARK_DRIVERS_EROFS_IMAGE_H_
#define LAYERMARK_DRIVERS_EROFS_IMAGE_H_

#include <string>

#include "core/result.h"

namespace layermark::erofs {

struct ImageOptions {
  std::string compression;    // as mkfs.erofs -z takes it ("lz4hc,9"); empty: none
  std::string cluster;        // -C: bytes of a compressed cluster; empty: mkfs.erofs's default
  bool inline_tails = false;  // -Eztailpacking: a small compressed tail lies beside its inode
};

// Makes the image `image` (a new file) of the tree `tree`: mkfs.erofs, then fsck.erofs, then its digest, all
// on the disk when it returns. On failure no image is left. Errors: kNotFound, the programs are not there;
// what they said.
Status MakeImage(const std::string& tree, const std::string& image, const ImageOptions& options);

// kDataLoss where the bytes are not those that were made, or the digest is missing. Cost: reads the image.
Status CheckImage(const std::string& image);

// "erofs-utils 1.5"; kNotFound names the missing program.
Result<std::string> UtilsVersion();

}  // namespace layermark::erofs

#endif  // LAYERMARK_DRIVERS_EROFS_IMAGE_H_
