// The new mount API: fsopen, fsconfig, fsmount, open_tree, mount_setattr, move_mount.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "core/sys/mount_internal.h"

namespace layermark::internal {
namespace {

// What the kernel wrote into the log of a file system context: errors and warnings, one line.
std::string ReadLog(int context) {
  std::string out;
  std::array<char, 4096> line;
  for (;;) {
    const ssize_t n = read(context, line.data(), line.size());
    if (n <= 0) return out;
    std::string_view text(line.data(), static_cast<size_t>(n));
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    if (text.size() < 2 || text[0] == 'i') continue;  // "e text", "w text", "i text"
    if (!out.empty()) out += "; ";
    out += text.substr(2);
  }
}

// Before Linux 6.5 overlay keeps options as text and judges them at the end; such a context takes any word.
bool TakesAnyWord(const std::string& type) {
  const Fd context(fsopen(type.c_str(), FSOPEN_CLOEXEC));
  return context.valid() && fsconfig(context.get(), FSCONFIG_SET_FLAG, "layermark_probe", nullptr, 0) == 0;
}

// A string parameter of fsconfig is at most 255 bytes long. Longer paths of layers go by descriptor.
constexpr size_t kMaxValue = 255;

class Context {
 public:
  Context(const Mount& mount, Fd fd) : mount_(mount), fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }

  Status SetFlag(const std::string& key) {
    if (fsconfig(fd(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0) != 0) return Fail(key, errno);
    return Status::Ok();
  }
  Status SetString(const std::string& key, const std::string& value) {
    if (fsconfig(fd(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0) == 0) return Status::Ok();
    const int error = errno;
    if (value.size() > kMaxValue && error == EINVAL) {
      return InvalidArgument(
          fmt::format("{}={}: longer than the {} bytes that fsconfig takes", key, value, kMaxValue));
    }
    return Fail(key + "=" + value, error);
  }
  Status SetLayerPath(const std::string& key, const std::string& path) {
    if (path.size() <= kMaxValue) {
      // upperdir and workdir are unescaped by the kernel, the others are taken as they are.
      return SetString(key, key == "upperdir" || key == "workdir" ? EscapeWith(path, "\\") : path);
    }
    LM_ASSIGN(Fd layer, Open(path, O_PATH | O_DIRECTORY));
    if (fsconfig(fd(), FSCONFIG_SET_FD, key.c_str(), nullptr, layer.get()) == 0) return Status::Ok();
    // Before 6.13 overlay takes no descriptors, but it follows this link. It must stay open until the end.
    (void)ReadLog(fd());
    const std::string link = fmt::format("/proc/self/fd/{}", layer.get());
    layers_.push_back(std::move(layer));
    return SetString(key, link);
  }
  Status Create() {
    if (fsconfig(fd(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return Fail("CMD_CREATE", errno);
    return Status::Ok();
  }

  Status Fail(const std::string& what, int error) {
    const std::string log = ReadLog(fd());
    no_explanation_ = log.empty();
    unknown_lowerdir_ = log.find("Unknown parameter 'lowerdir+'") != std::string::npos;
    const Status s = Status::Errno("fsconfig", what, error);
    return log.empty() ? s : s.WithContext(log);
  }
  // True where the last failure came from a kernel too old for overlay on this API.
  bool TooOldForOverlay(const Status& failure) const {
    if (mount_.type != "overlay" || failure.error_number() != EINVAL) return false;
    return unknown_lowerdir_ || (no_explanation_ && TakesAnyWord(mount_.type));
  }

 private:
  const Mount& mount_;
  Fd fd_;
  std::vector<Fd> layers_;
  bool no_explanation_ = false;
  bool unknown_lowerdir_ = false;
};

Status Configure(Context& context, const Mount& mount, const MountWords& words, bool read_only) {
  const bool overlay = mount.type == "overlay";
  if (!mount.source.empty()) {
    // Overlay shows its source and does nothing with it.
    const bool fits = !overlay || mount.source.size() <= kMaxValue;
    if (fits) LM_TRY(context.SetString("source", mount.source));
  }
  if (read_only) LM_TRY(context.SetFlag("ro"));
  for (const std::string& option : words.filesystem) {
    KeyValue kv = SplitOption(option);
    if (overlay && kv.has_value && IsLayerPathKey(kv.key)) {
      LM_TRY(context.SetLayerPath(kv.key == "lowerdir" ? "lowerdir+" : kv.key, kv.value));
    } else if (kv.has_value) {
      LM_TRY(context.SetString(kv.key, kv.value));
    } else {
      LM_TRY(context.SetFlag(kv.key));
    }
  }
  return context.Create();
}

Status MoveTo(const Fd& mount, int target_fd) {
  if (move_mount(mount.get(), "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return Status::Errno("move_mount", "");
  }
  return Status::Ok();
}

Status SetPropagation(const Fd& mount, unsigned long propagation) {
  if (propagation == 0) return Status::Ok();
  mount_attr attr = {};
  attr.propagation = propagation & ~static_cast<unsigned long>(MS_REC);
  const unsigned flags = AT_EMPTY_PATH | ((propagation & MS_REC) != 0 ? AT_RECURSIVE : 0U);
  if (mount_setattr(mount.get(), "", flags, &attr, sizeof(attr)) != 0) {
    return Status::Errno("mount_setattr propagation", "");
  }
  return Status::Ok();
}

}  // namespace

Status MountFilesystemNew(const Mount& mount, const MountWords& words, int target_fd, bool* kernel_lacks_it) {
  *kernel_lacks_it = false;
  const bool read_only = words.read_only && !words.shares_superblock;
  for (bool superblock_read_only = read_only;; superblock_read_only = true) {
    const int raw = fsopen(mount.type.c_str(), FSOPEN_CLOEXEC);
    if (raw < 0) {
      *kernel_lacks_it = errno == ENOSYS;
      return Status::Errno("fsopen", mount.type);
    }
    Context context(mount, Fd(raw));
    if (Status s = Configure(context, mount, words, superblock_read_only); !s.ok()) {
      // A device that cannot be written at all: then the file system has to be read-only too.
      const bool refused = s.error_number() == EROFS || s.error_number() == EACCES;
      if (refused && words.read_only && !superblock_read_only) continue;
      *kernel_lacks_it = context.TooOldForOverlay(s);
      return s;
    }
    const int made = fsmount(context.fd(), FSMOUNT_CLOEXEC, static_cast<unsigned>(words.attributes));
    if (made < 0) return context.Fail("fsmount", errno);
    const Fd created(made);
    LM_TRY(SetPropagation(created, words.ms_propagation));
    return MoveTo(created, target_fd);
  }
}

Status BindMountNew(const std::string& source, const MountWords& words, int target_fd,
                    bool* kernel_lacks_it) {
  *kernel_lacks_it = false;
  const unsigned recursive = words.recursive ? AT_RECURSIVE : 0U;
  const int raw = open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
  if (raw < 0) {
    *kernel_lacks_it = errno == ENOSYS;
    return Status::Errno("open_tree", source);
  }
  const Fd tree(raw);
  if (words.attributes != 0 || words.sets_atime) {
    mount_attr attr = {};
    attr.attr_set = words.attributes;
    if (words.sets_atime) attr.attr_clr = MOUNT_ATTR__ATIME;
    if (mount_setattr(tree.get(), "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) != 0) {
      *kernel_lacks_it = errno == ENOSYS;  // Linux 5.11 and older
      return Status::Errno("mount_setattr", source);
    }
  }
  LM_TRY(SetPropagation(tree, words.ms_propagation));
  return MoveTo(tree, target_fd);
}

}  // namespace layermark::internal
