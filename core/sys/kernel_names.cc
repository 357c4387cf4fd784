#include "core/sys/kernel_names.h"

#include <fmt/core.h>
#include <linux/fuse.h>
#include <sys/syscall.h>

#include <unordered_map>

namespace layermark {
namespace {

using Names = std::unordered_map<uint64_t, const char*>;

Names AllSyscalls() {
  Names names = {
#define SYSCALL_NAME(name) {SYS_##name, #name},
#include "syscall_names.inc"
#undef SYSCALL_NAME
  };
  // Younger than the headers of Debian 12. From 424 on a number is the same on every machine.
  const Names later = {
      {451, "cachestat"},         {452, "fchmodat2"},        {453, "map_shadow_stack"},
      {454, "futex_wake"},        {455, "futex_wait"},       {456, "futex_requeue"},
      {457, "statmount"},         {458, "listmount"},        {459, "lsm_get_self_attr"},
      {460, "lsm_set_self_attr"}, {461, "lsm_list_modules"}, {462, "mseal"},
      {463, "setxattrat"},        {464, "getxattrat"},       {465, "listxattrat"},
      {466, "removexattrat"},     {467, "open_tree_attr"},   {468, "file_getattr"},
      {469, "file_setattr"},
  };
  names.insert(later.begin(), later.end());
  return names;
}

const Names& FuseOpcodes() {
  static const Names names = {
      {FUSE_LOOKUP, "LOOKUP"},
      {FUSE_FORGET, "FORGET"},
      {FUSE_GETATTR, "GETATTR"},
      {FUSE_SETATTR, "SETATTR"},
      {FUSE_READLINK, "READLINK"},
      {FUSE_SYMLINK, "SYMLINK"},
      {FUSE_MKNOD, "MKNOD"},
      {FUSE_MKDIR, "MKDIR"},
      {FUSE_UNLINK, "UNLINK"},
      {FUSE_RMDIR, "RMDIR"},
      {FUSE_RENAME, "RENAME"},
      {FUSE_LINK, "LINK"},
      {FUSE_OPEN, "OPEN"},
      {FUSE_READ, "READ"},
      {FUSE_WRITE, "WRITE"},
      {FUSE_STATFS, "STATFS"},
      {FUSE_RELEASE, "RELEASE"},
      {FUSE_FSYNC, "FSYNC"},
      {FUSE_SETXATTR, "SETXATTR"},
      {FUSE_GETXATTR, "GETXATTR"},
      {FUSE_LISTXATTR, "LISTXATTR"},
      {FUSE_REMOVEXATTR, "REMOVEXATTR"},
      {FUSE_FLUSH, "FLUSH"},
      {FUSE_INIT, "INIT"},
      {FUSE_OPENDIR, "OPENDIR"},
      {FUSE_READDIR, "READDIR"},
      {FUSE_RELEASEDIR, "RELEASEDIR"},
      {FUSE_FSYNCDIR, "FSYNCDIR"},
      {FUSE_GETLK, "GETLK"},
      {FUSE_SETLK, "SETLK"},
      {FUSE_SETLKW, "SETLKW"},
      {FUSE_ACCESS, "ACCESS"},
      {FUSE_CREATE, "CREATE"},
      {FUSE_INTERRUPT, "INTERRUPT"},
      {FUSE_BMAP, "BMAP"},
      {FUSE_DESTROY, "DESTROY"},
      {FUSE_IOCTL, "IOCTL"},
      {FUSE_POLL, "POLL"},
      {FUSE_BATCH_FORGET, "BATCH_FORGET"},
      {FUSE_FALLOCATE, "FALLOCATE"},
      {FUSE_READDIRPLUS, "READDIRPLUS"},
      {FUSE_RENAME2, "RENAME2"},
      {FUSE_LSEEK, "LSEEK"},
      {FUSE_COPY_FILE_RANGE, "COPY_FILE_RANGE"},
      {FUSE_SETUPMAPPING, "SETUPMAPPING"},
      {FUSE_REMOVEMAPPING, "REMOVEMAPPING"},
      {FUSE_SYNCFS, "SYNCFS"},
      {51, "TMPFILE"},
      {52, "STATX"},
      {53, "COPY_FILE_RANGE_64"},
  };
  return names;
}

std::string NameIn(const Names& names, uint64_t number, const char* kind) {
  const auto found = names.find(number);
  return found != names.end() ? found->second : fmt::format("{}_{}", kind, number);
}

}  // namespace

std::string SyscallName(uint64_t number) {
  static const Names names = AllSyscalls();
  return NameIn(names, number, "syscall");
}

std::string FuseOpcodeName(uint64_t opcode) {
  return NameIn(FuseOpcodes(), opcode, "opcode");
}

}  // namespace layermark
