#include "drivers/support/link_farm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <utility>
#include <vector>

#include "core/sys/fd.h"
#include "drivers/support/copy_data.h"
#include "drivers/support/copy_engine.h"
#include "drivers/support/disk_usage.h"
#include "drivers/support/open_below.h"

namespace layermark {
namespace {

constexpr mode_t kPermissions = 07777;

// One lay-over: directory by directory, each reached from the root, so that no depth is too deep.
class Overlayer {
 public:
  Overlayer(int upper, int root, std::string prefix)
      : upper_(upper), root_(root), prefix_(std::move(prefix)), copier_(CopyMethod::kHardLink) {}

  Status Run() {
    std::vector<std::string> pending = {""};
    while (!pending.empty()) {
      const std::string path = std::move(pending.back());
      pending.pop_back();
      LM_TRY(LayDirectory(path, pending).WithContext("lay over " + (path.empty() ? "." : path)));
    }
    return Status::Ok();
  }

 private:
  // Its entries, then its own attributes; nothing that is done below its sub-directories changes those.
  Status LayDirectory(const std::string& path, std::vector<std::string>& pending) {
    LM_ASSIGN(const Fd from, OpenBelow(upper_, path, O_NOATIME));
    LM_ASSIGN(const Fd to, OpenBelow(root_, path, 0));
    struct stat st = {};
    if (fstat(from.get(), &st) != 0) return Status::Errno("fstat", path);
    LM_ASSIGN(const std::vector<std::string> names, ListDir(from.get()));
    for (const std::string& name : names) {
      LM_ASSIGN(const bool directory, LayEntry(from.get(), to.get(), name));
      if (directory) pending.push_back(path.empty() ? name : path + "/" + name);
    }
    return TakeAttributes(from.get(), to.get(), st);
  }

  // True for a directory, which is there then, still to be filled.
  Result<bool> LayEntry(int from, int to, const std::string& name) {
    struct stat st = {};
    if (fstatat(from, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("fstatat", name);
    LM_ASSIGN(const std::vector<std::string> xattrs, ListXattrNamesAt(from, name));
    if (IsWhiteout(st, xattrs)) {
      LM_TRY(RemoveTreeAt(to, name));
      return false;
    }
    if (S_ISDIR(st.st_mode)) {
      LM_ASSIGN(const bool opaque, IsOpaque(from, name, xattrs));
      struct stat old = {};
      const bool there = fstatat(to, name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
      if (there && S_ISDIR(old.st_mode) && !opaque) return true;
      LM_TRY(RemoveTreeAt(to, name));
      // Without set-group-id until it is filled: that would give its group to what is made in it.
      if (mkdirat(to, name.c_str(), 0700) != 0) return Status::Errno("mkdirat", name);
      return true;
    }
    for (const std::string& xattr : xattrs) {
      if (IsOverlays(xattr)) LM_TRY(RemoveXattrAt(from, name, xattr));
    }
    LM_TRY(RemoveTreeAt(to, name));
    if (linkat(from, name.c_str(), to, name.c_str(), 0) != 0) return Status::Errno("linkat", name);
    return false;
  }

  bool IsOverlays(const std::string& xattr) const {
    return xattr.starts_with(prefix_) && !xattr.starts_with(prefix_ + "overlay.");
  }
  // A 0/0 device, or an empty file that an attribute marks.
  bool IsWhiteout(const struct stat& st, const std::vector<std::string>& xattrs) const {
    if (S_ISCHR(st.st_mode)) return st.st_rdev == 0;
    if (!S_ISREG(st.st_mode) || st.st_size != 0) return false;
    for (const std::string& xattr : xattrs) {
      if (xattr == prefix_ + "whiteout") return true;
    }
    return false;
  }
  Result<bool> IsOpaque(int from, const std::string& name, const std::vector<std::string>& xattrs) const {
    for (const std::string& xattr : xattrs) {
      if (xattr != prefix_ + "opaque") continue;
      const Result<std::string> value = GetXattrAt(from, name, xattr);
      if (!value.ok()) return value.status();
      return *value == "y";
    }
    return false;
  }

  Status TakeAttributes(int from, int to, const struct stat& st) {
    if (fchown(to, st.st_uid, st.st_gid) != 0) return Status::Errno("fchown", "");
    if (fchmod(to, st.st_mode & kPermissions) != 0) return Status::Errno("fchmod", "");
    LM_TRY(copier_.CopyXattrs(from, to));
    LM_TRY(copier_.RemoveOtherXattrs(from, to));
    LM_ASSIGN(const std::vector<std::string> xattrs, ListXattrNamesAt(to, "."));
    for (const std::string& xattr : xattrs) {
      if (IsOverlays(xattr)) LM_TRY(RemoveXattrAt(to, ".", xattr));
    }
    // A list that went may have changed the group's bits.
    if (fchmod(to, st.st_mode & kPermissions) != 0) return Status::Errno("fchmod", "");
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    if (futimens(to, times) != 0) return Status::Errno("futimens", "");
    return Status::Ok();
  }

  const int upper_;
  const int root_;
  const std::string prefix_;
  FileCopier copier_;
};

}  // namespace

Status LinkTree(const std::string& from, const std::string& to) {
  LM_ASSIGN(const Fd source, Open(from, O_PATH | O_DIRECTORY));
  LM_ASSIGN(const Fd target, Open(to, O_PATH | O_DIRECTORY));
  CopyOptions options;
  options.method = CopyMethod::kHardLink;
  return CopyTree(source.get(), target.get(), options).status().WithContext("link farm of " + from);
}

Status LayUpperOver(const std::string& upper, const std::string& root, const std::string& overlay_prefix) {
  LM_ASSIGN(const Fd from, Open(upper, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(const Fd to, Open(root, O_RDONLY | O_DIRECTORY));
  return Overlayer(from.get(), to.get(), overlay_prefix).Run();
}

Result<Usage> UsageBeside(const std::string& parent, const std::string& root) {
  using Inode = std::pair<dev_t, ino_t>;
  std::set<Inode> inherited;
  LM_TRY(VisitTree(parent, [&](int, const std::string&, const struct stat& stat) {
    // What the other tree has too has two names at least.
    if (!S_ISDIR(stat.st_mode) && stat.st_nlink > 1) inherited.emplace(stat.st_dev, stat.st_ino);
    return Status::Ok();
  }));
  Usage usage;
  std::set<Inode> seen;
  LM_TRY(VisitTree(root, [&](int, const std::string&, const struct stat& stat) {
    const Inode inode(stat.st_dev, stat.st_ino);
    if (!S_ISDIR(stat.st_mode) && stat.st_nlink > 1) {
      if (inherited.contains(inode) || !seen.insert(inode).second) return Status::Ok();
    }
    ++usage.inodes;
    usage.size_bytes += static_cast<int64_t>(stat.st_blocks) * 512;
    return Status::Ok();
  }));
  return usage;
}

}  // namespace layermark
