#include "core/sys/user_namespace.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "core/sys/fd.h"

namespace layermark {
namespace {

Status WriteMap(const char* file, const std::string& text) {
  LM_ASSIGN(Fd fd, Open(file, O_WRONLY));
  LM_TRY(WriteAll(fd.get(), text).WithContext(file));
  return fd.Close();
}

}  // namespace

bool MayMount() {
  // In a child: what it makes goes with it.
  const pid_t pid = fork();
  if (pid < 0) return false;
  if (pid == 0) _exit(unshare(CLONE_NEWNS | CLONE_NEWPID) == 0 ? 0 : 1);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Status EnterUserNamespace() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER) != 0) return Status::Errno("unshare", "CLONE_NEWUSER");
  LM_TRY(WriteMap("/proc/self/setgroups", "deny"));
  LM_TRY(WriteMap("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1"));
  return WriteMap("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

}  // namespace layermark
