#include "testing/faults/file_system/caller.h"

#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testing/faults/file_system/fault.h"

namespace layermark::faults {
namespace {

// setfsuid takes capabilities away when the user is not root; they are wanted back.
void SetEffective(bool with_fsetid) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return;
  data[0].effective = data[0].permitted;
  data[1].effective = data[1].permitted;
  if (!with_fsetid) data[0].effective &= ~(1U << CAP_FSETID);
  syscall(SYS_capset, &header, data);
}

}  // namespace

AsCaller::AsCaller(fuse_req_t request) {
  const fuse_ctx* caller = fuse_req_ctx(request);
  umask(On(Fault::umask_ignored) ? 0 : caller->umask);
  if (On(Fault::creator_is_root)) return;
  setfsgid(caller->gid);
  setfsuid(caller->uid);
  SetEffective(caller->uid == 0);
}

AsCaller::~AsCaller() {
  setfsuid(0);
  setfsgid(0);
  SetEffective(true);
  umask(0);
}

}  // namespace layermark::faults
