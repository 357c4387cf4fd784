#include "core/oci/acl_xattr.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace layermark {
namespace {

// The kernel's xattr form: a version, then tag, permissions and id, little endian.
constexpr uint32_t kVersion = 2;
constexpr uint32_t kNoId = 0xffffffffu;

struct AclEntry {
  uint16_t tag = 0;
  uint16_t permissions = 0;
  uint32_t id = kNoId;
};

void Put(std::string* out, uint32_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i, value >>= 8) *out += static_cast<char>(value & 0xff);
}

uint16_t KernelTag(int tag) {
  switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
      return 0x01;
    case ARCHIVE_ENTRY_ACL_USER:
      return 0x02;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
      return 0x04;
    case ARCHIVE_ENTRY_ACL_GROUP:
      return 0x08;
    case ARCHIVE_ENTRY_ACL_MASK:
      return 0x10;
    case ARCHIVE_ENTRY_ACL_OTHER:
      return 0x20;
    default:
      return 0;
  }
}

Status Append(archive_entry* entry, int type, const std::string& name, std::vector<Xattr>* xattrs) {
  const bool there =
      std::any_of(xattrs->begin(), xattrs->end(), [&](const Xattr& xattr) { return xattr.name == name; });
  if (there) return Status::Ok();
  std::vector<AclEntry> acl;
  archive_entry_acl_reset(entry, type);
  int kind = 0, permset = 0, tag = 0, id = 0;
  const char* text = nullptr;
  while (archive_entry_acl_next(entry, type, &kind, &permset, &tag, &id, &text) == ARCHIVE_OK) {
    AclEntry one;
    one.tag = KernelTag(tag);
    if (one.tag == 0) return Unimplemented("ACL entry of a kind that Linux does not have");
    one.permissions = static_cast<uint16_t>(permset & 7);
    if (one.tag == 0x02 || one.tag == 0x08) {
      if (id < 0) return InvalidArgument("ACL entry without a numeric id");
      one.id = static_cast<uint32_t>(id);
    }
    acl.push_back(one);
  }
  if (acl.empty()) return Status::Ok();
  std::stable_sort(acl.begin(), acl.end(), [](const AclEntry& x, const AclEntry& y) {
    return x.tag != y.tag ? x.tag < y.tag : x.id < y.id;
  });
  std::string value;
  Put(&value, kVersion, 4);
  for (const AclEntry& one : acl) {
    Put(&value, one.tag, 2);
    Put(&value, one.permissions, 2);
    Put(&value, one.id, 4);
  }
  xattrs->push_back({name, std::move(value)});
  return Status::Ok();
}

}  // namespace

Status AppendAclXattrs(archive_entry* entry, std::vector<Xattr>* xattrs) {
  const int types = archive_entry_acl_types(entry);
  if ((types & ARCHIVE_ENTRY_ACL_TYPE_NFS4) != 0)
    return Unimplemented("NFSv4 ACLs have no place in a Linux layer");
  if ((types & ARCHIVE_ENTRY_ACL_TYPE_ACCESS) != 0) {
    LM_TRY(Append(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", xattrs));
  }
  if ((types & ARCHIVE_ENTRY_ACL_TYPE_DEFAULT) != 0) {
    LM_TRY(Append(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", xattrs));
  }
  return Status::Ok();
}

}  // namespace layermark
