#include "core/sys/mount.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "core/sys/fd.h"
#include "core/sys/loop.h"
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

Status MountPlain(const Mount& mount, int target_fd, const std::string& target, MountApi api) {
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

// Everything but FUSE programs. `target` is absolute and free of symlinks, `target_fd` stands for it.
Status MountKernel(const Mount& mount, int target_fd, const std::string& target, MountApi api) {
  const bool loop = HasMountFlag(mount, "loop");
  struct stat st = {};
  const bool in_a_file = mount.source.starts_with("/") && mount.type != "bind" &&
                         stat(mount.source.c_str(), &st) == 0 && S_ISREG(st.st_mode);
  if (!loop) {
    Status direct = MountPlain(mount, target_fd, target, api);
    if (!in_a_file || direct.error_number() != ENOTBLK) return direct;
  }
  const bool read_only = HasMountFlag(mount, "ro");
  LM_ASSIGN(const Fd file, Open(mount.source, read_only ? O_RDONLY : O_RDWR));
  LM_ASSIGN(const LoopDevice device, LoopDevice::Attach(file.get(), /*direct_io=*/false));
  Mount on_device = mount;
  on_device.source = device.path();
  std::erase(on_device.options, "loop");
  return MountPlain(on_device, target_fd, target, api);  // the device stays for as long as the mount does
}

std::string Describe(const Mount& mount, const std::string& target) {
  return fmt::format("mount {} {} on {}", mount.type, mount.source, target);
}

constexpr std::string_view kFormat = "format/";

bool IsMadeOfOthers(const std::vector<Mount>& mounts) {
  return !mounts.empty() && mounts.back().type.starts_with(kFormat);
}

// Where the N-th of the mounts below a "format/" mount lies.
std::string PartPath(const std::string& target, size_t part) {
  return fmt::format("{}/{}", target, part);
}

// "lowerdir={{ mount 1 }}/x" -> "lowerdir=TARGET/1/x".
Result<Mount> Formatted(const Mount& mount, size_t parts, const std::string& target) {
  constexpr std::string_view kOpen = "{{ mount ";
  constexpr std::string_view kClose = " }}";
  Mount out = mount;
  out.type = mount.type.substr(kFormat.size());
  for (std::string& option : out.options) {
    for (size_t at = 0; (at = option.find(kOpen, at)) != std::string::npos;) {
      const size_t number = at + kOpen.size();
      const size_t end = option.find(kClose, number);
      size_t part = 0;
      const char* last = option.data() + (end == std::string::npos ? option.size() : end);
      const auto parsed = std::from_chars(option.data() + number, last, part);
      if (end == std::string::npos || parsed.ec != std::errc() || parsed.ptr != last || part >= parts) {
        return InvalidArgument(fmt::format("mount option '{}': names no mount before it", option));
      }
      const std::string place = PartPath(target, part);
      option.replace(at, end + kClose.size() - at, place);
      at += place.size();
    }
  }
  return out;
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
    bool tree = false;       // the parts of the mount above it, which nobody else can use: all go at once
    bool mounted = true;
  };
  std::string target;
  std::vector<Entry> entries;

  // Mounts each of `parts` in a directory of its own, on a small file system in memory that lies at `at`
  // until the mount made of them covers it.
  Status MountParts(const std::vector<Mount>& parts, const std::string& at, MountApi api) {
    LM_ASSIGN(const Fd place, Open(at, O_PATH | O_DIRECTORY));
    LM_ASSIGN(const std::string path, NameOf(place));
    LM_TRY(MountFilesystem("tmpfs", "parts", path, {"mode=0700", "nosuid"}, api));
    Entry entry;
    entry.path = path;
    entry.tree = true;
    entries.push_back(std::move(entry));
    for (size_t i = 0; i < parts.size(); ++i) {
      if (IsFuseProgram(parts[i].type) || !parts[i].target.empty())
        return InvalidArgument(Describe(parts[i], path) + ": cannot be a part of another mount");
      LM_TRY(MakeDirs(PartPath(path, i), 0700));
      LM_TRY(MountFilesystem(parts[i].type, parts[i].source, PartPath(path, i), parts[i].options, api));
    }
    return Status::Ok();
  }

  // The mount on top holds its parts by itself: it takes their place, and they are out of everybody's sight.
  // A kernel without open_tree keeps them below it.
  Status DropParts() {
    const std::string path = entries.back().path;
    const Fd top(open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!top.valid()) return errno == ENOSYS ? Status::Ok() : Status::Errno("open_tree", path);
    while (!entries.empty()) {
      if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) return Status::Errno("umount", path);
      entries.pop_back();
    }
    LM_ASSIGN(const Fd place, Open(path, O_PATH | O_DIRECTORY));
    if (move_mount(top.get(), "", place.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
      return Status::Errno("move_mount", path);
    entries.emplace_back().path = path;
    return Status::Ok();
  }

  Status Unmount(int flags, int attempts) {
    while (!entries.empty()) {
      Entry& entry = entries.back();
      for (int attempt = 1; entry.mounted; ++attempt) {
        const int how = flags | UMOUNT_NOFOLLOW | (entry.tree ? MNT_DETACH : 0);
        if (umount2(entry.path.c_str(), how) == 0) {
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
  const bool made_of_others = IsMadeOfOthers(mounts);
  if (made_of_others) LM_TRY(mounted.state_->MountParts({mounts.begin(), mounts.end() - 1}, target, api));
  for (size_t i = made_of_others ? mounts.size() - 1 : 0; i < mounts.size(); ++i) {
    Mount mount = mounts[i];
    // Opened anew each time: an earlier mount may cover it.
    Result<Fd> root = Open(target, O_PATH);
    if (root.ok() && !mount.target.empty()) root = OpenInRoot(root->get(), mount.target, O_PATH);
    if (!root.ok()) return root.status().WithContext(Describe(mount, target));
    LM_ASSIGN(std::string path, NameOf(*root));
    if (made_of_others) {
      LM_ASSIGN(mount, Formatted(mount, i, path));
      if (IsFuseProgram(mount.type)) return InvalidArgument(Describe(mount, path) + ": takes no parts");
    }
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
  if (made_of_others) LM_TRY(mounted.state_->DropParts());
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
