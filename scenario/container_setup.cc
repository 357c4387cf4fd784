#include "scenario/container_setup.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/sys/clone_on_stack.h"
#include "core/sys/mount.h"
#include "core/sys/owners.h"

// The child runs on a stack of its own in the caller's memory: what the sanitizers note down about that stack
// would outlive the child.
#if defined(__clang__)
#define LAYERMARK_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define LAYERMARK_CHILD \
  __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))
#endif

namespace layermark {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr int kNodes = 6;

struct DeviceNode {
  const char* name;
  unsigned major, minor;
};
constexpr DeviceNode kDeviceNodes[kNodes] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                             {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

// All that the child needs, made ready by the parent: the child allocates nothing and takes no lock.
struct Plan {
  const ContainerSpec* spec;
  ContainerStdio stdio;
  bool make_private;
  char* const* argv;
  char* const* envp;
  const std::vector<std::string>* candidates;  // paths to execute, in order
  const gid_t* groups;
  size_t group_count;
  // The child's answer.
  ContainerStamps stamps;
  const char* failed_step = nullptr;
  const char* failed_path = "";
  int failed_errno = 0;
};

LAYERMARK_CHILD int64_t Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] LAYERMARK_CHILD void Fail(Plan* plan, const char* step, const char* path) {
  plan->failed_errno = errno;
  plan->failed_step = step;
  plan->failed_path = path;
  _exit(127);
}

LAYERMARK_CHILD bool MakeDirectory(const char* path, mode_t mode) {
  return mkdir(path, mode) == 0 || errno == EEXIST;
}

// "/proc/self/fd/N" into `path`, which has room for it.
LAYERMARK_CHILD void NameOfFd(int fd, char* path) {
  strcpy(path, "/proc/self/fd/");
  char* end = path + 14;
  for (int scale = 1000000, started = 0; scale > 0; scale /= 10) {
    int digit = fd / scale % 10;
    started |= digit != 0 || scale == 1;
    if (started) *end++ = static_cast<char>('0' + digit);
  }
  *end = '\0';
}

// A small /dev: nodes by mknod, or mounts of the host's own (made before the pivot) where mknod is not
// allowed.
LAYERMARK_CHILD void MountDev(Plan* plan, const int* host_nodes) {
  if (!MakeDirectory("/dev", 0755)) Fail(plan, "mkdir", "/dev");
  if (mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=0755,size=16m") != 0)
    Fail(plan, "mount tmpfs", "/dev");
  char path[32] = "/dev/";
  for (int i = 0; i < kNodes; ++i) {
    const DeviceNode& node = kDeviceNodes[i];
    strcpy(path + 5, node.name);
    if (mknod(path, S_IFCHR | 0666, makedev(node.major, node.minor)) == 0) continue;
    int saved = errno;
    if (host_nodes[i] < 0) {
      if (strcmp(node.name, "tty") == 0) continue;  // not every host has one
      Fail(plan, "mknod", node.name);
    }
    int empty = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    if (empty >= 0) close(empty);
    if (syscall(SYS_move_mount, host_nodes[i], "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      errno = saved;
      Fail(plan, "mknod", kDeviceNodes[i].name);
    }
  }
  static const char* const kLinks[][2] = {{"/proc/self/fd", "/dev/fd"},
                                          {"/proc/self/fd/0", "/dev/stdin"},
                                          {"/proc/self/fd/1", "/dev/stdout"},
                                          {"/proc/self/fd/2", "/dev/stderr"}};
  for (const auto& link : kLinks) {
    if (symlink(link[0], link[1]) != 0) Fail(plan, "symlink", link[1]);
  }
  if (mkdir("/dev/shm", 01777) != 0) Fail(plan, "mkdir", "/dev/shm");
}

constexpr unsigned long kProcFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

// While the caller's /proc is still in sight: inside a user namespace the kernel gives no process more of it
// than it saw before. False where the container's /proc is no directory of its own; then it is done after the
// pivot.
LAYERMARK_CHILD bool MountProcBelow() {
  if (!MakeDirectory("proc", 0755)) return false;
  const int fd = open("proc", O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  char path[32];
  NameOfFd(fd, path);
  return mount("proc", path, "proc", kProcFlags, nullptr) == 0;
}

LAYERMARK_CHILD void MountPseudoFilesystems(Plan* plan, const int* host_nodes, bool proc_is_there) {
  if (!proc_is_there) {
    if (!MakeDirectory("/proc", 0755)) Fail(plan, "mkdir", "/proc");
    if (mount("proc", "/proc", "proc", kProcFlags, nullptr) != 0) Fail(plan, "mount proc", "/proc");
  }
  MountDev(plan, host_nodes);
  if (!MakeDirectory("/tmp", 01777)) Fail(plan, "mkdir", "/tmp");
  if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
    Fail(plan, "mount tmpfs", "/tmp");
}

LAYERMARK_CHILD void RaiseLoopback(Plan* plan) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Fail(plan, "socket", "lo");
  struct ifreq request = {};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) Fail(plan, "SIOCSIFFLAGS", "lo");
  close(fd);
}

LAYERMARK_CHILD void BecomeUser(Plan* plan) {
  const ContainerSpec& spec = *plan->spec;
  if (spec.uid == 0 && spec.gid == 0 && plan->group_count == 0) return;
  // Straight system calls: the C library's would ask every thread of the caller to change as well.
  if (syscall(SYS_setgroups, plan->group_count, plan->groups) != 0) Fail(plan, "setgroups", "");
  if (syscall(SYS_setresgid, spec.gid, spec.gid, spec.gid) != 0) Fail(plan, "setresgid", "");
  if (syscall(SYS_setresuid, spec.uid, spec.uid, spec.uid) != 0) Fail(plan, "setresuid", "");
}

LAYERMARK_CHILD void MakeRootReadOnly(Plan* plan) {
  if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
    Fail(plan, "remount read-only", "/");
  }
}

LAYERMARK_CHILD int Child(void* argument) {
  auto* plan = static_cast<Plan*>(argument);
  const ContainerSpec& spec = *plan->spec;
  plan->stamps.running = Now();

  if (plan->make_private && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    Fail(plan, "mount --make-rprivate", "/");
  }
  int host_nodes[kNodes];
  if (spec.mount_proc) {
    char path[32] = "/dev/";
    for (int i = 0; i < kNodes; ++i) {
      strcpy(path + 5, kDeviceNodes[i].name);
      host_nodes[i] =
          static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    }
  }
  if (chdir(spec.root.c_str()) != 0) Fail(plan, "chdir", spec.root.c_str());
  umask(0);
  const bool proc_is_there = spec.mount_proc && MountProcBelow();
  if (syscall(SYS_pivot_root, ".", ".") != 0) Fail(plan, "pivot_root", spec.root.c_str());
  if (umount2(".", MNT_DETACH) != 0) Fail(plan, "umount", "old root");
  plan->stamps.pivoted = Now();

  if (spec.mount_proc) MountPseudoFilesystems(plan, host_nodes, proc_is_there);
  if (spec.read_only_root) MakeRootReadOnly(plan);
  if (spec.loopback && spec.new_network) RaiseLoopback(plan);
  umask(022);
  if (chdir(spec.working_dir.c_str()) != 0) Fail(plan, "chdir", spec.working_dir.c_str());
  if (dup2(plan->stdio.in, 0) < 0 || dup2(plan->stdio.out, 1) < 0 || dup2(plan->stdio.err, 2) < 0) {
    Fail(plan, "dup2", "standard input and outputs");
  }
  // Nothing of the caller's reaches the program but these three, whatever the caller forgot to mark.
  (void)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  BecomeUser(plan);
  // After the change of user, which takes the setting back.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  plan->stamps.exec = Now();
  if (spec.program_fd >= 0) {
    syscall(SYS_execveat, spec.program_fd, "", plan->argv, plan->envp, AT_EMPTY_PATH);
    Fail(plan, "execveat", "the built-in program");
  }
  // As a shell does: a refusal is reported rather than that a later directory lacks the name.
  int refused = 0;
  for (const std::string& path : *plan->candidates) {
    plan->stamps.exec = Now();
    execve(path.c_str(), plan->argv, plan->envp);
    if (errno == EACCES) {
      refused = errno;
    } else if (errno != ENOENT && errno != ENOTDIR) {
      refused = errno;
      break;
    }
  }
  errno = refused != 0 ? refused : ENOENT;
  Fail(plan, "execve", plan->argv[0]);
}

// False once it is known that no mount of this namespace propagates to another: then a new namespace needs no
// MS_PRIVATE, which costs as much as a mount. Our namespaces only ever get private and slave mounts.
bool NamespaceShares() {
  static const bool shares = [] {
    Result<std::string> text = ReadFile("/proc/thread-self/mountinfo");
    return !text.ok() || text->find(" shared:") != std::string::npos;
  }();
  return shares;
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Where to look for argv[0]: itself if it holds a slash, else in each directory of the container's PATH.
std::vector<std::string> Candidates(const ContainerSpec& spec) {
  const std::string& name = spec.argv[0];
  if (name.find('/') != std::string::npos) return {name};
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& variable : spec.env) {
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  }
  std::vector<std::string> candidates;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find(':', at), path.size());
    std::string directory = path.substr(at, end - at);
    candidates.push_back((directory.empty() ? "." : directory) + "/" + name);
    at = end + 1;
  }
  return candidates;
}

struct Stack {
  Stack()
      : bytes(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1,
                   0)) {}
  ~Stack() {
    if (bytes != MAP_FAILED) munmap(bytes, kStackBytes);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  void* bytes;
};

}  // namespace

int64_t MonotonicNs() {
  return Now();
}

Result<ContainerProcess> StartContainerProcess(const ContainerSpec& spec, const ContainerStdio& stdio) {
  // A stack for each thread that starts containers, kept: one mapping less per start.
  static thread_local const Stack stack;
  if (stack.bytes == MAP_FAILED) return Status::Errno("mmap", "container stack");
  if (spec.argv.empty() && spec.program_fd < 0)
    return InvalidArgument("the container has no program to start");

  std::vector<std::string> program_name = {"program"};
  std::vector<char*> argv = Pointers(spec.argv.empty() ? program_name : spec.argv);
  std::vector<char*> envp = Pointers(spec.env);
  std::vector<std::string> candidates;
  if (spec.program_fd < 0) candidates = Candidates(spec);
  std::vector<gid_t> groups(spec.groups.begin(), spec.groups.end());
  Plan plan = {};
  plan.spec = &spec;
  plan.stdio = stdio;
  plan.make_private = NamespaceShares();
  plan.argv = argv.data();
  plan.envp = envp.data();
  plan.candidates = &candidates;
  plan.groups = groups.data();
  plan.group_count = groups.size();

  // Whom a user namespace lacks nobody can become.
  if (spec.uid != 0 || spec.gid != 0) (void)OwnerIsMapped(spec.uid, spec.gid);
  for (gid_t group : groups) (void)OwnerIsMapped(spec.uid, group);
  uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
  if (spec.new_network) flags |= CLONE_NEWNET;
  int pidfd = -1;
  plan.stamps.cloned = Now();
  const Result<pid_t> pid = CloneOnStack(Child, &plan, stack.bytes, kStackBytes, flags, &pidfd);
  if (!pid.ok()) return pid.status().WithContext("container namespaces");
  ContainerProcess process;
  process.pid = *pid;
  process.pidfd = Fd(pidfd);
  process.stamps = plan.stamps;
  if (plan.failed_step != nullptr) {
    waitpid(*pid, nullptr, 0);
    return Status::Errno(plan.failed_step, plan.failed_path, plan.failed_errno)
        .WithContext("start container");
  }
  return process;
}

}  // namespace layermark
