// ImageFormat: a tree as a read-only image (EROFS or SquashFS) and the ways in which a container can see it.
#ifndef LAYERMARK_BENCH_HARNESS_IMAGE_FORMAT_H_
#define LAYERMARK_BENCH_HARNESS_IMAGE_FORMAT_H_

#include <optional>
#include <string>
#include <vector>

#include "bench/harness/file_set.h"
#include "core/result.h"
#include "core/sys/loop.h"
#include "core/sys/mount.h"

namespace layermark {

// The forms, by name:
//   directory             overlay on the tree as it is
//   erofs, squashfs       the image alone, not compressed
//   erofs_4k, ..._128k    compressed (lz4) in clusters of that size; squashfs_4k, ..._128k likewise
//   overlay_on_erofs      overlay on the image; overlay_on_squashfs likewise
//   composefs             overlay on an EROFS image of the metadata, the content in a data-only lower
//   directory
class ImageFormat {
 public:
  // Makes the image of `set` (which is in the directory `tree` already) below the new directory `work`.
  // kNotFound names a program that is missing.
  static Result<ImageFormat> Make(const std::string& form, const FileSet& set, const std::string& tree,
                                  const std::string& work);
  ImageFormat(ImageFormat&&) noexcept = default;
  ImageFormat& operator=(ImageFormat&&) noexcept = default;

  // Mounts it; root() is what the container sees. Mounted again, it knows no name and has no page.
  Status Mount();
  Status Unmount();
  const std::string& root() const { return root_; }

 private:
  ImageFormat() = default;
  Status MakeImage(const std::vector<std::string>& command);
  Status MakeMetadata(const FileSet& set, const std::string& tree);

  std::string work_, tree_, type_, root_;
  bool union_ = false, metadata_only_ = false;
  Mounted image_, overlay_;
  std::optional<LoopDevice> loop_;
};

// The program that makes the form's images; empty where none is needed.
std::string ImageProgram(const std::string& form);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_IMAGE_FORMAT_H_
