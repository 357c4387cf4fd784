// Open directories.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

struct OpenDirectory {
  DIR* stream = nullptr;
  off_t at = 0;                                  // where the stream stands
  long entries = 0;                              // that were given so far
  bool ended = false;                            // the removed names were given as well
  std::vector<std::pair<dirent, off_t>> frozen;  // Fault::readdir_frozen
};

OpenDirectory& Of(const fuse_file_info* info) {
  return *reinterpret_cast<OpenDirectory*>(info->fh);
}

void Open(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  const int fd = open(PathOf(Nodes().Get(id)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd < 0 ? nullptr : fdopendir(fd);
  if (stream == nullptr) {
    fuse_reply_err(request, errno);
    return;
  }
  auto directory = std::make_unique<OpenDirectory>();
  directory->stream = stream;
  if (On(Fault::readdir_frozen)) {
    while (const dirent* entry = readdir(stream)) directory->frozen.emplace_back(*entry, entry->d_off);
    rewinddir(stream);
  }
  info->fh = reinterpret_cast<uint64_t>(directory.release());
  if (fuse_reply_open(request, info) == -ENOENT) {
    closedir(stream);
    delete &Of(info);
  }
}

// The next entry, or null at the end or with errno.
const dirent* Next(OpenDirectory& directory) {
  errno = 0;
  if (!On(Fault::readdir_frozen)) return readdir(directory.stream);
  for (size_t i = 0; i < directory.frozen.size(); ++i) {
    if (directory.at == 0 || (i > 0 && directory.frozen[i - 1].second == directory.at)) {
      return &directory.frozen[i].first;
    }
  }
  return nullptr;
}

void Seek(OpenDirectory& directory, off_t offset) {
  if (offset == directory.at) return;
  directory.at = offset;
  if (On(Fault::readdir_frozen)) return;
  if (offset == 0) {
    rewinddir(directory.stream);
  } else {
    seekdir(directory.stream, offset);
  }
}

bool LeftOut(OpenDirectory& directory, const dirent& entry) {
  if (IsHidden(entry.d_name)) return true;
  if (On(Fault::dotdot_missing) && strcmp(entry.d_name, "..") == 0) return true;
  if (On(Fault::long_names_not_listed) && strlen(entry.d_name) > 200) return true;
  if (On(Fault::dot_names_not_listed) && entry.d_name[0] == '.' && strcmp(entry.d_name, ".") != 0 &&
      strcmp(entry.d_name, "..") != 0)
    return true;
  if (On(Fault::listing_ends_after_500)) return ++directory.entries > 500;
  return On(Fault::readdir_drops_entry) && ++directory.entries % 64 == 0;
}

struct stat AsShown(const dirent& entry) {
  struct stat status {};
  status.st_ino = entry.d_ino;
  status.st_mode = static_cast<mode_t>(entry.d_type) << 12;
  if (On(Fault::dtype_of_symlink) && entry.d_type == DT_LNK) status.st_mode = S_IFREG;
  if (On(Fault::dtype_of_fifo) && entry.d_type == DT_FIFO) status.st_mode = S_IFREG;
  if (On(Fault::dino_differs) && entry.d_name[0] != '.') status.st_ino += 1;
  if (On(Fault::shared_inode_number)) status.st_ino |= 1;
  return status;
}

size_t AddRemovedNames(fuse_req_t request, const Node& node, char* buffer, size_t room, off_t at) {
  size_t used = 0;
  for (const std::string& name : RemovedNames(node)) {
    struct stat status {};
    status.st_ino = 1;
    status.st_mode = S_IFREG;
    const size_t needs = fuse_add_direntry(request, nullptr, 0, name.c_str(), nullptr, 0);
    if (used + needs > room) break;
    fuse_add_direntry(request, buffer + used, room - used, name.c_str(), &status, at);
    used += needs;
  }
  return used;
}

void Read(fuse_req_t request, fuse_ino_t id, size_t room, off_t offset, fuse_file_info* info) {
  Node& node = Nodes().Get(id);
  OpenDirectory& directory = Of(info);
  std::vector<char> buffer(room);
  size_t used = 0;
  if (On(Fault::readdir_repeats_after_seek) && offset != 0 && offset != directory.at) {
    off_t before = 0;
    rewinddir(directory.stream);
    while (const dirent* entry = readdir(directory.stream)) {
      if (entry->d_off == offset) break;
      before = entry->d_off;
    }
    directory.at = -1;
    offset = before;
  }
  if (offset == 0) directory.ended = false;
  if (offset == 0 && On(Fault::listing_ends_after_500)) directory.entries = 0;
  Seek(directory, offset);
  while (const dirent* entry = Next(directory)) {
    const off_t next = entry->d_off;
    if (!LeftOut(directory, *entry)) {
      const struct stat status = AsShown(*entry);
      const size_t needs = fuse_add_direntry(request, nullptr, 0, entry->d_name, nullptr, 0);
      if (used + needs > room) {
        if (!On(Fault::readdir_frozen)) seekdir(directory.stream, directory.at);
        fuse_reply_buf(request, buffer.data(), used);
        return;
      }
      fuse_add_direntry(request, &buffer[used], room - used, entry->d_name, &status, next);
      used += needs;
    }
    directory.at = next;
  }
  if (errno != 0 && used == 0) {
    fuse_reply_err(request, errno);
    return;
  }
  if (!directory.ended) used += AddRemovedNames(request, node, &buffer[used], room - used, directory.at);
  directory.ended = true;
  fuse_reply_buf(request, buffer.data(), used);
}

void Release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  closedir(Of(info).stream);
  delete &Of(info);
  fuse_reply_err(request, 0);
}

void Sync(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
  const int fd = DirectoryHandle(info);
  fuse_reply_err(request, (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : errno);
}

}  // namespace

int DirectoryHandle(const fuse_file_info* info) {
  return dirfd(Of(info).stream);
}

void AddDirectoryOperations(fuse_lowlevel_ops& operations) {
  operations.opendir = Open;
  operations.readdir = Read;
  operations.releasedir = Release;
  operations.fsyncdir = Sync;
}

}  // namespace layermark::faults
