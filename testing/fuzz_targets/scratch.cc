#include "testing/fuzz_targets/scratch.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

namespace layermark::fuzz_target {
namespace {

// A file, not <sys/mount.h>: that and <linux/mount.h> cannot be included together.
constexpr unsigned long kRecursive = 0x4000;   // MS_REC
constexpr unsigned long kPrivate = 1UL << 18;  // MS_PRIVATE

long Must(const char* what, long answer) {
  if (answer >= 0) return answer;
  fmt::print(stderr, "the scratch file system: {}: {}\n", what, std::strerror(errno));
  std::exit(2);
}

}  // namespace

void CloseHost() {
  Must("unshare CLONE_NEWNS", unshare(CLONE_NEWNS));
  Must("mount MS_PRIVATE /", syscall(SYS_mount, nullptr, "/", nullptr, kRecursive | kPrivate, nullptr));
  const char* writable = getenv("LAYERMARK_FUZZ_WRITABLE");
  std::stringstream names(writable == nullptr ? "" : writable);
  std::vector<std::pair<std::string, Fd>> open;
  for (std::string name; std::getline(names, name, ':');) {
    if (name.empty()) continue;
    const long fd = syscall(SYS_open_tree, AT_FDCWD, name.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    open.emplace_back(name, Fd(static_cast<int>(Must("open_tree of a writable directory", fd))));
  }
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  Must("mount_setattr MOUNT_ATTR_RDONLY /",
       syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof attributes));
  for (const auto& [name, fd] : open) {
    Must("move_mount of a writable directory",
         syscall(SYS_move_mount, fd.get(), "", AT_FDCWD, name.c_str(), MOVE_MOUNT_F_EMPTY_PATH));
  }
}

Fd NewScratch(int bytes, int inodes) {
  const Fd context(static_cast<int>(Must("fsopen tmpfs", syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC))));
  const auto set = [&](const char* key, int value) {
    Must(key,
         syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, key, std::to_string(value).c_str(), 0));
  };
  set("size", bytes);
  set("nr_inodes", inodes);
  Must("fsconfig create", syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
  Fd mounted(static_cast<int>(Must("fsmount", syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0))));
  // fsmount's own descriptor is O_PATH; readers want one that lists.
  return Fd(static_cast<int>(Must("open", openat(mounted.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))));
}

}  // namespace layermark::fuzz_target
