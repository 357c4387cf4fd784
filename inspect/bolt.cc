#include "inspect/bolt.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "core/sys/fd.h"

namespace layermark::inspect {
namespace {

constexpr uint32_t kMagic = 0xED0CDAED;
constexpr uint32_t kVersion = 2;
constexpr uint16_t kBranchPage = 0x01;
constexpr uint16_t kLeafPage = 0x02;
constexpr uint32_t kBucketLeaf = 0x01;
constexpr size_t kPageHeader = 16;
constexpr size_t kElement = 16;       // a branch's and a leaf's alike
constexpr size_t kBucketHeader = 16;  // root page, sequence
constexpr size_t kMetaBytes = 64;     // magic ... checksum
constexpr size_t kSmallestPage = 1024;
constexpr size_t kLargestPage = size_t{64} << 10;
constexpr int kMaxDepth = 64;  // of pages and buckets together

// REQUIRES: the bytes are there. bbolt writes in the machine's order; containerd's machines are little
// endian.
template <typename T>
T Load(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

struct Meta {
  size_t page_size;
  uint64_t root;
  uint64_t transaction;
};

// The meta page at `at`, if it is a sound one.
std::optional<Meta> MetaAt(std::string_view bytes, size_t at) {
  if (at + kPageHeader + kMetaBytes > bytes.size()) return std::nullopt;
  const std::string_view meta = bytes.substr(at + kPageHeader, kMetaBytes);
  if (Load<uint32_t>(meta, 0) != kMagic || Load<uint32_t>(meta, 4) != kVersion) return std::nullopt;
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : meta.substr(0, kMetaBytes - 8)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  if (hash != Load<uint64_t>(meta, kMetaBytes - 8)) return std::nullopt;
  const Meta found = {Load<uint32_t>(meta, 8), Load<uint64_t>(meta, 16), Load<uint64_t>(meta, 48)};
  if (found.page_size < kSmallestPage || found.page_size > kLargestPage) return std::nullopt;
  return found;
}

// The newer of the two. The first page gives the size of a page; where it is torn, each size is tried.
std::optional<Meta> NewestMeta(std::string_view bytes) {
  std::optional<Meta> newest = MetaAt(bytes, 0);
  if (newest) {
    const std::optional<Meta> second = MetaAt(bytes, newest->page_size);
    return second && second->transaction > newest->transaction ? second : newest;
  }
  for (size_t size = kSmallestPage; size <= kLargestPage && !newest; size *= 2) newest = MetaAt(bytes, size);
  return newest;
}

class Parser {
 public:
  Parser(std::string_view bytes, size_t page_size, std::string what)
      : bytes_(bytes),
        page_size_(page_size),
        what_(std::move(what)),
        visited_(bytes.size() / page_size + 1, false),
        elements_left_(bytes.size() / kElement),
        bytes_left_(bytes.size()) {}

  // Adds what the tree of pages below `id` holds.
  Status ReadTree(uint64_t id, int depth, BoltBucket* out);

 private:
  Status Broken(std::string_view how) const { return DataLoss(fmt::format("{}: damaged: {}", what_, how)); }
  Status ReadPage(std::string_view page, int depth, BoltBucket* out);
  Status ReadBucket(std::string_view value, int depth, BoltBucket* out);

  const std::string_view bytes_;
  const size_t page_size_;
  const std::string what_;
  std::vector<bool> visited_;
  // In a sound file no two elements lie in one place; where they do, a small file could say endlessly much.
  size_t elements_left_;
  size_t bytes_left_;
};

Status Parser::ReadTree(uint64_t id, int depth, BoltBucket* out) {
  if (id >= bytes_.size() / page_size_) return Broken(fmt::format("page {} is beyond the end", id));
  const auto index = static_cast<size_t>(id);
  if (visited_[index]) return Broken(fmt::format("page {} is named twice", id));
  visited_[index] = true;
  const size_t start = index * page_size_;
  if (Load<uint64_t>(bytes_, start) != id) return Broken(fmt::format("page {} has another number", id));
  const uint64_t pages = uint64_t{Load<uint32_t>(bytes_, start + 12)} + 1;
  return ReadPage(bytes_.substr(start, static_cast<size_t>(pages * page_size_)), depth, out);
}

Status Parser::ReadPage(std::string_view page, int depth, BoltBucket* out) {
  if (depth > kMaxDepth) return Broken("nested too deep");
  if (page.size() < kPageHeader) return Broken("a page is cut short");
  const auto flags = Load<uint16_t>(page, 8);
  const size_t count = Load<uint16_t>(page, 10);
  if (flags != kBranchPage && flags != kLeafPage) return Broken("neither a branch nor a leaf");
  if (kPageHeader + count * kElement > page.size()) return Broken("more elements than the page holds");
  for (size_t i = 0; i < count; ++i) {
    const size_t element = kPageHeader + i * kElement;
    if (elements_left_-- == 0) return Broken("elements lie over each other");
    if (flags == kBranchPage) {
      LM_TRY(ReadTree(Load<uint64_t>(page, element + 8), depth + 1, out));
      continue;
    }
    const uint64_t key_at = element + uint64_t{Load<uint32_t>(page, element + 4)};
    const uint64_t key_bytes = Load<uint32_t>(page, element + 8);
    const uint64_t value_bytes = Load<uint32_t>(page, element + 12);
    if (key_at + key_bytes + value_bytes > page.size()) return Broken("an element lies beyond its page");
    const bool is_bucket = (Load<uint32_t>(page, element) & kBucketLeaf) != 0;
    const uint64_t copied = key_bytes + (is_bucket ? 0 : value_bytes);
    if (copied > bytes_left_) return Broken("elements lie over each other");
    bytes_left_ -= static_cast<size_t>(copied);
    std::string key(page.substr(static_cast<size_t>(key_at), static_cast<size_t>(key_bytes)));
    const std::string_view value =
        page.substr(static_cast<size_t>(key_at + key_bytes), static_cast<size_t>(value_bytes));
    if (is_bucket) {
      LM_TRY(ReadBucket(value, depth + 1, &out->buckets[std::move(key)]));
    } else {
      out->values[std::move(key)] = std::string(value);
    }
  }
  return Status::Ok();
}

// A bucket is a page of its own, or, while it is small, one within the value.
Status Parser::ReadBucket(std::string_view value, int depth, BoltBucket* out) {
  if (value.size() < kBucketHeader) return Broken("a bucket is cut short");
  const auto root = Load<uint64_t>(value, 0);
  return root == 0 ? ReadPage(value.substr(kBucketHeader), depth, out) : ReadTree(root, depth, out);
}

}  // namespace

const BoltBucket* BoltBucket::Find(std::initializer_list<std::string_view> keys) const {
  const BoltBucket* at = this;
  for (const std::string_view key : keys) {
    const auto found = at->buckets.find(std::string(key));
    if (found == at->buckets.end()) return nullptr;
    at = &found->second;
  }
  return at;
}

std::string BoltBucket::Value(const std::string& key) const {
  const auto found = values.find(key);
  return found == values.end() ? "" : found->second;
}

Result<BoltBucket> ParseBolt(std::string_view bytes, const std::string& what) {
  const std::optional<Meta> meta = NewestMeta(bytes);
  if (!meta) return DataLoss(what + ": not a bbolt database (no sound meta page)");
  BoltBucket root;
  LM_TRY(Parser(bytes, meta->page_size, what).ReadTree(meta->root, 0, &root));
  return root;
}

Result<BoltBucket> ReadBolt(const std::string& path) {
  LM_ASSIGN(const Fd file, Open(path, O_RDONLY));
  for (int attempt = 0; attempt < 20; ++attempt) {
    if (lseek(file.get(), 0, SEEK_SET) < 0) return Status::Errno("lseek", path);
    Result<std::string> bytes = ReadAll(file.get());
    if (!bytes.ok()) return bytes.status().WithContext(path);
    std::string again(std::min(bytes->size(), 2 * kLargestPage), '\0');
    const ssize_t got = pread(file.get(), again.data(), again.size(), 0);
    if (got < 0) return Status::Errno("pread", path);
    again.resize(static_cast<size_t>(got));
    const std::optional<Meta> before = NewestMeta(*bytes);
    const std::optional<Meta> after = NewestMeta(again);
    if (!before && !after) return ParseBolt(*bytes, path);  // says what is wrong with it
    if (before && after && before->transaction == after->transaction) return ParseBolt(*bytes, path);
  }
  return Status(Code::kUnavailable, path + ": changed each time that it was read; is a daemon busy?");
}

}  // namespace layermark::inspect
