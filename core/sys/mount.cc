#include "core/sys/mount.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "core/sys/fd.h"
#include "core/sys/mount_internal.h"
#include "core/sys/process.h"

namespace layermark {

using internal::MountWords;

namespace {

bool IsFuseProgram(const std::string& type) {
  return type.starts_with("fuse.") || type.starts_with("fuse3.");
}

Status CheckBindWords(const MountWords& words) {
  if (words.filesystem.empty()) return Status::Ok();
  return InvalidArgument(fmt::format("bind mount: takes no option '{}'", words.filesystem.front()));
}

// Everything but FUSE programs. `target` is absolute and free of symlinks, `target_fd` stands for it.
Status MountKernel(const Mount& mount, int target_fd, const std::string& target, MountApi api) {
  const MountWords words = internal::SortOptions(mount.options);
  const bool bind = words.bind || mount.type == "bind";
  if (!bind && (mount.type.empty() || mount.type == "none")) {
    return InvalidArgument(fmt::format("mount type '{}' without option bind or rbind", mount.type));
  }
  if (bind) LM_TRY(CheckBindWords(words));
  if (api == MountApi::kNew) {
    bool kernel_lacks_it = false;
    const Status s = bind ? internal::BindMountNew(mount.source, words, target_fd, &kernel_lacks_it)
                          : internal::MountFilesystemNew(mount, words, target_fd, &kernel_lacks_it);
    if (!kernel_lacks_it) return s;
  }
  return bind ? internal::BindMountOld(mount.source, words, target)
              : internal::MountFilesystemOld(mount, words, target);
}

std::string Describe(const Mount& mount, const std::string& target) {
  return fmt::format("mount {} {} on {}", mount.type, mount.source, target);
}

// The name of an open directory or file, absolute and without symlinks.
Result<std::string> NameOf(const Fd& fd) {
  return ReadLinkAt(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd.get()));
}

// Unmounts what lies below `path`, the last mounted first. A failure shows at `path` itself.
void UnmountBelow(const std::string& path, int flags) {
  Result<std::vector<MountInfo>> all = ReadMountInfo();
  if (!all.ok()) return;
  for (auto info = all->rbegin(); info != all->rend(); ++info) {
    if (info->mount_point.starts_with(path + "/"))
      umount2(info->mount_point.c_str(), flags | UMOUNT_NOFOLLOW);
  }
}

Status WaitForDaemon(ChildProcess& daemon) {
  if (!daemon.running()) return Status::Ok();
  // Past the deadline Wait kills it; then there is nothing left to complain about: the mount is gone.
  return daemon.Wait(std::chrono::seconds(5)).status();
}

}  // namespace

struct Mounted::State {
  struct Entry {
    std::string path;
    std::optional<ChildProcess> daemon;
    bool recursive = false;  // may have come with mounts below it
    bool mounted = true;
  };
  std::string target;
  std::vector<Entry> entries;

  Status Unmount(int flags, int attempts) {
    while (!entries.empty()) {
      Entry& entry = entries.back();
      for (int attempt = 1; entry.mounted; ++attempt) {
        if (umount2(entry.path.c_str(), flags | UMOUNT_NOFOLLOW) == 0) {
          entry.mounted = false;
        } else if (errno == EBUSY && entry.recursive && attempt == 1) {
          UnmountBelow(entry.path, flags);
        } else if (errno != EBUSY || attempt >= attempts) {
          const Status s = Status::Errno("umount", entry.path);
          // Not a mount any more, or its path is gone: somebody else unmounted it, and there is nothing to
          // own.
          if (errno == EINVAL || errno == ENOENT) entries.pop_back();
          return s;
        } else {
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
      }
      Status s;
      if (entry.daemon) s = WaitForDaemon(*entry.daemon);
      entries.pop_back();
      LM_TRY(s);
    }
    return Status::Ok();
  }
};

Mounted::Mounted() = default;
Mounted::Mounted(Mounted&&) noexcept = default;
Mounted& Mounted::operator=(Mounted&& other) noexcept {
  if (this != &other) {
    Mounted old = std::move(*this);  // its destructor unmounts
    state_ = std::move(other.state_);
  }
  return *this;
}
Mounted::~Mounted() {
  if (!active()) return;
  if (Unmount().ok()) return;
  while (active()) {
    const size_t before = state_->entries.size();
    if (UnmountLazily().ok() || state_->entries.size() == before) return;
  }
}

bool Mounted::active() const {
  return state_ != nullptr && !state_->entries.empty();
}

const std::string& Mounted::target() const {
  static const std::string kNone;
  return state_ == nullptr ? kNone : state_->target;
}

Status Mounted::Unmount() {
  return active() ? state_->Unmount(0, 200) : Status::Ok();
}

Status Mounted::UnmountLazily() {
  return active() ? state_->Unmount(MNT_DETACH, 1) : Status::Ok();
}

void Mounted::Release() {
  if (state_ == nullptr) return;
  for (State::Entry& entry : state_->entries) {
    if (entry.daemon) entry.daemon->Release();
  }
  state_.reset();
}

std::vector<pid_t> Mounted::daemon_pids() const {
  std::vector<pid_t> out;
  if (state_ == nullptr) return out;
  for (const State::Entry& entry : state_->entries) {
    if (entry.daemon && entry.daemon->running()) out.push_back(entry.daemon->pid());
  }
  return out;
}

std::string Mounted::daemon_output() const {
  std::string out;
  if (state_ == nullptr) return out;
  for (State::Entry& entry : state_->entries) {
    if (!entry.daemon) continue;
    entry.daemon->Drain();
    out += entry.daemon->output();
  }
  return out;
}

Result<Mounted> MountAll(const std::vector<Mount>& mounts, const std::string& target, MountApi api) {
  Mounted mounted;
  mounted.state_ = std::make_unique<Mounted::State>();
  mounted.state_->target = target;
  // On every early return below, the destructor unmounts what was mounted so far.
  for (const Mount& mount : mounts) {
    // Opened anew each time: an earlier mount may cover it.
    Result<Fd> root = Open(target, O_PATH);
    if (root.ok() && !mount.target.empty()) root = OpenInRoot(root->get(), mount.target, O_PATH);
    if (!root.ok()) return root.status().WithContext(Describe(mount, target));
    LM_ASSIGN(std::string path, NameOf(*root));
    Mounted::State::Entry entry;
    if (IsFuseProgram(mount.type)) {
      Result<ChildProcess> daemon = internal::MountFuse(mount, path);
      if (!daemon.ok()) return daemon.status().WithContext(Describe(mount, path));
      entry.daemon = std::move(*daemon);
    } else if (Status s = MountKernel(mount, root->get(), path, api); !s.ok()) {
      return s.WithContext(Describe(mount, path));
    }
    entry.recursive = HasMountFlag(mount, "rbind");
    entry.path = std::move(path);
    mounted.state_->entries.push_back(std::move(entry));
  }
  return mounted;
}

Status MountFilesystem(const std::string& type, const std::string& source, const std::string& target,
                       const std::vector<std::string>& options, MountApi api) {
  if (IsFuseProgram(type)) return InvalidArgument("a FUSE program needs an owner: use MountAll");
  const Mount mount = {type, source, "", options};
  LM_ASSIGN(const Fd fd, Open(target, O_PATH));
  LM_ASSIGN(const std::string path, NameOf(fd));
  return MountKernel(mount, fd.get(), path, api).WithContext(Describe(mount, path));
}

Status BindMount(const std::string& source, const std::string& target, bool recursive, bool read_only) {
  std::vector<std::string> options = {recursive ? "rbind" : "bind"};
  if (read_only) options.emplace_back("ro");
  return MountFilesystem("bind", source, target, options);
}

Status MakeMountsPrivate(const std::string& target, bool slave) {
  const unsigned long flags = MS_REC | (slave ? MS_SLAVE : MS_PRIVATE);
  if (mount(nullptr, target.c_str(), nullptr, flags, nullptr) != 0) {
    return Status::Errno(slave ? "mount MS_SLAVE" : "mount MS_PRIVATE", target);
  }
  return Status::Ok();
}

Status UnmountPath(const std::string& target, int flags) {
  if (umount2(target.c_str(), flags | UMOUNT_NOFOLLOW) != 0) return Status::Errno("umount", target);
  return Status::Ok();
}

}  // namespace layermark
