#include "core/sys/id_map.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/namespaces.h"

namespace layermark {
namespace {

constexpr unsigned kIds = 65536;

// The maps are those of a user namespace, which lives as long as the descriptor.
Result<Fd> MapsOf(pid_t process, uid_t first_id) {
  const std::string map = fmt::format("0 {} {}\n", first_id, kIds);
  for (const char* file : {"uid_map", "gid_map"}) {
    LM_ASSIGN(const Fd fd, Open(fmt::format("/proc/{}/{}", process, file), O_WRONLY));
    LM_TRY(WriteAll(fd.get(), map));
  }
  return Open(fmt::format("/proc/{}/ns/user", process), O_RDONLY);
}

Result<Fd> NewMaps(uid_t first_id) {
  LM_ASSIGN(const pid_t process, Clone3(CLONE_NEWUSER, nullptr));
  if (process == 0) {
    for (;;) pause();
  }
  Result<Fd> maps = MapsOf(process, first_id);
  kill(process, SIGKILL);
  while (waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
  }
  return maps;
}

}  // namespace

Result<IdMapping> IdMapping::Create(uid_t first_id) {
  IdMapping mapping;
  LM_ASSIGN(mapping.maps_, NewMaps(first_id));
  return mapping;
}

Status IdMapping::Bind(const std::string& source, const std::string& target) const {
  const Fd tree(open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.valid()) return Status::Errno("open_tree", source);
  mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_IDMAP;
  attr.userns_fd = static_cast<__u64>(maps_.get());
  if (mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0)
    return Status::Errno("mount_setattr(IDMAP)", source);
  if (move_mount(tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return Status::Errno("move_mount", target);
  return Status::Ok();
}

Status BindIdMapped(const std::string& source, const std::string& target, uid_t first_id) {
  LM_ASSIGN(const IdMapping mapping, IdMapping::Create(first_id));
  return mapping.Bind(source, target);
}

}  // namespace layermark
