#include "drivers/btrfs/subvolume.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/sys/fd.h"

namespace layermark::btrfs {
namespace {

struct Place {
  Fd parent;
  std::string name;
};

// The calls take the parent directory and a name in it.
Result<Place> PlaceOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  Place place;
  place.name = path.substr(slash + 1);
  if (place.name.empty() || place.name.size() > BTRFS_SUBVOL_NAME_MAX) {
    return InvalidArgument(path + ": not a name for a subvolume");
  }
  LM_ASSIGN(place.parent,
            Open(slash == std::string::npos ? "." : path.substr(0, slash + 1), O_RDONLY | O_DIRECTORY));
  return place;
}

Result<Fd> OpenDirectory(const std::string& path) {
  return Open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

bool IsSubvolumeRoot(const struct stat& stat) {
  return S_ISDIR(stat.st_mode) && stat.st_ino == BTRFS_FIRST_FREE_OBJECTID;
}

Status DestroyCall(const std::string& path) {
  LM_ASSIGN(Place place, PlaceOf(path));
  struct btrfs_ioctl_vol_args_v2 args = {};
  std::memcpy(args.name, place.name.data(), place.name.size());
  if (ioctl(place.parent.get(), BTRFS_IOC_SNAP_DESTROY_V2, &args) == 0) return Status::Ok();
  if (errno != ENOTTY) return Status::Errno("BTRFS_IOC_SNAP_DESTROY_V2", path);
  struct btrfs_ioctl_vol_args old_args = {};  // kernels before 5.7
  std::memcpy(old_args.name, place.name.data(), place.name.size());
  if (ioctl(place.parent.get(), BTRFS_IOC_SNAP_DESTROY, &old_args) == 0) return Status::Ok();
  return Status::Errno("BTRFS_IOC_SNAP_DESTROY", path);
}

// Paths of the subvolumes directly or indirectly inside, each before what it holds.
Status CollectNested(const std::string& path, std::vector<std::string>& found) {
  std::vector<std::string> directories = {path};
  while (!directories.empty()) {
    const std::string directory = directories.back();
    directories.pop_back();
    LM_ASSIGN(const std::vector<std::string> names, ListDir(AT_FDCWD, directory));
    for (const std::string& name : names) {
      const std::string child = directory + "/" + name;
      struct stat stat = {};
      if (lstat(child.c_str(), &stat) != 0) return Status::Errno("lstat", child);
      if (!S_ISDIR(stat.st_mode)) continue;
      if (IsSubvolumeRoot(stat)) found.push_back(child);
      directories.push_back(child);
    }
  }
  return Status::Ok();
}

}  // namespace

Status CreateSubvolume(const std::string& path) {
  LM_ASSIGN(Place place, PlaceOf(path));
  struct btrfs_ioctl_vol_args_v2 args = {};
  std::memcpy(args.name, place.name.data(), place.name.size());
  if (ioctl(place.parent.get(), BTRFS_IOC_SUBVOL_CREATE_V2, &args) != 0) {
    return Status::Errno("BTRFS_IOC_SUBVOL_CREATE_V2", path);
  }
  // The call applies the umask.
  if (chmod(path.c_str(), 0755) != 0) return Status::Errno("chmod", path);
  return Status::Ok();
}

Status CreateSnapshot(const std::string& source, const std::string& path, bool read_only) {
  LM_ASSIGN(Place place, PlaceOf(path));
  LM_ASSIGN(Fd source_fd, OpenDirectory(source));
  struct btrfs_ioctl_vol_args_v2 args = {};
  args.fd = source_fd.get();
  args.flags = read_only ? BTRFS_SUBVOL_RDONLY : 0;
  std::memcpy(args.name, place.name.data(), place.name.size());
  if (ioctl(place.parent.get(), BTRFS_IOC_SNAP_CREATE_V2, &args) != 0) {
    return Status::Errno("BTRFS_IOC_SNAP_CREATE_V2", source + " -> " + path);
  }
  return Status::Ok();
}

Result<bool> IsReadOnly(const std::string& path) {
  LM_ASSIGN(Fd fd, OpenDirectory(path));
  __u64 flags = 0;
  if (ioctl(fd.get(), BTRFS_IOC_SUBVOL_GETFLAGS, &flags) != 0)
    return Status::Errno("BTRFS_IOC_SUBVOL_GETFLAGS", path);
  return (flags & BTRFS_SUBVOL_RDONLY) != 0;
}

Status SetReadOnly(const std::string& path, bool read_only) {
  LM_ASSIGN(Fd fd, OpenDirectory(path));
  __u64 flags = 0;
  if (ioctl(fd.get(), BTRFS_IOC_SUBVOL_GETFLAGS, &flags) != 0)
    return Status::Errno("BTRFS_IOC_SUBVOL_GETFLAGS", path);
  flags = read_only ? flags | BTRFS_SUBVOL_RDONLY : flags & ~BTRFS_SUBVOL_RDONLY;
  if (ioctl(fd.get(), BTRFS_IOC_SUBVOL_SETFLAGS, &flags) != 0)
    return Status::Errno("BTRFS_IOC_SUBVOL_SETFLAGS", path);
  return Status::Ok();
}

Status DeleteSubvolume(const std::string& path) {
  struct stat stat = {};
  if (lstat(path.c_str(), &stat) != 0) return errno == ENOENT ? Status::Ok() : Status::Errno("lstat", path);
  if (!IsSubvolumeRoot(stat)) return RemoveTree(path);
  Status destroyed = DestroyCall(path);
  if (destroyed.error_number() != ENOTEMPTY) return destroyed;
  // Subvolumes made inside keep it alive; inside a read-only one nothing can be removed.
  LM_TRY(SetReadOnly(path, false));
  std::vector<std::string> nested;
  LM_TRY(CollectNested(path, nested));
  // First all of them writable from the outside in, then removed from the inside out.
  for (const std::string& subvolume : nested) LM_TRY(SetReadOnly(subvolume, false));
  std::reverse(nested.begin(), nested.end());
  for (const std::string& subvolume : nested) LM_TRY(DestroyCall(subvolume));
  return DestroyCall(path);
}

}  // namespace layermark::btrfs
