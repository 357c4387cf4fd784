// For tests: writes a bbolt database, in the layout that its readers see, from buckets in memory.
#ifndef LAYERMARK_TESTING_BOLT_FILE_H_
#define LAYERMARK_TESTING_BOLT_FILE_H_

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "inspect/bolt.h"

namespace layermark::testing {

// Small pages and few elements on each, so that a small test has branches, overflow pages and inline buckets.
class BoltWriter {
 public:
  explicit BoltWriter(size_t page_size = 4096, size_t elements_per_page = 3)
      : page_size_(page_size), per_page_(elements_per_page), bytes_(3 * page_size, '\0') {}

  std::string Write(const inspect::BoltBucket& root, uint64_t transaction = 7) {
    const uint64_t page = Tree(Items(root));
    Meta(0, page, transaction);
    Meta(1, page, transaction - 1);
    return bytes_;
  }

  // FNV-1a over what stands before the checksum; for tests that change a meta page by hand.
  static void SetChecksum(std::string* bytes, size_t meta_at) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < 56; ++i) {
      hash = (hash ^ static_cast<unsigned char>((*bytes)[meta_at + i])) * 0x100000001b3;
    }
    std::memcpy(bytes->data() + meta_at + 56, &hash, sizeof hash);
  }

 private:
  struct Item {
    uint32_t flags = 0;
    std::string key, value;
    uint64_t page = 0;  // of a branch's element
  };

  template <typename T>
  static void Put(std::string* out, T value) {
    out->append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  std::vector<Item> Items(const inspect::BoltBucket& bucket) {
    std::map<std::string, Item> items;
    for (const auto& [key, value] : bucket.values) items[key] = {0, key, value};
    for (const auto& [key, below] : bucket.buckets) items[key] = {1, key, BucketValue(below)};
    std::vector<Item> list;
    for (auto& [key, item] : items) list.push_back(std::move(item));
    return list;
  }

  std::string BucketValue(const inspect::BoltBucket& bucket) {
    std::string value;
    const bool is_inline = bucket.buckets.empty() && bucket.values.size() < per_page_;
    Put<uint64_t>(&value, is_inline ? 0 : Tree(Items(bucket)));
    Put<uint64_t>(&value, 0);
    if (is_inline) value += Page(0, 2, Items(bucket));
    return value;
  }

  std::string Page(uint64_t id, uint16_t flags, const std::vector<Item>& items) const {
    std::string head, data;
    for (size_t i = 0; i < items.size(); ++i) {
      const Item& item = items[i];
      const auto place = static_cast<uint32_t>((items.size() - i) * 16 + data.size());
      if (flags == 1) {
        Put<uint32_t>(&head, place);
        Put<uint32_t>(&head, static_cast<uint32_t>(item.key.size()));
        Put<uint64_t>(&head, item.page);
        data += item.key;
      } else {
        Put<uint32_t>(&head, item.flags);
        Put<uint32_t>(&head, place);
        Put<uint32_t>(&head, static_cast<uint32_t>(item.key.size()));
        Put<uint32_t>(&head, static_cast<uint32_t>(item.value.size()));
        data += item.key + item.value;
      }
    }
    std::string page;
    Put<uint64_t>(&page, id);
    Put<uint16_t>(&page, flags);
    Put<uint16_t>(&page, static_cast<uint16_t>(items.size()));
    const size_t size = 16 + head.size() + data.size();
    Put<uint32_t>(&page, static_cast<uint32_t>((size - 1) / page_size_));
    return page + head + data;
  }

  uint64_t Append(uint16_t flags, const std::vector<Item>& items) {
    const uint64_t id = bytes_.size() / page_size_;
    bytes_ += Page(id, flags, items);
    bytes_.resize((bytes_.size() + page_size_ - 1) / page_size_ * page_size_, '\0');
    return id;
  }

  uint64_t Tree(const std::vector<Item>& items) {
    uint16_t flags = 2;
    std::vector<Item> level = items;
    while (level.size() > per_page_) {
      std::vector<Item> above;
      for (size_t i = 0; i < level.size(); i += per_page_) {
        const auto begin = level.begin() + static_cast<std::ptrdiff_t>(i);
        const auto end = level.begin() + static_cast<std::ptrdiff_t>(std::min(i + per_page_, level.size()));
        Item item;
        item.key = begin->key;
        item.page = Append(flags, {begin, end});
        above.push_back(std::move(item));
      }
      level = std::move(above);
      flags = 1;
    }
    return Append(flags, level);
  }

  void Meta(uint64_t id, uint64_t root, uint64_t transaction) {
    std::string page;
    Put<uint64_t>(&page, id);
    Put<uint16_t>(&page, 4);
    Put<uint16_t>(&page, 0);
    Put<uint32_t>(&page, 0);
    Put<uint32_t>(&page, 0xED0CDAED);
    Put<uint32_t>(&page, 2);
    Put<uint32_t>(&page, static_cast<uint32_t>(page_size_));
    Put<uint32_t>(&page, 0);
    Put<uint64_t>(&page, root);
    Put<uint64_t>(&page, 0);
    Put<uint64_t>(&page, 2);  // the free list
    Put<uint64_t>(&page, bytes_.size() / page_size_);
    Put<uint64_t>(&page, transaction);
    Put<uint64_t>(&page, 0);
    bytes_.replace(id * page_size_, page.size(), page);
    SetChecksum(&bytes_, id * page_size_ + 16);
  }

  const size_t page_size_;
  const size_t per_page_;
  std::string bytes_;
};

}  // namespace layermark::testing

#endif  // LAYERMARK_TESTING_BOLT_FILE_H_
