// ModelContent: the bytes of one file of the model, immutable, holes included.
#ifndef LAYERMARK_SCENARIO_MODEL_CONTENT_H_
#define LAYERMARK_SCENARIO_MODEL_CONTENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace layermark {

class ModelContent;
using ModelContentPtr = std::shared_ptr<const ModelContent>;

// Kept in blocks of 4 KiB, which a changed version shares with the one it came from; a block never written is
// a hole. Threads: the digest is computed on first use, so one thread at a time per family of versions.
class ModelContent {
 public:
  static ModelContentPtr Empty();
  static ModelContentPtr Of(std::string_view data);
  // Bytes that are not at hand, known by size and digest only. They cannot be changed afterwards.
  static ModelContentPtr Known(int64_t size_bytes, std::string digest);

  // REQUIRES: offset >= 0, size >= 0. kFailedPrecondition on Known() content.
  Result<ModelContentPtr> Write(int64_t offset, std::string_view data) const;
  Result<ModelContentPtr> Resize(int64_t size) const;

  int64_t size_bytes() const { return size_bytes_; }
  // Bytes of the blocks that were written.
  int64_t data_bytes() const;
  // "sha256:<hex>"; costs a pass over size_bytes() the first time.
  const std::string& digest() const;

 private:
  std::map<int64_t, std::shared_ptr<const std::string>> blocks_;  // by index; a short block ends in zeros
  int64_t size_bytes_ = 0;
  bool known_only_ = false;
  mutable std::string digest_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_MODEL_CONTENT_H_
