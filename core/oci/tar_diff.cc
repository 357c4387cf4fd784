// Writing the layer between two trees. Each directory's whiteouts come right after the directory, before
// its other names (L30); no opaque marker is written: a directory that replaced another is told by the
// whiteouts of what is missing, and one that replaced something else by its entry alone (L48). Holes are
// written as zeros (L3).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "core/oci/diff_scan.h"
#include "core/oci/layer_tar.h"
#include "core/oci/tar_header.h"
#include "core/tree/sha256.h"

namespace layermark {
namespace {

constexpr size_t kBufferBytes = 512 * 1024;

// Bytes to the tar in big writes, hashed on the way.
class TarOut {
 public:
  explicit TarOut(int fd) : fd_(fd) { buffer_.reserve(kBufferBytes); }
  Status Put(std::string_view data) {
    digest_.Update(data);
    if (buffer_.size() + data.size() > kBufferBytes) LM_TRY(Flush());
    if (data.size() >= kBufferBytes) return WriteAll(fd_, data);
    buffer_ += data;
    return Status::Ok();
  }
  Status Pad(int64_t size) { return Put(std::string(TarPadding(size), '\0')); }
  Result<std::string> Finish() {
    LM_TRY(Put(std::string(2 * kTarBlock, '\0')));
    LM_TRY(Flush());
    return digest_.Finish();
  }

 private:
  Status Flush() {
    const Status status = WriteAll(fd_, buffer_);
    buffer_.clear();
    return status;
  }
  int fd_;
  std::string buffer_;
  Sha256Stream digest_;
};

class DiffWriter {
 public:
  DiffWriter(TreeCursor upper, int tar_fd, const DiffOptions& options)
      : upper_(std::move(upper)), out_(tar_fd), options_(options), chunk_(256 * 1024) {}
  Result<DiffResult> Write(const DiffPlan& plan);

 private:
  Status WriteNode(const DiffNode& node);
  Status WriteContent(int dir_fd, const std::string& name, const DiffNode& node);

  TreeCursor upper_;
  TarOut out_;
  const DiffOptions& options_;
  std::vector<char> chunk_;
  std::map<std::pair<dev_t, ino_t>, std::string> written_;  // inode with more names: the first one's path
};

Result<DiffResult> DiffWriter::Write(const DiffPlan& plan) {
  DiffResult result;
  result.skipped_sockets = plan.skipped_sockets;
  for (const DiffNode& node : plan.nodes) {
    if (!node.emit) continue;
    ++result.entries;
    result.whiteouts += node.whiteout ? 1 : 0;
    LM_TRY(WriteNode(node).WithContext("diff of " + (node.path.empty() ? "the root" : node.path)));
  }
  LM_ASSIGN(result.digest, out_.Finish());
  return result;
}

Status DiffWriter::WriteNode(const DiffNode& node) {
  TarEntry entry;
  entry.path = node.path;
  if (node.whiteout) {  // L31
    entry.mode = 0;
    entry.mtime_ns = 0;
    return out_.Put(TarHeaderBytes(entry, 0));
  }
  const struct stat& st = node.upper;
  const size_t slash = node.path.rfind('/');
  const std::string name = node.path.empty()            ? "."
                           : slash == std::string::npos ? node.path
                                                        : node.path.substr(slash + 1);
  LM_ASSIGN(const int dir_fd, upper_.Goto(slash == std::string::npos ? "" : node.path.substr(0, slash)));
  entry.mode = st.st_mode & 07777;
  entry.uid = st.st_uid;
  entry.gid = st.st_gid;
  entry.mtime_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
  switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
      entry.typeflag = '5';
      entry.path = node.path.empty() ? "./" : node.path + "/";
      break;
    case S_IFLNK: {
      entry.typeflag = '2';
      LM_ASSIGN(entry.link_target, ReadLinkAt(dir_fd, name));
      break;
    }
    case S_IFCHR:
    case S_IFBLK:
      entry.typeflag = S_ISCHR(st.st_mode) ? '3' : '4';
      entry.dev_major = major(st.st_rdev);
      entry.dev_minor = minor(st.st_rdev);
      break;
    case S_IFIFO:
      entry.typeflag = '6';
      break;
    default:
      entry.typeflag = '0';
  }
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
    const auto [first, is_new] = written_.try_emplace({st.st_dev, st.st_ino}, node.path);
    if (!is_new) {  // L36: the target is always the entry that holds the file
      entry.typeflag = '1';
      entry.link_target = first->second;
      entry.dev_major = entry.dev_minor = 0;
      return out_.Put(TarHeaderBytes(entry, 0));
    }
  }
  LM_ASSIGN(entry.xattrs, LayerXattrs(dir_fd, name, options_));
  const int64_t size = S_ISREG(st.st_mode) ? st.st_size : 0;
  LM_TRY(out_.Put(TarHeaderBytes(entry, size)));
  return size > 0 ? WriteContent(dir_fd, name, node) : Status::Ok();
}

Status DiffWriter::WriteContent(int dir_fd, const std::string& name, const DiffNode& node) {
  LM_ASSIGN(const Fd file, OpenAt(dir_fd, name, O_RDONLY | O_NOFOLLOW));
  const int64_t size = node.upper.st_size;
  for (int64_t done = 0; done < size;) {
    const auto want =
        static_cast<size_t>(std::min<int64_t>(size - done, static_cast<int64_t>(chunk_.size())));
    const ssize_t n = read(file.get(), chunk_.data(), want);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Errno("read", node.path);
    if (n == 0) return Status(Code::kAborted, "the file became shorter while it was read");
    LM_TRY(out_.Put({chunk_.data(), static_cast<size_t>(n)}));
    done += n;
  }
  return out_.Pad(size);
}

}  // namespace

Result<DiffResult> DiffToTar(int lower_fd, int upper_fd, int tar_fd, const DiffOptions& options) {
  LM_ASSIGN(const DiffPlan plan, ScanDifferences(lower_fd, upper_fd, options));
  LM_ASSIGN(TreeCursor upper, TreeCursor::Create(upper_fd));
  return DiffWriter(std::move(upper), tar_fd, options).Write(plan);
}

}  // namespace layermark
