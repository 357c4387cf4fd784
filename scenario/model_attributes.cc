#include "scenario/model_attributes.h"

#include <sys/stat.h>

#include <cerrno>

#include "scenario/model_acl.h"

namespace layermark {
namespace {

constexpr char kCapability[] = "security.capability";
constexpr size_t kMaxXattrName = 255;
constexpr size_t kMaxXattrValue = 65536;

bool IsAcl(const std::string& name) {
  return name == kAclAccess || name == kAclDefault;
}

// 0, or why a name can be neither set nor removed on such an inode.
int NameError(const ModelInode& inode, const std::string& name) {
  if (name.empty() || name.size() > kMaxXattrName) return ERANGE;
  if (IsAcl(name)) return inode.type == FileType::kSymlink ? EOPNOTSUPP : 0;
  for (std::string_view space : {"user.", "trusted.", "security."}) {
    if (!name.starts_with(space)) continue;
    const bool plain = inode.type == FileType::kRegular || inode.is_directory();
    if (space == "user." && !plain) return EPERM;
    return name.size() == space.size() ? EINVAL : 0;
  }
  return EOPNOTSUPP;
}

// Revision 2 of struct vfs_cap_data, which is what the kernel gives back to root.
bool IsCapability(std::string_view value) {
  return value.size() == 20 && value[3] == 2;
}

Status SetAcl(ModelInode* inode, const std::string& path, const std::string& name, std::string_view value) {
  auto acl = ModelAcl::Parse(value);
  if (!acl.ok()) return acl.status();
  if (name == kAclDefault && !inode->is_directory()) {
    return acl->empty() ? Status::Ok() : Status::Errno("setxattr", path, EACCES);
  }
  if (acl->empty()) {
    inode->xattrs.erase(name);
    return Status::Ok();
  }
  if (name == kAclAccess) {
    inode->permissions = (inode->permissions & 07000) | acl->Mode();
    if (acl->minimal()) {
      inode->xattrs.erase(name);
      return Status::Ok();
    }
  }
  inode->xattrs[name] = acl->Encode();
  return Status::Ok();
}

}  // namespace

ModelInode ModelNewInode(const ModelInode& directory, FileType type, mode_t permissions, int64_t mtime_ns) {
  ModelInode inode;
  inode.type = type;
  inode.permissions = type == FileType::kSymlink ? 0777 : permissions & 07777;
  inode.mtime_ns = mtime_ns;
  if ((directory.permissions & S_ISGID) != 0) inode.gid = directory.gid;
  if (type == FileType::kRegular) inode.content = ModelContent::Empty();
  auto inherited = directory.xattrs.find(kAclDefault);
  if (type == FileType::kSymlink || inherited == directory.xattrs.end()) return inode;
  if (inode.is_directory()) inode.xattrs[kAclDefault] = inherited->second;
  auto acl = ModelAcl::Parse(inherited->second);
  if (acl.ok() && !acl->minimal()) {
    acl->SetMode(inode.permissions);
    inode.xattrs[kAclAccess] = acl->Encode();
  }
  return inode;
}

void ModelChmod(ModelInode* inode, mode_t permissions) {
  inode->permissions = permissions & 07777;
  auto it = inode->xattrs.find(kAclAccess);
  if (it == inode->xattrs.end()) return;
  auto acl = ModelAcl::Parse(it->second);
  if (!acl.ok()) return;
  acl->SetMode(permissions);
  it->second = acl->Encode();
}

void ModelChown(ModelInode* inode, uid_t uid, gid_t gid) {
  if (uid != static_cast<uid_t>(-1)) inode->uid = uid;
  if (gid != static_cast<gid_t>(-1)) inode->gid = gid;
  if (inode->is_directory()) return;
  if (inode->type != FileType::kSymlink) {
    inode->permissions &= ~mode_t{S_ISUID};
    // Without group execution the bit means mandatory locking, and stays.
    if ((inode->permissions & S_IXGRP) != 0) inode->permissions &= ~mode_t{S_ISGID};
  }
  inode->xattrs.erase(kCapability);
}

void ModelContentChanged(ModelInode* inode) {
  inode->xattrs.erase(kCapability);
}

Status ModelSetXattr(ModelInode* inode, const std::string& path, const std::string& name,
                     std::string_view value) {
  if (int error = NameError(*inode, name); error != 0) return Status::Errno("setxattr", path, error);
  if (value.size() > kMaxXattrValue) return Status::Errno("setxattr", path, E2BIG);
  if (IsAcl(name)) return SetAcl(inode, path, name, value);
  if (name == kCapability && !IsCapability(value)) return Status::Errno("setxattr", path, EINVAL);
  inode->xattrs[name] = value;
  return Status::Ok();
}

Status ModelRemoveXattr(ModelInode* inode, const std::string& path, const std::string& name) {
  if (int error = NameError(*inode, name); error != 0) return Status::Errno("removexattr", path, error);
  const bool was_there = inode->xattrs.erase(name) > 0;
  return was_there || IsAcl(name) ? Status::Ok() : Status::Errno("removexattr", path, ENODATA);
}

}  // namespace layermark
