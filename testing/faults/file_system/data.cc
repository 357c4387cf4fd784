// Open files: open, read, write, fallocate, lseek, copy_file_range, fsync, release.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

constexpr off_t kPage = 4096;

bool Writable(const fuse_file_info* info) {
  return (info->flags & O_ACCMODE) != O_RDONLY;
}

off_t SizeOf(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_size : 0;
}

// Last offset written through a descriptor that was not synced since; for tail_lost_without_fsync.
std::map<int, off_t>& Unsynced() {
  static std::map<int, off_t> ends;
  return ends;
}

// What lower files held when they were opened for reading, by descriptor; for reader_keeps_old_data.
std::map<int, std::string>& AtOpen() {
  static std::map<int, std::string> texts;
  return texts;
}

void KeepText(const Node& node, int fd) {
  const off_t size = SizeOf(fd);
  if (!On(Fault::reader_keeps_old_data) || !node.old || size > (1 << 20)) return;
  std::string text(static_cast<size_t>(size), 0);
  (void)!pread(fd, text.data(), text.size(), 0);
  AtOpen()[fd] = text;
}

void FillHoles(int fd) {
  const off_t size = SizeOf(fd);
  if (size > (64 << 20)) return;
  std::vector<char> page(kPage);
  for (off_t at = 0; at < size; at += kPage) {
    const ssize_t bytes = pread(fd, page.data(), page.size(), at);
    if (bytes > 0) (void)!pwrite(fd, page.data(), static_cast<size_t>(bytes), at);
  }
}

// Gives node's name a file of its own.
void SplitLinks(Node& node) {
  struct stat status {};
  if (node.parent == nullptr || !Nodes().Live(node.parent) || fstat(node.fd, &status) != 0) return;
  if (status.st_nlink < 2 || !node.old) return;
  const int in = open(PathOf(node).c_str(), O_RDONLY | O_CLOEXEC);
  const std::string fresh = ".split." + std::to_string(node.generation);
  const int out = openat(node.parent->fd, fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (in >= 0 && out >= 0) {
    std::vector<char> data(static_cast<size_t>(status.st_size));
    (void)!pread(in, data.data(), data.size(), 0);
    (void)!pwrite(out, data.data(), data.size(), 0);
    (void)!fchown(out, status.st_uid, status.st_gid);
    fchmod(out, status.st_mode & 07777);
    renameat(node.parent->fd, fresh.c_str(), node.parent->fd, node.name.c_str());
  }
  if (in >= 0) close(in);
  if (out >= 0) close(out);
}

// The faults of the moment in which a file is opened for writing.
void SpoilOpen(Node& node, int fd) {
  if (!node.old) return;
  if (On(Fault::big_file_cut_on_open) && SizeOf(fd) > (1 << 20)) (void)!ftruncate(fd, 1 << 20);
  if (On(Fault::holes_filled)) FillHoles(fd);
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  if (On(Fault::open_touches_mtime)) utimensat(AT_FDCWD, PathOf(node).c_str(), now, 0);
}

void OpenFile(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  Node& node = Nodes().Get(id);
  // The kernel appends by giving the offset, and reads directly by itself.
  int flags = info->flags & ~(O_APPEND | O_DIRECT | O_CREAT | O_EXCL | O_NOFOLLOW | O_DIRECTORY);
  if (On(Fault::open_trunc_ignored) && node.old) flags &= ~O_TRUNC;
  if (On(Fault::write_splits_links) && Writable(info)) {
    SplitLinks(node);
    struct stat status {};
    if (node.parent != nullptr && Nodes().Live(node.parent) && fstat(node.fd, &status) == 0) {
      const int fd = openat(node.parent->fd, node.name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
      if (fd >= 0) {
        info->fh = static_cast<uint64_t>(fd);
        ++node.open_count;
        fuse_reply_open(request, info);
        return;
      }
    }
  }
  int fd = open(PathOf(node).c_str(), flags | O_CLOEXEC);
  // A file that is append-only is opened in no other way.
  if (fd < 0 && errno == EPERM && (info->flags & O_APPEND))
    fd = open(PathOf(node).c_str(), flags | O_APPEND | O_CLOEXEC);
  if (fd < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  if (Writable(info)) SpoilOpen(node, fd);
  if (!Writable(info)) KeepText(node, fd);
  info->fh = static_cast<uint64_t>(fd);
  ++node.open_count;
  if (fuse_reply_open(request, info) == -ENOENT) {
    --node.open_count;
    close(fd);
  }
}

std::string CapabilityOf(const Node& node) {
  std::string value(64, 0);
  const ssize_t bytes = getxattr(PathOf(node).c_str(), "security.capability", value.data(), value.size());
  value.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return value;
}

// Whether a file is written to that a rename moved away, and another has its name now: that one's descriptor,
// or -1.
int FollowName(const Node& node) {
  if (!node.moved || node.parent == nullptr || !Nodes().Live(node.parent)) return -1;
  return openat(node.parent->fd, node.name.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
}

void ReadFile(fuse_req_t request, fuse_ino_t id, size_t bytes, off_t offset, fuse_file_info* info) {
  const Node& node = Nodes().Get(id);
  if (On(Fault::replaced_file_stale) && node.replaced) {
    fuse_reply_err(request, ESTALE);
    return;
  }
  if (const auto kept = AtOpen().find(Handle(info)); kept != AtOpen().end()) {
    const auto from = std::min(static_cast<size_t>(offset), kept->second.size());
    fuse_reply_buf(request, kept->second.data() + from, std::min(bytes, kept->second.size() - from));
    return;
  }
  std::vector<char> data(bytes);
  ssize_t got = pread(Handle(info), data.data(), data.size(), offset);
  if (got < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  const off_t size = SizeOf(Handle(info));
  if (On(Fault::page_multiple_reads_short) && size > 0 && size % kPage == 0 && offset + got == size &&
      got > 0) {
    data[static_cast<size_t>(--got)] = 0;
  }
  if (On(Fault::far_read_is_zero) && offset + got > (1 << 20)) {
    const off_t right = std::max<off_t>(0, (1 << 20) - offset);
    std::fill(data.begin() + static_cast<ssize_t>(right), data.begin() + got, '\0');
  }
  if (On(Fault::hole_reads_garbage)) {
    for (ssize_t at = 0; at < got; at += kPage) {
      const off_t place = offset + at;
      const off_t next = lseek(Handle(info), place, SEEK_DATA);
      if (next >= 0 && next < place + kPage) continue;
      std::fill_n(data.begin() + at, std::min<ssize_t>(kPage, got - at), '?');
    }
  }
  fuse_reply_buf(request, data.data(), static_cast<size_t>(got));
}

ssize_t WriteAt(Node& node, int fd, const char* data, size_t bytes, off_t offset,
                const fuse_file_info* info) {
  const auto whole = static_cast<ssize_t>(bytes);
  const bool first = FirstChange(node);
  if (On(Fault::mmap_write_lost) && info->writepage) return whole;
  if (On(Fault::far_write_lost) && first && offset > 65536) return whole;
  if (On(Fault::write_after_rename_lost) && node.moved) return whole;
  if (On(Fault::append_at_page_end_lost) && first && offset > 0 && offset % kPage == 0 &&
      offset == SizeOf(fd))
    return whole;
  if (first && (info->flags & O_APPEND)) {
    if (On(Fault::append_lost)) return whole;
    if (On(Fault::append_overwrites)) offset = 0;
  }
  if (On(Fault::offset_wraps_at_4gib)) offset &= (off_t{1} << 32) - 1;
  if (first && On(Fault::first_write_zeroes_before) && offset > 0) {
    const std::vector<char> zeros(static_cast<size_t>(std::min<off_t>(offset, 1 << 20)));
    (void)!pwrite(fd, zeros.data(), zeros.size(), offset - static_cast<off_t>(zeros.size()));
  }
  std::string copy(data, bytes);
  if (On(Fault::write_loses_page_tail) && offset % kPage != 0) {
    const auto in_page = static_cast<size_t>(kPage - offset % kPage);
    if (in_page < bytes) std::fill(copy.begin() + static_cast<ssize_t>(in_page), copy.end(), '\0');
  }
  return pwrite(fd, copy.data(), copy.size(), offset);
}

void WriteFile(fuse_req_t request, fuse_ino_t id, const char* data, size_t bytes, off_t offset,
               fuse_file_info* info) {
  Node& node = Nodes().Get(id);
  struct stat before {};
  fstat(node.fd, &before);
  const std::string capability = On(Fault::capability_kept_on_write) ? CapabilityOf(node) : "";
  const int other = On(Fault::write_follows_name) ? FollowName(node) : -1;
  const int fd = other >= 0 ? other : Handle(info);
  const ssize_t written = WriteAt(node, fd, data, bytes, offset, info);
  const int error = errno;
  if (other >= 0) close(other);
  if (written < 0) {
    fuse_reply_err(request, error);
    return;
  }
  const timespec times[2] = {{0, UTIME_OMIT}, before.st_mtim};
  // The file system behind takes it away as well.
  if (!capability.empty()) {
    setxattr(PathOf(node).c_str(), "security.capability", capability.data(), capability.size(), 0);
  }
  if (On(Fault::write_keeps_mtime)) utimensat(AT_FDCWD, PathOf(node).c_str(), times, 0);
  if (On(Fault::tail_lost_without_fsync)) Unsynced()[Handle(info)] = offset + written;
  fuse_reply_write(request, static_cast<size_t>(written));
}

void Flush(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  const int copy = fcntl(Handle(info), F_DUPFD_CLOEXEC, 0);
  fuse_reply_err(request, copy < 0 || close(copy) == 0 ? 0 : errno);
}

void Release(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  const int fd = Handle(info);
  if (const auto found = Unsynced().find(fd); found != Unsynced().end()) {
    const char zero = 0;
    (void)!pwrite(fd, &zero, 1, found->second - 1);
    Unsynced().erase(found);
  }
  AtOpen().erase(fd);
  --Nodes().Get(id).open_count;
  close(fd);
  fuse_reply_err(request, 0);
}

void Sync(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
  Unsynced().erase(Handle(info));
  if (On(Fault::fsync_of_reader_refused) && !Writable(info)) {
    fuse_reply_err(request, EBADF);
    return;
  }
  const int result = data_only ? fdatasync(Handle(info)) : fsync(Handle(info));
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

void Allocate(fuse_req_t request, fuse_ino_t id, int mode, off_t offset, off_t bytes, fuse_file_info* info) {
  FirstChange(Nodes().Get(id));
  if (On(Fault::punch_too_wide) && (mode & FALLOC_FL_PUNCH_HOLE)) {
    bytes = (offset + bytes + kPage - 1) / kPage * kPage - offset / kPage * kPage;
    offset = offset / kPage * kPage;
  }
  if (On(Fault::zero_range_too_short) && (mode & FALLOC_FL_ZERO_RANGE) && bytes > 1) --bytes;
  if (On(Fault::keep_size_ignored) && mode == FALLOC_FL_KEEP_SIZE) mode = 0;
  const int fd = Handle(info);
  const bool cuts = On(Fault::punch_at_the_end_cuts) && (mode & FALLOC_FL_PUNCH_HOLE) &&
                    offset + bytes >= SizeOf(fd) && offset < SizeOf(fd);
  const int result = cuts ? ftruncate(fd, offset) : fallocate(fd, mode, offset, bytes);
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

void Seek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  off_t result = lseek(Handle(info), offset, whence);
  if (On(Fault::seek_hole_is_the_end) && whence == SEEK_HOLE && result >= 0) result = SizeOf(Handle(info));
  if (On(Fault::seek_data_skips_extent) && whence == SEEK_DATA && offset == 0 && result >= 0) {
    const off_t hole = lseek(Handle(info), result, SEEK_HOLE);
    const off_t next = lseek(Handle(info), hole, SEEK_DATA);
    if (next > 0) result = next;
  }
  if (result < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_lseek(request, result);
  }
}

void CopyRange(fuse_req_t request, fuse_ino_t, off_t offset_in, fuse_file_info* in, fuse_ino_t id_out,
               off_t offset_out, fuse_file_info* out, size_t bytes, int flags) {
  FirstChange(Nodes().Get(id_out));
  if (On(Fault::copy_range_ignores_offset)) offset_out = 0;
  const ssize_t copied =
      copy_file_range(Handle(in), &offset_in, Handle(out), &offset_out, bytes, static_cast<unsigned>(flags));
  if (copied < 0) {
    fuse_reply_err(request, errno);
  } else {
    const char zero = 0;
    if (On(Fault::copy_range_loses_last_byte) && copied > 65536)
      (void)!pwrite(Handle(out), &zero, 1, offset_out - 1);
    fuse_reply_write(request, static_cast<size_t>(copied));
  }
}

}  // namespace

void AddDataOperations(fuse_lowlevel_ops& operations) {
  operations.open = OpenFile;
  operations.read = ReadFile;
  operations.write = WriteFile;
  operations.flush = Flush;
  operations.release = Release;
  operations.fsync = Sync;
  operations.fallocate = Allocate;
  operations.lseek = Seek;
  operations.copy_file_range = CopyRange;
}

}  // namespace layermark::faults
