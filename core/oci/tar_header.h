// What the readers and writers of layer tars share: header bytes, and the cleaning of names.
#ifndef LAYERMARK_CORE_OCI_TAR_HEADER_H_
#define LAYERMARK_CORE_OCI_TAR_HEADER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/oci/layer_tar.h"
#include "core/result.h"

namespace layermark {

inline constexpr size_t kTarBlock = 512;
// Longer names and deeper ones are refused: no file system call could take them in one piece, and walks over
// them must stay bounded.
inline constexpr size_t kMaxTarPathBytes = size_t{64} * 1024;
inline constexpr size_t kMaxTarPathDepth = 4096;

inline constexpr std::string_view kWhiteoutPrefix = ".wh.";
inline constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";

// The header blocks of `entry` (a PAX extended header first, where ustar's fields do not hold the values),
// for content of `size` bytes. Data and padding are the caller's.
std::string TarHeaderBytes(const TarEntry& entry, int64_t size);
// Zero bytes that fill the last block of `size` bytes of content.
inline size_t TarPadding(int64_t size) {
  return static_cast<size_t>((512 - size % 512) % 512);
}

// A name as a path relative to the root: "./a//b/" and "/a/b" are "a/b" (L8), the root is "". ".." is taken
// away with the name before it; one that would leave the root is kInvalidArgument.
Result<std::string> CleanTarPath(std::string_view path);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_TAR_HEADER_H_
