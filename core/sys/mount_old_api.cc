// mount(2), for kernels without the new mount API and for comparison.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/sys/mount_internal.h"

namespace layermark::internal {
namespace {

// Flags of the superblock that mount(2) takes as bits and not as text.
struct SuperblockWord {
  std::string_view word;
  unsigned long flag;
};
constexpr std::array kSuperblockWords = {
    SuperblockWord{"sync", MS_SYNCHRONOUS},
    SuperblockWord{"dirsync", MS_DIRSYNC},
    SuperblockWord{"lazytime", MS_LAZYTIME},
};

// The text of all options. Overlay's layers are joined by ':'; with `open_layers` each path is replaced by
// the number of a descriptor, for a caller that stands in /proc/self/fd.
Result<std::string> OptionText(const Mount& mount, const MountWords& words, std::vector<Fd>* open_layers,
                               unsigned long* flags) {
  const bool overlay = mount.type == "overlay";
  std::string layers;
  std::string text;
  for (const std::string& option : words.filesystem) {
    const auto* row = std::find_if(kSuperblockWords.begin(), kSuperblockWords.end(),
                                   [&](const SuperblockWord& r) { return r.word == option; });
    if (row != kSuperblockWords.end()) {
      *flags |= row->flag;
      continue;
    }
    KeyValue kv = SplitOption(option);
    std::string value = option;
    if (overlay && kv.has_value && IsLayerPathKey(kv.key)) {
      std::string path = EscapeWith(kv.value, kv.key == "upperdir" || kv.key == "workdir" ? "\\," : "\\,:");
      if (open_layers != nullptr) {
        LM_ASSIGN(Fd layer, Open(kv.value, O_PATH | O_DIRECTORY));
        path = std::to_string(layer.get());
        open_layers->push_back(std::move(layer));
      }
      if (kv.key == "lowerdir" || kv.key == "lowerdir+") {
        layers += (layers.empty() ? "" : ":") + path;
        continue;
      }
      value = kv.key + "=" + path;
    } else if (option.find(',') != std::string::npos) {
      return InvalidArgument(fmt::format("mount option '{}': mount(2) has no way to pass a ','", option));
    }
    text += (text.empty() ? "" : ",") + value;
  }
  if (!layers.empty()) text = "lowerdir=" + layers + (text.empty() ? "" : ",") + text;
  return text;
}

// mount(2) from within /proc/self/fd, in a child, because the working directory is the process's.
int MountFromDescriptors(const char* source, const char* target, const char* type, unsigned long flags,
                         const char* text) {
  const pid_t pid = fork();
  if (pid < 0) return errno;
  if (pid == 0) {
    // System calls only: other threads may have held locks.
    if (chdir("/proc/self/fd") != 0 || mount(source, target, type, flags, text) != 0) _exit(errno);
    _exit(0);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return errno;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

Status SetPropagation(const std::string& target, unsigned long propagation) {
  if (propagation != 0 && mount(nullptr, target.c_str(), nullptr, propagation, nullptr) != 0) {
    const int error = errno;
    umount2(target.c_str(), MNT_DETACH);
    return Status::Errno("mount propagation", target, error);
  }
  return Status::Ok();
}

// The flags that a mount has now, so that a remount does not take them away.
unsigned long FlagsOf(const std::string& path) {
  struct statvfs st;
  if (statvfs(path.c_str(), &st) != 0) return 0;
  constexpr std::array<std::pair<unsigned long, unsigned long>, 7> kMap = {{{ST_RDONLY, MS_RDONLY},
                                                                            {ST_NOSUID, MS_NOSUID},
                                                                            {ST_NODEV, MS_NODEV},
                                                                            {ST_NOEXEC, MS_NOEXEC},
                                                                            {ST_NOATIME, MS_NOATIME},
                                                                            {ST_NODIRATIME, MS_NODIRATIME},
                                                                            {ST_RELATIME, MS_RELATIME}}};
  unsigned long out = 0;
  for (const auto& [st_flag, ms_flag] : kMap) {
    if ((st.f_flag & st_flag) != 0) out |= ms_flag;
  }
  return out;
}

Status Remount(const std::string& path, const MountWords& words) {
  unsigned long flags = FlagsOf(path);
  if (words.sets_atime) flags &= ~static_cast<unsigned long>(MS_NOATIME | MS_RELATIME);
  flags |= words.ms_flags | MS_REMOUNT | MS_BIND;
  if (mount(nullptr, path.c_str(), nullptr, flags, nullptr) != 0)
    return Status::Errno("mount remount,bind", path);
  return Status::Ok();
}

}  // namespace

Status MountFilesystemOld(const Mount& mount_spec, const MountWords& words, const std::string& target) {
  unsigned long flags = words.ms_flags;
  LM_ASSIGN(std::string text, OptionText(mount_spec, words, nullptr, &flags));
  const char* source = mount_spec.source.empty() ? "none" : mount_spec.source.c_str();
  const char* type = mount_spec.type.c_str();
  const size_t limit = static_cast<size_t>(sysconf(_SC_PAGESIZE)) - 1;
  if (text.size() <= limit) {
    if (mount(source, target.c_str(), type, flags, text.empty() ? nullptr : text.c_str()) != 0) {
      return Status::Errno("mount", target);
    }
    return SetPropagation(target, words.ms_propagation);
  }
  // Too long for the one page that mount(2) takes: name the layers by short numbers instead.
  std::vector<Fd> layers;
  LM_ASSIGN(text, OptionText(mount_spec, words, &layers, &flags));
  if (text.size() > limit) {
    return InvalidArgument(
        fmt::format("mount {}: {} bytes of options, mount(2) takes {}", target, text.size(), limit));
  }
  if (const int error = MountFromDescriptors(source, target.c_str(), type, flags, text.c_str()); error != 0) {
    return Status::Errno("mount", target, error);
  }
  return SetPropagation(target, words.ms_propagation);
}

Status BindMountOld(const std::string& source, const MountWords& words, const std::string& target) {
  const unsigned long flags = MS_BIND | (words.recursive ? static_cast<unsigned long>(MS_REC) : 0UL);
  if (mount(source.c_str(), target.c_str(), nullptr, flags, nullptr) != 0)
    return Status::Errno("mount bind", target);
  Status status;
  if (words.ms_flags != 0 || words.sets_atime) {
    status = Remount(target, words);
    if (status.ok() && words.recursive) {
      Result<std::vector<MountInfo>> all = ReadMountInfo();
      status = all.status();
      for (size_t i = 0; status.ok() && i < all->size(); ++i) {
        if ((*all)[i].mount_point.starts_with(target + "/")) status = Remount((*all)[i].mount_point, words);
      }
    }
  }
  if (!status.ok()) {
    umount2(target.c_str(), MNT_DETACH);
    return status;
  }
  return SetPropagation(target, words.ms_propagation);
}

}  // namespace layermark::internal
