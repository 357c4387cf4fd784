// ListDir and RemoveTreeAt: walking directories by descriptor, without recursion.
#include <dirent.h>
#include <fmt/core.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <tuple>

#include "core/sys/fd.h"

namespace layermark {
namespace {

struct Entry {
  std::string name;
  unsigned char type;  // DT_*
};

// All entries of an open directory but "." and "..". Takes the descriptor: its offset moves.
Result<std::vector<Entry>> ReadEntries(Fd fd, std::string_view shown) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(fdopendir(fd.get()), &closedir);
  if (dir == nullptr) return Status::Errno("fdopendir", shown);
  (void)fd.Release();  // closedir closes it
  std::vector<Entry> out;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return Status::Errno("readdir", shown);
      return out;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.push_back({std::string(name), entry->d_type});
  }
}

// Which object a directory descriptor stands for, and on which mount. Where the kernel gives no mount id the
// device stands in for it (a btrfs subvolume then looks like a mount, which errs on the safe side).
struct Identity {
  uint64_t inode = 0;
  dev_t dev = 0;
  uint64_t mount = 0;
  bool SameMount(const Identity& other) const { return mount == other.mount; }
  bool SameDirectory(const Identity& other) const {
    return std::tie(inode, dev, mount) == std::tie(other.inode, other.dev, other.mount);
  }
};
Result<Identity> Identify(int fd, std::string_view shown) {
  struct statx stx;
  if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID, &stx) != 0) {
    return Status::Errno("statx", shown);
  }
  Identity id;
  id.inode = stx.stx_ino;
  id.dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
  id.mount = (stx.stx_mask & STATX_MNT_ID) != 0 ? stx.stx_mnt_id : id.dev;
  return id;
}

// Removes what is below one directory. Descends with one descriptor at a time and climbs by "..", which is
// checked against what was there on the way down: depth costs memory, not stack and not descriptors.
class Remover {
 public:
  Remover(Fd parent, Identity base, std::string shown)
      : current_(std::move(parent)), base_(base), shown_(std::move(shown)) {}

  Status Run(const std::string& name) {
    Frame root;
    root.id = base_;
    root.directories = {name};
    frames_.push_back(std::move(root));
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (!frame.directories.empty()) {
        Descend();
      } else {
        if (frames_.size() == 1) break;
        if (Status s = Climb(); !s.ok()) {
          Note(s);
          break;
        }
      }
    }
    return first_error_;
  }

 private:
  struct Frame {
    Identity id;
    std::vector<std::string> directories;  // still to be removed; the last is the one in work
    bool entered = false;                  // the last was read and emptied as far as possible
    int attempts = 0;
  };

  void Note(const Status& status) {
    if (first_error_.ok() && !status.ok()) first_error_ = status;
  }
  std::string Shown(const std::string& name) const {
    // Only the two ends: the whole path of a very deep tree helps nobody.
    return frames_.size() <= 1 ? shown_
                               : fmt::format("{}/.../{} (depth {})", shown_, name, frames_.size() - 1);
  }

  // Works on the last directory of the top frame: enters it, or removes it if it was entered before.
  void Descend() {
    Frame& frame = frames_.back();
    const std::string name = frame.directories.back();
    if (frame.entered) {
      frame.entered = false;
      if (unlinkat(current_.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        // Somebody added an entry meanwhile: look again, a few times.
        if (errno == ENOTEMPTY && first_error_.ok() && ++frame.attempts < 4) return;
        Note(Status::Errno("rmdir", Shown(name)));
      }
      frame.attempts = 0;
      frame.directories.pop_back();
      return;
    }
    Result<Fd> next = OpenAt(current_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!next.ok()) {
      const int e = next.status().error_number();
      if (e == ENOTDIR || e == ELOOP) {
        if (unlinkat(current_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
          Note(Status::Errno("unlink", Shown(name)));
        }
      } else if (e != ENOENT) {
        Note(Status::Errno("open", Shown(name), e));
      }
      frame.directories.pop_back();
      return;
    }
    if (Status s = Enter(std::move(*next), name); !s.ok()) {
      Note(s);
      frames_.back().directories.pop_back();
    }
  }

  Status Enter(Fd next, const std::string& name) {
    LM_ASSIGN(Identity id, Identify(next.get(), Shown(name)));
    if (!id.SameMount(base_)) {
      return FailedPrecondition(fmt::format("remove {}: is a mount point, left alone", Shown(name)));
    }
    LM_ASSIGN(Fd reader, OpenAt(next.get(), ".", O_RDONLY | O_DIRECTORY));
    LM_ASSIGN(std::vector<Entry> entries, ReadEntries(std::move(reader), Shown(name)));
    frames_.back().entered = true;
    current_ = std::move(next);
    Frame frame;
    frame.id = id;
    for (Entry& entry : entries) {
      if (entry.type != DT_DIR) {
        if (unlinkat(current_.get(), entry.name.c_str(), 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR) {
          Note(Status::Errno("unlink", Shown(entry.name)));
          continue;
        }
      }
      frame.directories.push_back(std::move(entry.name));
    }
    frames_.push_back(std::move(frame));
    return Status::Ok();
  }

  Status Climb() {
    const Identity expected = frames_[frames_.size() - 2].id;
    LM_ASSIGN(Fd up, OpenAt(current_.get(), "..", O_RDONLY | O_DIRECTORY));
    LM_ASSIGN(Identity id, Identify(up.get(), shown_));
    if (!id.SameDirectory(expected)) {
      return Status(Code::kAborted, fmt::format("remove {}: a directory was moved away meanwhile", shown_));
    }
    current_ = std::move(up);
    frames_.pop_back();
    return Status::Ok();
  }

  Fd current_;
  Identity base_;
  std::string shown_;
  std::vector<Frame> frames_;
  Status first_error_;
};

}  // namespace

Result<std::vector<std::string>> ListDir(int dir_fd, const std::string& path) {
  LM_ASSIGN(Fd fd, OpenAt(dir_fd, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(std::vector<Entry> entries, ReadEntries(std::move(fd), path));
  std::vector<std::string> out;
  out.reserve(entries.size());
  for (Entry& entry : entries) out.push_back(std::move(entry.name));
  std::sort(out.begin(), out.end());
  return out;
}

Status RemoveTreeAt(int dir_fd, const std::string& path) {
  std::string_view trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.remove_suffix(1);
  const size_t slash = trimmed.rfind('/');
  const std::string name(slash == std::string_view::npos ? trimmed : trimmed.substr(slash + 1));
  if (name.empty() || name == "." || name == "..") {
    return InvalidArgument(fmt::format("remove '{}': needs a name in a directory", path));
  }
  std::string parent = ".";
  if (slash != std::string_view::npos) parent = slash == 0 ? "/" : std::string(trimmed.substr(0, slash));
  Result<Fd> parent_fd = OpenAt(dir_fd, parent, O_RDONLY | O_DIRECTORY);
  if (!parent_fd.ok()) {
    if (parent_fd.status().code() == Code::kNotFound) return Status::Ok();
    return parent_fd.status().WithContext(fmt::format("remove {}", path));
  }
  LM_ASSIGN(Identity base, Identify(parent_fd->get(), parent));
  return Remover(std::move(*parent_fd), base, path).Run(name);
}

}  // namespace layermark
