#include "scenario/model_acl.h"

#include <algorithm>
#include <cerrno>

namespace layermark {
namespace {

constexpr uint16_t kUserObj = 0x01;
constexpr uint16_t kUser = 0x02;
constexpr uint16_t kGroupObj = 0x04;
constexpr uint16_t kGroup = 0x08;
constexpr uint16_t kMask = 0x10;
constexpr uint16_t kOther = 0x20;
constexpr uint32_t kNoId = 0xffffffff;
constexpr uint32_t kVersion = 2;
constexpr size_t kHeaderBytes = 4;
constexpr size_t kItemBytes = 8;

uint32_t Little(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  return value;
}

void PutLittle(std::string* out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

Status Bad(int error) {
  return Status::Errno("setxattr", "posix acl", error);
}

}  // namespace

Result<ModelAcl> ModelAcl::Parse(std::string_view xattr) {
  if (xattr.size() < kHeaderBytes) return Bad(EINVAL);
  if (Little(xattr.substr(0, kHeaderBytes)) != kVersion) return Bad(EOPNOTSUPP);
  xattr.remove_prefix(kHeaderBytes);
  if (xattr.size() % kItemBytes != 0) return Bad(EINVAL);
  ModelAcl acl;
  for (; !xattr.empty(); xattr.remove_prefix(kItemBytes)) {
    Item item = {};
    item.tag = static_cast<uint16_t>(Little(xattr.substr(0, 2)));
    item.permissions = static_cast<uint16_t>(Little(xattr.substr(2, 2)));
    item.id = Little(xattr.substr(4, 4));
    if (item.tag != kUser && item.tag != kGroup) item.id = kNoId;
    acl.entries_.push_back(item);
  }
  if (!acl.entries_.empty() && !acl.Valid()) return Bad(EINVAL);
  return acl;
}

bool ModelAcl::Valid() const {
  // One user, any named users, one group, any named groups, a mask if anything is named, one other: in order.
  size_t i = 0;
  bool named = false;
  auto take = [&](uint16_t tag) {
    return i < entries_.size() && entries_[i].tag == tag ? (++i, true) : false;
  };
  if (!take(kUserObj)) return false;
  while (take(kUser)) named = true;
  if (!take(kGroupObj)) return false;
  while (take(kGroup)) named = true;
  const bool mask = take(kMask);
  if (named && !mask) return false;
  if (!take(kOther) || i != entries_.size()) return false;
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const Item& item) { return item.permissions <= 7; });
}

std::string ModelAcl::Encode() const {
  std::string out;
  PutLittle(&out, kVersion, 4);
  for (const Item& item : entries_) {
    PutLittle(&out, item.tag, 2);
    PutLittle(&out, item.permissions, 2);
    PutLittle(&out, item.id, 4);
  }
  return out;
}

bool ModelAcl::Has(uint16_t tag) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Item& item) { return item.tag == tag; });
}

bool ModelAcl::minimal() const {
  return !Has(kUser) && !Has(kGroup) && !Has(kMask);
}

mode_t ModelAcl::Mode() const {
  const uint16_t group = Has(kMask) ? kMask : kGroupObj;
  mode_t mode = 0;
  for (const Item& item : entries_) {
    if (item.tag == kUserObj) mode |= mode_t{item.permissions} << 6;
    if (item.tag == group) mode |= mode_t{item.permissions} << 3;
    if (item.tag == kOther) mode |= mode_t{item.permissions};
  }
  return mode;
}

void ModelAcl::SetMode(mode_t mode) {
  const uint16_t group = Has(kMask) ? kMask : kGroupObj;
  for (Item& item : entries_) {
    if (item.tag == kUserObj) item.permissions = static_cast<uint16_t>(mode >> 6 & 7);
    if (item.tag == group) item.permissions = static_cast<uint16_t>(mode >> 3 & 7);
    if (item.tag == kOther) item.permissions = static_cast<uint16_t>(mode & 7);
  }
}

}  // namespace layermark
