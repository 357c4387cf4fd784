#include "core/tree/manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <unordered_map>
#include <utility>

#include "core/tree/dir_walk.h"
#include "core/tree/sha256.h"
#include "core/tree/xattr_read.h"

namespace layermark {
namespace {

int64_t ToNs(const timespec& ts) {
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

struct InodeKey {
  dev_t dev;
  ino_t ino;
  bool operator==(const InodeKey&) const = default;
};

struct InodeKeyHash {
  size_t operator()(const InodeKey& key) const {
    return std::hash<uint64_t>()(key.ino * 0x9e3779b97f4a7c15ULL ^ key.dev);
  }
};

class Reader {
 public:
  explicit Reader(const ManifestOptions& options)
      : options_(options), xattrs_(options.ignored_xattr_prefixes) {}

  Status ReadRoot(int root_fd);
  Status ReadName(const WalkedName& name);
  Manifest Finish();
  // True if the walk is to go into this directory.
  bool Enter(const struct stat& st) const { return options_.cross_mounts || st.st_dev == root_dev_; }

 private:
  Status FillContent(int fd, const std::string& path, Entry* entry);

  const ManifestOptions& options_;
  dev_t root_dev_ = 0;
  Manifest manifest_;
  // Inodes with several names; most have one, and those never get here.
  std::unordered_map<InodeKey, std::vector<std::string>, InodeKeyHash> linked_;
  Sha256Stream hasher_;
  XattrReader xattrs_;
};

void FillFromStat(const struct stat& st, Entry* entry) {
  entry->type = FileTypeFromMode(st.st_mode);
  entry->permissions = st.st_mode & 07777;
  entry->uid = st.st_uid;
  entry->gid = st.st_gid;
  entry->mtime_ns = ToNs(st.st_mtim);
  entry->allocated_bytes = int64_t{st.st_blocks} * 512;
  entry->dev = st.st_dev;
  entry->ino = st.st_ino;
  entry->nlink = st.st_nlink;
  if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) entry->size_bytes = st.st_size;
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) entry->rdev = st.st_rdev;
}

// Bytes in data segments. The descriptor's offset moves.
int64_t DataBytes(int fd, int64_t size) {
  int64_t total = 0;
  off_t position = 0;
  while (position < size) {
    off_t data = lseek(fd, position, SEEK_DATA);
    if (data < 0) return errno == ENXIO ? total : size;  // ENXIO: only a hole is left; else not supported
    off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0 || hole <= data) return size;
    total += std::min<int64_t>(hole, size) - data;
    position = hole;
  }
  return total;
}

Status Reader::FillContent(int fd, const std::string& path, Entry* entry) {
  if (options_.xattrs) LM_TRY(xattrs_.ReadFd(fd, path, &entry->xattrs));
  if (entry->type != FileType::kRegular) return Status::Ok();
  entry->data_bytes = !options_.holes ? -1 : entry->size_bytes == 0 ? 0 : DataBytes(fd, entry->size_bytes);
  if (!options_.digests) return Status::Ok();
  LM_ASSIGN(entry->digest, hasher_.HashFile(fd, path));
  return Status::Ok();
}

Status Reader::ReadRoot(int root_fd) {
  struct stat st = {};
  if (fstat(root_fd, &st) != 0) return Status::Errno("fstat", "");
  if (!S_ISDIR(st.st_mode)) return Status::Errno("open", "", ENOTDIR);
  root_dev_ = st.st_dev;
  Entry& root = manifest_.entries[""];
  FillFromStat(st, &root);
  return FillContent(root_fd, "", &root);
}

Status Reader::ReadName(const WalkedName& name) {
  Entry& entry = manifest_.entries[name.path];
  FillFromStat(name.st, &entry);
  entry.dirent_type = name.dirent_type;
  entry.dirent_ino = name.dirent_ino;
  // Whatever the link count says: a union may count only the names that it has met so far.
  if (entry.type != FileType::kDirectory) linked_[{entry.dev, entry.ino}].push_back(name.path);
  switch (entry.type) {
    case FileType::kDirectory:
      if (name.opened_fd >= 0) return FillContent(name.opened_fd, name.path, &entry);
      break;  // a mount that is not entered: its root is described like a special file
    case FileType::kRegular: {
      LM_ASSIGN(Fd fd, OpenForReading(name.dir_fd, name.name, name.path));
      return FillContent(fd.get(), name.path, &entry);
    }
    case FileType::kSymlink: {
      char target[PATH_MAX + 1];
      ssize_t length = readlinkat(name.dir_fd, name.name.c_str(), target, sizeof target);
      if (length < 0) return Status::Errno("readlinkat", name.path);
      entry.link_target.assign(target, static_cast<size_t>(length));
      break;
    }
    default:
      break;  // FIFOs, sockets and devices are not opened: that may block or do something
  }
  if (options_.xattrs) return xattrs_.ReadName(name.dir_fd, name.name, name.path, &entry.xattrs);
  return Status::Ok();
}

Manifest Reader::Finish() {
  for (auto& [key, names] : linked_) {
    if (names.size() < 2) continue;
    const std::string& first = *std::min_element(names.begin(), names.end());
    for (const std::string& name : names) manifest_.entries[name].link_group = first;
  }
  return std::move(manifest_);
}

}  // namespace

std::string_view FileTypeName(FileType type) {
  switch (type) {
    case FileType::kRegular:
      return "regular";
    case FileType::kDirectory:
      return "directory";
    case FileType::kSymlink:
      return "symlink";
    case FileType::kFifo:
      return "fifo";
    case FileType::kSocket:
      return "socket";
    case FileType::kCharDevice:
      return "char device";
    case FileType::kBlockDevice:
      return "block device";
  }
  return "unknown";
}

FileType FileTypeFromMode(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return FileType::kDirectory;
    case S_IFLNK:
      return FileType::kSymlink;
    case S_IFIFO:
      return FileType::kFifo;
    case S_IFSOCK:
      return FileType::kSocket;
    case S_IFCHR:
      return FileType::kCharDevice;
    case S_IFBLK:
      return FileType::kBlockDevice;
    default:
      return FileType::kRegular;
  }
}

Result<Manifest> ReadManifest(int root_fd, const ManifestOptions& options) {
  LM_ASSIGN(Fd root, OpenForReading(root_fd, ".", "", O_DIRECTORY));
  Reader reader(options);
  LM_TRY(reader.ReadRoot(root.get()));
  LM_TRY(WalkTree(
      std::move(root), [&](const struct stat& st) { return reader.Enter(st); },
      [&](const WalkedName& name) { return reader.ReadName(name); }));
  return reader.Finish();
}

Result<Manifest> ReadManifest(const std::string& root, const ManifestOptions& options) {
  LM_ASSIGN(Fd fd, Open(root, O_PATH | O_DIRECTORY));
  auto manifest = ReadManifest(fd.get(), options);
  if (!manifest.ok()) return manifest.status().WithContext(root);
  return manifest;
}

int64_t InodeCount(const Manifest& manifest) {
  return std::count_if(manifest.entries.begin(), manifest.entries.end(), [](const auto& item) {
    return item.second.link_group.empty() || item.second.link_group == item.first;
  });
}

}  // namespace layermark
