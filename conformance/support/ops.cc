#include "conformance/support/ops.h"

#include <dirent.h>
#include <fmt/core.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <ctime>
#include <utility>

#include "core/result.h"
#include "core/sys/owners.h"
#include "core/tree/manifest.h"

namespace layermark {
namespace {

// POSIX lets a directory that is not empty be told by either error; XFS says EEXIST where others say
// ENOTEMPTY.
int NotEmpty(int error) {
  return error == EEXIST ? ENOTEMPTY : error;
}

constexpr size_t kShownBytes = 48;

// Content for a log line: short text as it is, long or binary content shortened with its digest.
std::string Quote(std::string_view data) {
  std::string out = "\"";
  for (size_t i = 0; i < std::min(data.size(), kShownBytes); ++i) {
    const unsigned char c = static_cast<unsigned char>(data[i]);
    if (c == '"' || c == '\\') {
      out += fmt::format("\\{}", static_cast<char>(c));
    } else if (std::isprint(c) != 0) {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("\\x{:02x}", c);
    }
  }
  out += '"';
  if (data.size() > kShownBytes) out += fmt::format("... {} bytes {}", data.size(), Sha256(data));
  return out;
}

int FromStatus(const Status& status) {
  if (status.ok()) return 0;
  return status.error_number() != 0 ? status.error_number() : EPROTO;
}

std::string AttributesText(const struct stat& st) {
  const FileType type = FileTypeFromMode(st.st_mode);
  std::string text =
      fmt::format("{} {:04o} {}:{}", FileTypeName(type), st.st_mode & 07777, st.st_uid, st.st_gid);
  if (type == FileType::kRegular || type == FileType::kSymlink) text += fmt::format(" {} bytes", st.st_size);
  if (type == FileType::kCharDevice || type == FileType::kBlockDevice)
    text += fmt::format(" rdev {:#x}", st.st_rdev);
  return text;
}

int Sys(int result) {
  return result < 0 ? errno : 0;
}

const char* At(const std::string& path) {
  return path.empty() ? "." : path.c_str();
}

}  // namespace

std::string ToString(const Observation& o) {
  std::string text = fmt::format("{} -> {}", o.step, o.error == 0 ? "ok" : ErrnoName(o.error));
  if (!o.seen.empty()) text += fmt::format(" {}", o.seen);
  return text;
}

Ops::Ops(int root_fd) {
  Result<Fd> root = OpenAt(root_fd, ".", O_RDONLY | O_DIRECTORY);
  if (root.ok()) root_ = std::move(root).value();
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  began_ns_ = now.tv_sec * 1'000'000'000 - 1'000'000'000;
}

int Ops::Record(std::string step, int error, std::string seen) {
  log_.push_back({std::move(step), error, std::move(seen)});
  return error;
}

int Ops::Do(const std::string& step, const std::function<int(std::string&)>& call) {
  std::string seen;
  const int error = call(seen);
  return Record(step, error, std::move(seen));
}

// --- Whole files ---

int Ops::Create(const std::string& path, std::string_view data, mode_t mode) {
  Result<Fd> fd = OpenAt(root_.get(), path, O_CREAT | O_EXCL | O_WRONLY, mode);
  int error = FromStatus(fd.status());
  if (error == 0) error = FromStatus(WriteAll(fd->get(), data));
  if (error == 0) error = Sys(fchmod(fd->get(), mode));
  return Record(fmt::format("create({}, {})", path, Quote(data)), error);
}

int Ops::WriteFile(const std::string& path, std::string_view data) {
  Result<Fd> fd = OpenAt(root_.get(), path, O_WRONLY | O_TRUNC);
  int error = FromStatus(fd.status());
  if (error == 0) error = FromStatus(WriteAll(fd->get(), data));
  return Record(fmt::format("write({}, {})", path, Quote(data)), error);
}

int Ops::Append(const std::string& path, std::string_view data) {
  Result<Fd> fd = OpenAt(root_.get(), path, O_WRONLY | O_APPEND);
  int error = FromStatus(fd.status());
  if (error == 0) error = FromStatus(WriteAll(fd->get(), data));
  return Record(fmt::format("append({}, {})", path, Quote(data)), error);
}

int Ops::Overwrite(const std::string& path, int64_t offset, std::string_view data) {
  Result<Fd> fd = OpenAt(root_.get(), path, O_WRONLY);
  int error = FromStatus(fd.status());
  if (error == 0) error = FromStatus(PWriteAll(fd->get(), data, offset));
  return Record(fmt::format("pwrite({}, {}, {})", path, offset, Quote(data)), error);
}

int Ops::Truncate(const std::string& path, int64_t size) {
  Result<Fd> fd = OpenAt(root_.get(), path, O_WRONLY);
  int error = FromStatus(fd.status());
  if (error == 0) error = Sys(ftruncate(fd->get(), size));
  return Record(fmt::format("truncate({}, {})", path, size), error);
}

std::string Ops::Read(const std::string& path, size_t max_bytes) {
  Result<std::string> data = ReadFileAt(root_.get(), path, max_bytes);
  Record(fmt::format("read({})", path), FromStatus(data.status()), data.ok() ? Quote(*data) : "");
  return data.ok() ? *data : "";
}

int Ops::Checksum(const std::string& path) {
  Result<Fd> fd = OpenAt(root_.get(), path, O_RDONLY);
  std::string seen;
  int error = FromStatus(fd.status());
  if (error == 0) {
    Result<std::string> digest = Sha256File(fd->get());
    error = FromStatus(digest.status());
    if (digest.ok()) seen = *digest;
  }
  return Record(fmt::format("checksum({})", path), error, seen);
}

// --- Names ---

int Ops::Mkdir(const std::string& path, mode_t mode) {
  int error = Sys(mkdirat(root_.get(), At(path), mode));
  if (error == 0) error = Sys(fchmodat(root_.get(), At(path), mode, 0));
  return Record(fmt::format("mkdir({}, {:04o})", path, mode), error);
}

int Ops::Rmdir(const std::string& path) {
  return Record(fmt::format("rmdir({})", path), NotEmpty(Sys(unlinkat(root_.get(), At(path), AT_REMOVEDIR))));
}

int Ops::Unlink(const std::string& path) {
  return Record(fmt::format("unlink({})", path), Sys(unlinkat(root_.get(), At(path), 0)));
}

int Ops::Rename(const std::string& from, const std::string& to, unsigned flags) {
  int error = Sys(renameat2(root_.get(), At(from), root_.get(), At(to), flags));
  if (flags == 0) error = NotEmpty(error);
  return Record(flags == 0 ? fmt::format("rename({}, {})", from, to)
                           : fmt::format("rename({}, {}, flags {:#x})", from, to, flags),
                error);
}

int Ops::Link(const std::string& existing, const std::string& path) {
  return Record(fmt::format("link({}, {})", existing, path),
                Sys(linkat(root_.get(), At(existing), root_.get(), At(path), 0)));
}

int Ops::Symlink(const std::string& target, const std::string& path) {
  return Record(fmt::format("symlink({}, {})", target.size() > 80 ? "..." : target, path),
                Sys(symlinkat(target.c_str(), root_.get(), At(path))));
}

int Ops::Mknod(const std::string& path, mode_t type_and_mode, dev_t rdev) {
  int error = Sys(mknodat(root_.get(), At(path), type_and_mode, rdev));
  if (error == 0) error = Sys(fchmodat(root_.get(), At(path), type_and_mode & 07777, 0));
  return Record(fmt::format("mknod({}, {:#o}, {:#x})", path, type_and_mode, rdev), error);
}

int Ops::ReadLink(const std::string& path) {
  Result<std::string> target = ReadLinkAt(root_.get(), path);
  return Record(fmt::format("readlink({})", path), FromStatus(target.status()),
                target.ok() ? Quote(*target) : "");
}

int Ops::List(const std::string& path) {
  Result<std::vector<std::string>> names = ListDir(root_.get(), At(path));
  std::string seen;
  if (names.ok()) {
    std::string text;
    for (const std::string& name : *names) {
      struct stat st {};
      const std::string full = path.empty() ? name : path + "/" + name;
      const int error = Sys(fstatat(root_.get(), full.c_str(), &st, AT_SYMLINK_NOFOLLOW));
      if (!text.empty()) text += ' ';
      text += fmt::format(
          "{}:{}", name,
          error == 0 ? std::string(FileTypeName(FileTypeFromMode(st.st_mode))) : ErrnoName(error));
    }
    seen = text.size() <= 400 ? "[" + text + "]" : fmt::format("[{} names, {}]", names->size(), Sha256(text));
  }
  return Record(fmt::format("list({})", path), FromStatus(names.status()), seen);
}

int Ops::RemoveAll(const std::string& path) {
  return Record(fmt::format("rm -rf {}", path), FromStatus(RemoveTreeAt(root_.get(), path)));
}

// --- Attributes ---

int Ops::Stat(const std::string& path) {
  struct stat st {};
  const int error = Sys(fstatat(root_.get(), At(path), &st, AT_SYMLINK_NOFOLLOW));
  return Record(fmt::format("stat({})", path), error, error == 0 ? AttributesText(st) : "");
}

int Ops::StatLinks(const std::string& path) {
  struct stat st {};
  const int error = Sys(fstatat(root_.get(), At(path), &st, AT_SYMLINK_NOFOLLOW));
  return Record(fmt::format("nlink({})", path), error,
                error == 0 ? fmt::format("{} links", st.st_nlink) : "");
}

int Ops::StatTimes(const std::string& path) {
  constexpr int64_t kDayNs = 86'400'000'000'000;  // later ones were set, not made by the case
  struct stat st {};
  const int error = Sys(fstatat(root_.get(), At(path), &st, AT_SYMLINK_NOFOLLOW));
  std::string seen;
  if (error == 0) {
    const int64_t ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
    seen = ns >= began_ns_ && ns - began_ns_ < kDayNs
               ? "mtime now"
               : fmt::format("mtime {}.{:09}", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  }
  return Record(fmt::format("times({})", path), error, seen);
}

bool Ops::SameFile(const std::string& a, const std::string& b) {
  struct stat x {};
  struct stat y {};
  int error = Sys(fstatat(root_.get(), At(a), &x, AT_SYMLINK_NOFOLLOW));
  if (error == 0) error = Sys(fstatat(root_.get(), At(b), &y, AT_SYMLINK_NOFOLLOW));
  const bool same = error == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
  Record(fmt::format("same_file({}, {})", a, b), error, same ? "same" : "different");
  return same;
}

int Ops::Access(const std::string& path, int mode) {
  return Record(fmt::format("access({}, {})", path, mode),
                Sys(faccessat(root_.get(), At(path), mode, AT_EACCESS)));
}

int Ops::Chmod(const std::string& path, mode_t mode) {
  return Record(fmt::format("chmod({}, {:04o})", path, mode), Sys(fchmodat(root_.get(), At(path), mode, 0)));
}

int Ops::Chown(const std::string& path, int64_t uid, int64_t gid) {
  return Record(fmt::format("chown({}, {}, {})", path, uid, gid),
                Sys(ChownAt(root_.get(), At(path), static_cast<uid_t>(uid), static_cast<gid_t>(gid),
                            AT_SYMLINK_NOFOLLOW)));
}

int Ops::Utimens(const std::string& path, int64_t atime_ns, int64_t mtime_ns) {
  auto spec = [](int64_t ns) {
    if (ns == UTIME_OMIT || ns == UTIME_NOW) return timespec{0, ns};
    return timespec{ns / 1'000'000'000, ns % 1'000'000'000};
  };
  const timespec times[2] = {spec(atime_ns), spec(mtime_ns)};
  return Record(fmt::format("utimens({}, {}, {})", path, atime_ns, mtime_ns),
                Sys(utimensat(root_.get(), At(path), times, AT_SYMLINK_NOFOLLOW)));
}

int Ops::SetXattr(const std::string& path, const std::string& name, std::string_view value, int flags) {
  return Record(fmt::format("setxattr({}, {}, {})", path, name, Quote(value)),
                FromStatus(SetXattrAt(root_.get(), path, name, value, flags)));
}

int Ops::GetXattr(const std::string& path, const std::string& name) {
  Result<std::string> value = GetXattrAt(root_.get(), path, name);
  return Record(fmt::format("getxattr({}, {})", path, name), FromStatus(value.status()),
                value.ok() ? Quote(*value) : "");
}

int Ops::ListXattr(const std::string& path) {
  Result<std::vector<Xattr>> xattrs = ListXattrsAt(root_.get(), path);
  std::string seen;
  if (xattrs.ok()) {
    for (const Xattr& x : *xattrs) {
      if (x.name == "security.selinux") continue;
      seen += fmt::format("{}{}", seen.empty() ? "" : " ", x.name);
    }
    seen = "[" + seen + "]";
  }
  return Record(fmt::format("listxattr({})", path), FromStatus(xattrs.status()), seen);
}

int Ops::RemoveXattr(const std::string& path, const std::string& name) {
  return Record(fmt::format("removexattr({}, {})", path, name),
                FromStatus(RemoveXattrAt(root_.get(), path, name)));
}

// --- Descriptors ---

int Ops::Open(const std::string& handle, const std::string& path, int flags, mode_t mode) {
  Result<Fd> opened = OpenAt(root_.get(), At(path), flags, mode);
  const int error = FromStatus(opened.status());
  if (error == 0) handles_[handle] = std::move(opened).value();
  return Record(fmt::format("{} = open({}, {:#o})", handle, path, flags), error);
}

int Ops::fd(const std::string& handle) const {
  const auto it = handles_.find(handle);
  return it == handles_.end() ? -1 : it->second.get();
}

int Ops::Close(const std::string& handle) {
  const auto it = handles_.find(handle);
  if (it == handles_.end()) return Record(fmt::format("close({})", handle), EBADF);
  const int error = FromStatus(it->second.Close());
  handles_.erase(it);
  return Record(fmt::format("close({})", handle), error);
}

int Ops::PRead(const std::string& handle, int64_t offset, size_t bytes) {
  std::string data(bytes, '\0');
  const ssize_t got = pread(fd(handle), data.data(), bytes, offset);
  const int error = got < 0 ? errno : 0;
  data.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return Record(fmt::format("pread({}, {}, {})", handle, offset, bytes), error,
                error == 0 ? Quote(data) : "");
}

int Ops::PWrite(const std::string& handle, int64_t offset, std::string_view data) {
  return Record(fmt::format("pwrite({}, {}, {})", handle, offset, Quote(data)),
                FromStatus(PWriteAll(fd(handle), data, offset)));
}

int Ops::FStat(const std::string& handle) {
  struct stat st {};
  const int error = Sys(fstat(fd(handle), &st));
  return Record(fmt::format("fstat({})", handle), error, error == 0 ? AttributesText(st) : "");
}

int Ops::FStatLinks(const std::string& handle) {
  struct stat st {};
  const int error = Sys(fstat(fd(handle), &st));
  return Record(fmt::format("fnlink({})", handle), error,
                error == 0 ? fmt::format("{} links", st.st_nlink) : "");
}

int Ops::FTruncate(const std::string& handle, int64_t size) {
  return Record(fmt::format("ftruncate({}, {})", handle, size), Sys(ftruncate(fd(handle), size)));
}

int Ops::FChmod(const std::string& handle, mode_t mode) {
  return Record(fmt::format("fchmod({}, {:04o})", handle, mode), Sys(fchmod(fd(handle), mode)));
}

int Ops::FChown(const std::string& handle, int64_t uid, int64_t gid) {
  return Record(fmt::format("fchown({}, {}, {})", handle, uid, gid),
                Sys(ChownFd(fd(handle), static_cast<uid_t>(uid), static_cast<gid_t>(gid))));
}

int Ops::FAllocate(const std::string& handle, int mode, int64_t offset, int64_t bytes) {
  return Record(fmt::format("fallocate({}, {:#x}, {}, {})", handle, mode, offset, bytes),
                Sys(fallocate(fd(handle), mode, offset, bytes)));
}

int Ops::FSync(const std::string& handle) {
  return Record(fmt::format("fsync({})", handle), Sys(fsync(fd(handle))));
}

int Ops::Seek(const std::string& handle, int64_t offset, int whence) {
  const off_t at = lseek(fd(handle), offset, whence);
  return Record(fmt::format("lseek({}, {}, {})", handle, offset, whence), at < 0 ? errno : 0,
                at < 0 ? "" : fmt::format("at {}", at));
}

void Ops::AsUser(uid_t uid, gid_t gid, const std::function<void()>& body) {
  // setfsuid drops the file-system capabilities (CAP_DAC_OVERRIDE and its kin) while the fsuid is not 0.
  (void)OwnerIsMapped(uid, gid);  // otherwise the two calls do nothing, and say nothing
  const int old_gid = setfsgid(gid);
  const int old_uid = setfsuid(uid);
  body();
  setfsuid(static_cast<uid_t>(old_uid));
  setfsgid(static_cast<gid_t>(old_gid));
}

}  // namespace layermark
