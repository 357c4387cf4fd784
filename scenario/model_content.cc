#include "scenario/model_content.h"

#include <algorithm>
#include <utility>

#include "core/tree/sha256.h"

namespace layermark {
namespace {

constexpr int64_t kBlock = 4096;

Status NotAtHand() {
  return FailedPrecondition("the content was given as a digest only and cannot be changed");
}

}  // namespace

ModelContentPtr ModelContent::Empty() {
  static const ModelContentPtr empty = std::make_shared<ModelContent>();
  return empty;
}

ModelContentPtr ModelContent::Of(std::string_view data) {
  return Empty()->Write(0, data).value();
}

ModelContentPtr ModelContent::Known(int64_t size_bytes, std::string digest) {
  auto content = std::make_shared<ModelContent>();
  content->size_bytes_ = size_bytes;
  content->digest_ = std::move(digest);
  content->known_only_ = true;
  return content;
}

Result<ModelContentPtr> ModelContent::Write(int64_t offset, std::string_view data) const {
  if (known_only_) return NotAtHand();
  auto next = std::make_shared<ModelContent>();
  next->blocks_ = blocks_;
  next->size_bytes_ = size_bytes_;
  while (!data.empty()) {
    const int64_t in_block = offset % kBlock;
    const auto length =
        static_cast<size_t>(std::min<int64_t>(kBlock - in_block, static_cast<int64_t>(data.size())));
    std::shared_ptr<const std::string>& block = next->blocks_[offset / kBlock];
    std::string bytes = block ? *block : std::string();
    const auto begin = static_cast<size_t>(in_block);
    if (bytes.size() < begin + length) bytes.resize(begin + length, '\0');
    bytes.replace(begin, length, data.substr(0, length));
    block = std::make_shared<const std::string>(std::move(bytes));
    offset += static_cast<int64_t>(length);
    data.remove_prefix(length);
    next->size_bytes_ = std::max(next->size_bytes_, offset);
  }
  return ModelContentPtr(next);
}

Result<ModelContentPtr> ModelContent::Resize(int64_t size) const {
  if (known_only_) return NotAtHand();
  auto next = std::make_shared<ModelContent>();
  next->blocks_ = blocks_;
  next->size_bytes_ = size;
  next->blocks_.erase(next->blocks_.lower_bound((size + kBlock - 1) / kBlock), next->blocks_.end());
  // What was behind the new end must be zero if the file grows again.
  auto last = next->blocks_.find(size / kBlock);
  const auto kept = static_cast<size_t>(size % kBlock);
  if (last != next->blocks_.end() && last->second->size() > kept) {
    last->second = std::make_shared<const std::string>(last->second->substr(0, kept));
  }
  return ModelContentPtr(next);
}

int64_t ModelContent::data_bytes() const {
  if (known_only_) return size_bytes_;
  int64_t total = 0;
  for (const auto& [index, block] : blocks_) total += std::min(kBlock, size_bytes_ - index * kBlock);
  return total;
}

const std::string& ModelContent::digest() const {
  if (!digest_.empty()) return digest_;
  static const std::string zeros(size_t{64} << 10, '\0');
  Sha256Stream hash;
  int64_t position = 0;
  auto fill = [&](int64_t end) {
    while (position < end) {
      const auto length = std::min<int64_t>(end - position, static_cast<int64_t>(zeros.size()));
      hash.Update({zeros.data(), static_cast<size_t>(length)});
      position += length;
    }
  };
  for (const auto& [index, block] : blocks_) {
    fill(index * kBlock);
    hash.Update(*block);
    position += static_cast<int64_t>(block->size());
  }
  fill(size_bytes_);
  digest_ = hash.Finish();
  return digest_;
}

}  // namespace layermark
