#include "core/sys/mount_namespace.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "core/sys/fd.h"

namespace layermark {
namespace {

constexpr unsigned kOpenTreeNamespace = 1U << 1;  // newer than the headers

}  // namespace

Status ProbeOpenTreeNamespace() {
  const Fd made(open_tree(AT_FDCWD, "/", kOpenTreeNamespace | OPEN_TREE_CLOEXEC));
  return made.valid() ? Status::Ok() : Status::Errno("open_tree(OPEN_TREE_NAMESPACE)", "/");
}

}  // namespace layermark
