// Digests as image manifests write them.
#ifndef LAYERMARK_CORE_OCI_DIGEST_H_
#define LAYERMARK_CORE_OCI_DIGEST_H_

#include <string_view>

namespace layermark {

// True for "sha256:" and 64 lower-case hex digits: nothing else may become part of a path.
inline bool IsSha256Digest(std::string_view digest) {
  return digest.size() == 71 && digest.substr(0, 7) == "sha256:" &&
         digest.substr(7).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_DIGEST_H_
