// What the machine and the caller allow, whatever the driver. What would change this process is tried in a
// child.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <functional>
#include <string>

#include "core/sys/fd.h"
#include "core/sys/loop.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "scenario/capability_probes.h"

namespace layermark {
namespace {

// Runs `body` in a forked child and brings its Status back: "ERRNO OPERATION" through the pipe, nothing if it
// is ok.
Status InChild(const std::string& path, const std::function<Status()>& body) {
  LM_ASSIGN(ChildProcess child, ChildProcess::Fork([&](int answer_fd) {
              Status status = body();
              if (status.ok()) return 0;
              std::string text = std::to_string(status.error_number()) + " " + status.operation();
              return WriteAll(answer_fd, text).ok() ? 1 : 2;
            }));
  LM_ASSIGN(ExitStatus status, child.Wait(std::chrono::seconds(10)));
  if (status.success()) return {};
  const std::string& answer = child.output();
  int error = 0;
  size_t space = answer.find(' ');
  if (space == std::string::npos ||
      std::from_chars(answer.data(), answer.data() + space, error).ec != std::errc()) {
    return Internal("probe in a child: " + status.ToString());
  }
  return Status::Errno(answer.substr(space + 1), path, error);
}

Result<Fd> NewFile(const ProbeContext& context, std::string* path) {
  *path = context.backing_path + "/file";
  return Open(*path, O_RDWR | O_CREAT | O_TRUNC, 0600);
}

}  // namespace

Status ProbePrivMount(const ProbeContext& context) {
  const std::string& target = context.backing_path;
  return InChild(target, [&]() -> Status {
    if (unshare(CLONE_NEWNS) != 0) return Status::Errno("unshare(CLONE_NEWNS)", target);
    LM_TRY(MakeMountsPrivate("/"));
    return MountFilesystem("tmpfs", "layermark", target, {"size=64k"});
  });
}

Status ProbePrivMknod(const ProbeContext& context) {
  std::string path = context.backing_path + "/null";
  if (mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) return Status::Errno("mknod", path);
  return unlink(path.c_str()) == 0 ? Status() : Status::Errno("unlink", path);
}

Status ProbePrivChown(const ProbeContext& context) {
  std::string path;
  LM_ASSIGN(Fd file, NewFile(context, &path));
  return fchown(file.get(), 4711, 4711) == 0 ? Status() : Status::Errno("fchown", path);
}

Status ProbePrivTrustedXattr(const ProbeContext& context) {
  std::string path;
  LM_ASSIGN(Fd file, NewFile(context, &path));
  return SetXattrAt(AT_FDCWD, path, "trusted.layermark", "1");
}

Status ProbePrivLoop(const ProbeContext&) {
  int raw = memfd_create("layermark-loop", MFD_CLOEXEC);
  if (raw < 0) return Status::Errno("memfd_create", "layermark-loop");
  Fd file(raw);
  if (ftruncate(raw, 1 << 20) != 0) return Status::Errno("ftruncate", "layermark-loop");
  return LoopDevice::Attach(raw, false).status();
}

Status ProbePrivNamespaces(const ProbeContext&) {
  return InChild("pid, uts, ipc and net namespaces", []() -> Status {
    if (unshare(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) != 0)
      return Status::Errno("unshare", "");
    return {};
  });
}

}  // namespace layermark
