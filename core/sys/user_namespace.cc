#include "core/sys/user_namespace.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/process.h"

namespace layermark {
namespace {

Status WriteMap(const char* file, const std::string& text) {
  LM_ASSIGN(Fd fd, Open(file, O_WRONLY));
  LM_TRY(WriteAll(fd.get(), text).WithContext(file));
  return fd.Close();
}

// Where the helper has not written this map.
Status MapAlone(const char* file, uint64_t id) {
  LM_ASSIGN(const std::string map, ReadFile(file));
  if (!map.empty()) return Status::Ok();
  if (std::string_view(file).ends_with("gid_map")) LM_TRY(WriteMap("/proc/self/setgroups", "deny"));
  return WriteMap(file, "0 " + std::to_string(id) + " 1");
}

// Of the process `pid`, which has just made its namespace; true where both maps are written. The groups
// first: what is refused then leaves the users to us.
bool MapSubordinates(pid_t pid, uid_t uid, gid_t gid) {
  const struct passwd* entry = getpwuid(uid);
  const std::string user = entry != nullptr ? entry->pw_name : "";
  const auto words = [&](const char* program, const char* file, uint64_t own) -> std::vector<std::string> {
    const Result<std::string> text = ReadFile(file);
    std::istringstream range(text.ok() ? SubordinateIds(*text, user, uid) : "");
    std::string start, count;
    if (!FindProgram(program) || !(range >> start >> count)) return {};
    return {program, std::to_string(pid), "0", std::to_string(own), "1", "1", start, count};
  };
  const std::vector<std::string> groups = words("newgidmap", "/etc/subgid", gid);
  const std::vector<std::string> users = words("newuidmap", "/etc/subuid", uid);
  return !groups.empty() && !users.empty() && RunCommandOk(groups).ok() && RunCommandOk(users).ok();
}

}  // namespace

bool InUserNamespace() {
  // The machine's own has a number that the kernel fixes (PROC_USER_INIT_INO).
  constexpr ino_t kOfTheMachine = 0xEFFFFFFD;
  struct stat own = {};
  return stat("/proc/self/ns/user", &own) == 0 && own.st_ino != kOfTheMachine;
}

int64_t MappedOwners() {
  int64_t fewest = std::numeric_limits<int64_t>::max();
  for (const char* file : {"/proc/self/uid_map", "/proc/self/gid_map"}) {
    const Result<std::string> map = ReadFile(file);
    std::istringstream rows(map.ok() ? *map : "");
    int64_t ids = 0;
    for (int64_t inside = 0, outside = 0, count = 0; rows >> inside >> outside >> count;) ids += count;
    fewest = std::min(fewest, ids);
  }
  return fewest;
}

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

std::string SubordinateIds(const std::string& text, const std::string& user, uid_t uid) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string owner = line.substr(0, first);
    if (owner != std::to_string(uid) && (user.empty() || owner != user)) continue;
    return line.substr(first + 1, second - first - 1) + " " + line.substr(second + 1);
  }
  return "";
}

Status EnterUserNamespace() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  // Who maps more than its own id must stand outside, with the help of two set-user-ID programs.
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Status::Errno("pipe2", "user namespace");
  const Fd wait_end(ends[0]);
  Fd go_end(ends[1]);
  const pid_t caller = getpid();
  const pid_t helper = fork();
  if (helper < 0) return Status::Errno("fork", "user namespace");
  if (helper == 0) {
    go_end = Fd();
    char go = 0;
    _exit(read(wait_end.get(), &go, 1) == 1 && MapSubordinates(caller, uid, gid) ? 0 : 1);
  }
  const int unshared = unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
  if (unshared == 0) (void)!write(go_end.get(), "g", 1);
  go_end = Fd();
  int status = 0;
  while (waitpid(helper, &status, 0) < 0 && errno == EINTR) {
  }
  if (unshared != 0) return Status::Errno("unshare", "CLONE_NEWUSER", unshared);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    LM_TRY(MapAlone("/proc/self/uid_map", uid));
    LM_TRY(MapAlone("/proc/self/gid_map", gid));
  } else if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) {
    return Status::Errno("setresuid", "user namespace");
  }
  return Status::Ok();
}

}  // namespace layermark
