#include "drivers/erofs/objects.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/xattr_alias.h"
#include "core/tree/manifest.h"
#include "drivers/support/copy_data.h"
#include "drivers/support/copy_engine.h"
#include "drivers/support/disk_usage.h"

namespace layermark::erofs {
namespace {

constexpr char kMetacopy[] = "trusted.overlay.metacopy";
constexpr char kRedirect[] = "trusted.overlay.redirect";
constexpr char kHashPrefix[] = "sha256:";

// Objects come and go under it: one that is about to be shared must not be removed as unused.
std::mutex& ObjectsMutex() {
  static std::mutex mutex;
  return mutex;
}

Status HardLink(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) == 0 || errno == EEXIST) return Status::Ok();
  return Status::Errno("link", from + " to " + to);
}

// The bytes of `file` as the object `name` in `objects` and `own`.
Status KeepObject(int file, int64_t size, const std::string& name, const std::string& objects,
                  const std::string& own) {
  const std::string object = objects + "/" + name;
  const std::string needed = own + "/" + name;
  std::lock_guard<std::mutex> lock(ObjectsMutex());
  if (Exists(object)) return HardLink(object, needed);
  // A crash may leave it half written: it gets its shared name when it is whole.
  LM_TRY(RemoveTree(needed));
  {
    LM_ASSIGN(const Fd made, Open(needed, O_RDWR | O_CREAT | O_EXCL, 0644));
    LM_TRY(FileCopier(CopyMethod::kCopyFileRange).CopyData(file, made.get(), size).status());
    if (fsync(made.get()) != 0) return Status::Errno("fsync", needed);
  }
  return HardLink(needed, object);
}

bool Has(const std::vector<std::string>& names, const std::string& wanted) {
  for (const std::string& name : names) {
    if (name == wanted) return true;
  }
  return false;
}

// `visit` for every regular file of `tree` that has bytes, each inode once.
Status VisitFiles(const std::string& tree, const TreeVisitor& visit) {
  std::set<ino_t> seen;
  return VisitTree(tree, [&](int parent, const std::string& name, const struct stat& st) -> Status {
    if (!S_ISREG(st.st_mode) || st.st_size == 0) return Status::Ok();
    if (st.st_nlink > 1 && !seen.insert(st.st_ino).second) return Status::Ok();
    return visit(parent, name, st);
  });
}

Status SetTimes(int parent, const std::string& name, const struct stat& st) {
  const struct timespec times[2] = {st.st_atim, st.st_mtim};
  if (utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    return Status::Errno("utimensat", name);
  return Status::Ok();
}

}  // namespace

Status TakeContentOut(const std::string& tree, const std::string& bare, const std::string& objects,
                      const std::string& own) {
  for (const std::string& directory : {objects, own, bare}) LM_TRY(MakeDirs(directory));
  {
    LM_ASSIGN(const Fd from, Open(tree, O_RDONLY | O_DIRECTORY));
    LM_ASSIGN(const Fd to, Open(bare, O_RDONLY | O_DIRECTORY));
    CopyOptions options;
    options.method = CopyMethod::kCopyFileRange;
    LM_TRY(CopyTree(from.get(), to.get(), options).status());
  }
  const auto take_out = [&](int parent, const std::string& name, const struct stat& st) -> Status {
    LM_ASSIGN(const std::vector<std::string> xattrs, ListXattrNamesAt(parent, name));
    if (Has(xattrs, kMetacopy)) return Status::Ok();
    LM_ASSIGN(const Fd file, OpenAt(parent, name, O_RDWR | O_NOFOLLOW));
    LM_ASSIGN(const std::string digest, Sha256File(file.get()));
    const std::string object = digest.substr(sizeof kHashPrefix - 1);
    LM_TRY(KeepObject(file.get(), st.st_size, object, objects, own));
    // A write takes file capabilities and set-id bits away, a change of length does too.
    LM_ASSIGN(const std::vector<Xattr> kept, ListXattrsAt(parent, name));
    if (ftruncate(file.get(), 0) != 0 || ftruncate(file.get(), st.st_size) != 0)
      return Status::Errno("ftruncate", name);
    if (fchmod(file.get(), st.st_mode & 07777) != 0) return Status::Errno("fchmod", name);
    for (const Xattr& xattr : kept) {
      if (!IsXattrAlias(xattr.name)) LM_TRY(SetXattrAt(parent, name, xattr.name, xattr.value));
    }
    LM_TRY(SetXattrAt(parent, name, kMetacopy, ""));
    LM_TRY(SetXattrAt(parent, name, kRedirect, "/" + object));
    return SetTimes(parent, name, st);
  };
  LM_TRY(VisitFiles(bare, take_out));
  for (const std::string& directory : {objects, own}) {
    LM_ASSIGN(const Fd fd, Open(directory, O_RDONLY | O_DIRECTORY));
    if (fsync(fd.get()) != 0) return Status::Errno("fsync", directory);
  }
  return Status::Ok();
}

Status CheckObjects(const std::string& own) {
  LM_ASSIGN(const std::vector<std::string> names, ListDir(AT_FDCWD, own));
  for (const std::string& name : names) {
    LM_ASSIGN(const Fd file, Open(own + "/" + name, O_RDONLY));
    const Result<std::string> seen = Sha256File(file.get());
    if (!seen.ok()) return seen.status();
    if (*seen != kHashPrefix + name)
      return DataLoss(own + "/" + name + ": the object is not the one that was made: " + *seen);
  }
  return Status::Ok();
}

Status PutContentBack(const std::string& tree, const std::string& own) {
  return VisitFiles(tree, [&](int parent, const std::string& name, const struct stat& st) -> Status {
    LM_ASSIGN(const std::vector<std::string> xattrs, ListXattrNamesAt(parent, name));
    if (!Has(xattrs, kRedirect)) return Status::Ok();
    LM_ASSIGN(const std::string object, GetXattrAt(parent, name, kRedirect));
    if (object.empty() || !Exists(own + object)) return Status::Ok();  // the bytes are in a layer below
    LM_ASSIGN(const std::vector<Xattr> kept, ListXattrsAt(parent, name));
    {
      LM_ASSIGN(const Fd from, Open(own + object, O_RDONLY));
      LM_ASSIGN(const Fd file, OpenAt(parent, name, O_RDWR | O_TRUNC | O_NOFOLLOW));
      LM_TRY(FileCopier(CopyMethod::kCopyFileRange).CopyData(from.get(), file.get(), st.st_size).status());
      if (fchmod(file.get(), st.st_mode & 07777) != 0) return Status::Errno("fchmod", name);
    }
    for (const Xattr& xattr : kept) {
      if (xattr.name != kMetacopy && xattr.name != kRedirect && !IsXattrAlias(xattr.name))
        LM_TRY(SetXattrAt(parent, name, xattr.name, xattr.value));
    }
    for (const char* mark : {kMetacopy, kRedirect}) {
      if (Has(xattrs, mark)) LM_TRY(RemoveXattrAt(parent, name, mark));
    }
    return SetTimes(parent, name, st);
  });
}

Status ReleaseObjects(const std::string& own, const std::string& objects) {
  if (!Exists(own)) return Status::Ok();
  LM_ASSIGN(const std::vector<std::string> names, ListDir(AT_FDCWD, own));
  std::lock_guard<std::mutex> lock(ObjectsMutex());
  for (const std::string& name : names) {
    const std::string needed = own + "/" + name;
    struct stat st = {};
    if (lstat(needed.c_str(), &st) != 0) return Status::Errno("lstat", needed);
    // Two names: the shared one and ours. With one alone it never got the shared one.
    struct stat shared = {};
    const bool same = lstat((objects + "/" + name).c_str(), &shared) == 0 && shared.st_ino == st.st_ino;
    if (same && st.st_nlink == 2) LM_TRY(RemoveTree(objects + "/" + name));
    LM_TRY(RemoveTree(needed));
  }
  return RemoveTree(own);
}

}  // namespace layermark::erofs
