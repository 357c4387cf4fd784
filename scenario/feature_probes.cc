// What the file system of a mounted snapshot can do: operations on files.
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "core/sys/fd.h"
#include "scenario/capability_probes.h"

namespace layermark {
namespace {

Result<Fd> NewFile(const ProbeContext& context, const std::string& name, int flags = 0) {
  return OpenAt(context.mount_fd, name, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
}

Status RoundTripXattr(const ProbeContext& context, const std::string& file, const std::string& name,
                      std::string_view value) {
  LM_ASSIGN(Fd fd, NewFile(context, file));
  LM_TRY(SetXattrAt(context.mount_fd, file, name, value));
  LM_ASSIGN(std::string seen, GetXattrAt(context.mount_fd, file, name));
  return seen == value ? Status() : DataLoss("getxattr " + name + ": another value came back");
}

Status RenameWith(const ProbeContext& context, const char* from, const char* to, unsigned flags) {
  if (renameat2(context.mount_fd, from, context.mount_fd, to, flags) == 0) return {};
  return Status::Errno("renameat2", from);
}

Status ExpectContent(const ProbeContext& context, const std::string& name, std::string_view expected) {
  LM_ASSIGN(std::string seen, ReadFileAt(context.mount_fd, name, 1 << 20));
  return seen == expected ? Status() : DataLoss("read " + name + ": another content came back");
}

}  // namespace

Status ProbeXattrUser(const ProbeContext& context) {
  return RoundTripXattr(context, "new_xattr_user", "user.layermark", "value");
}

Status ProbeXattrTrusted(const ProbeContext& context) {
  return RoundTripXattr(context, "new_xattr_trusted", "trusted.layermark", "value");
}

Status ProbeXattrSecurity(const ProbeContext& context) {
  // struct vfs_cap_data, revision 2, effective: CAP_NET_BIND_SERVICE permitted. Little-endian on every
  // machine.
  const std::string capability(
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  return RoundTripXattr(context, "new_xattr_security", "security.capability", capability);
}

Status ProbeAcl(const ProbeContext& context) {
  // posix_acl_xattr, version 2: user rw, user 0 (whom every user namespace has) r, group r, mask r, other
  // none.
  std::string acl("\x02\x00\x00\x00", 4);
  struct {
    uint16_t tag, permissions;
    uint32_t id;
  } const entries[] = {{0x01, 6, ~0U}, {0x02, 4, 0}, {0x04, 4, ~0U}, {0x10, 4, ~0U}, {0x20, 0, ~0U}};
  for (const auto& entry : entries) {
    for (int shift : {0, 8}) acl += static_cast<char>(entry.tag >> shift);
    for (int shift : {0, 8}) acl += static_cast<char>(entry.permissions >> shift);
    for (int shift : {0, 8, 16, 24}) acl += static_cast<char>(entry.id >> shift);
  }
  return RoundTripXattr(context, "new_acl", "system.posix_acl_access", acl);
}

Status ProbeRenameDir(const ProbeContext& context) {
  LM_TRY(RenameWith(context, "lower_dir", "renamed_dir", 0));
  return ExpectContent(context, "renamed_dir/inside", "inside\n");
}

Status ProbeRenameExchange(const ProbeContext& context) {
  LM_TRY(WriteFileAt(context.mount_fd, "new_exchange_a", "a"));
  LM_TRY(WriteFileAt(context.mount_fd, "new_exchange_b", "b"));
  LM_TRY(RenameWith(context, "new_exchange_a", "new_exchange_b", RENAME_EXCHANGE));
  LM_TRY(ExpectContent(context, "new_exchange_a", "b"));
  return ExpectContent(context, "new_exchange_b", "a");
}

Status ProbeRenameNoreplace(const ProbeContext& context) {
  LM_TRY(WriteFileAt(context.mount_fd, "new_noreplace_a", "a"));
  LM_TRY(WriteFileAt(context.mount_fd, "new_noreplace_b", "b"));
  Status refused = RenameWith(context, "new_noreplace_a", "new_noreplace_b", RENAME_NOREPLACE);
  if (refused.ok()) return Internal("renameat2(RENAME_NOREPLACE) replaced an existing file");
  if (refused.error_number() != EEXIST) return refused;
  return RenameWith(context, "new_noreplace_a", "new_noreplace_c", RENAME_NOREPLACE);
}

Status ProbeTmpfile(const ProbeContext& context) {
  LM_ASSIGN(Fd file, OpenAt(context.mount_fd, ".", O_TMPFILE | O_RDWR, 0600));
  LM_TRY(WriteAll(file.get(), "unnamed"));
  std::string source = "/proc/self/fd/" + std::to_string(file.get());
  if (linkat(AT_FDCWD, source.c_str(), context.mount_fd, "new_tmpfile", AT_SYMLINK_FOLLOW) != 0) {
    return Status::Errno("linkat", "an O_TMPFILE file");
  }
  return ExpectContent(context, "new_tmpfile", "unnamed");
}

Status ProbeFallocate(const ProbeContext& context) {
  LM_ASSIGN(Fd file, NewFile(context, "new_fallocate"));
  const std::string ones(65536, '1');
  LM_TRY(WriteAll(file.get(), ones));
  if (fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) != 0) {
    return Status::Errno("fallocate(PUNCH_HOLE)", "new_fallocate");
  }
  std::string expected = ones;
  LM_TRY(ExpectContent(context, "new_fallocate", expected.replace(0, 4096, 4096, '\0')));
  if (fallocate(file.get(), FALLOC_FL_ZERO_RANGE, 8192, 4096) != 0) {
    return Status::Errno("fallocate(ZERO_RANGE)", "new_fallocate");
  }
  return ExpectContent(context, "new_fallocate", expected.replace(8192, 4096, 4096, '\0'));
}

Status ProbeSeekHole(const ProbeContext& context) {
  constexpr off_t kData = off_t{1} << 20;
  LM_ASSIGN(Fd file, NewFile(context, "new_sparse"));
  LM_TRY(PWriteAll(file.get(), std::string(4096, 'x'), kData));
  if (fsync(file.get()) != 0) return Status::Errno("fsync", "new_sparse");
  off_t hole = lseek(file.get(), 0, SEEK_HOLE);
  if (hole < 0) return Status::Errno("lseek(SEEK_HOLE)", "new_sparse");
  off_t data = lseek(file.get(), 0, SEEK_DATA);
  if (data < 0) return Status::Errno("lseek(SEEK_DATA)", "new_sparse");
  if (hole == 0 && data == kData) return {};
  // A file system that knows of no holes says that all is data. Any other answer is wrong.
  if (hole == kData + 4096 && data == 0)
    return Unimplemented("lseek(SEEK_HOLE): the hole before the data is not seen");
  return DataLoss("lseek: the hole of new_sparse is said to be at " + std::to_string(hole) +
                  ", its data at " + std::to_string(data));
}

Status ProbeReflink(const ProbeContext& context) {
  LM_ASSIGN(Fd source, NewFile(context, "new_reflink_a"));
  LM_TRY(WriteAll(source.get(), std::string(8192, 'r')));
  LM_ASSIGN(Fd copy, NewFile(context, "new_reflink_b"));
  if (ioctl(copy.get(), FICLONE, source.get()) != 0) return Status::Errno("FICLONE", "new_reflink_b");
  return ExpectContent(context, "new_reflink_b", std::string(8192, 'r'));
}

Status ProbeDirectIo(const ProbeContext& context) {
  {
    LM_ASSIGN(Fd file, NewFile(context, "new_direct"));
    LM_TRY(WriteAll(file.get(), std::string(8192, 'd')));
    if (fsync(file.get()) != 0) return Status::Errno("fsync", "new_direct");
  }
  LM_ASSIGN(Fd file, OpenAt(context.mount_fd, "new_direct", O_RDONLY | O_DIRECT));
  std::unique_ptr<char, decltype(&free)> buffer(static_cast<char*>(aligned_alloc(4096, 4096)), &free);
  ssize_t n = pread(file.get(), buffer.get(), 4096, 4096);
  if (n < 0) return Status::Errno("pread(O_DIRECT)", "new_direct");
  if (n != 4096 || std::string(buffer.get(), 4096) != std::string(4096, 'd')) {
    return DataLoss("pread(O_DIRECT) new_direct: another content came back");
  }
  return {};
}

Status ProbeInodeFlags(const ProbeContext& context) {
  LM_ASSIGN(Fd file, NewFile(context, "new_flags"));
  int before = 0;
  if (ioctl(file.get(), FS_IOC_GETFLAGS, &before) != 0) return Status::Errno("FS_IOC_GETFLAGS", "new_flags");
  int flags = before | FS_IMMUTABLE_FL;
  if (ioctl(file.get(), FS_IOC_SETFLAGS, &flags) != 0) return Status::Errno("FS_IOC_SETFLAGS", "new_flags");
  bool obeyed = !OpenAt(context.mount_fd, "new_flags", O_WRONLY).ok();
  if (ioctl(file.get(), FS_IOC_SETFLAGS, &before) != 0) return Status::Errno("FS_IOC_SETFLAGS", "new_flags");
  return obeyed ? Status() : DataLoss("FS_IOC_SETFLAGS: an immutable file could be opened for writing");
}

}  // namespace layermark
