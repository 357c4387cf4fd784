#include "drivers/support/copy_engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/sys/fd.h"
#include "drivers/support/open_below.h"

namespace layermark {
namespace {

constexpr size_t kEntryBufferBytes = size_t{64} << 10;
constexpr mode_t kPermissions = 07777;
constexpr mode_t kSpecialBits = 07000;

// What a directory's own attributes will be once its entries are there.
struct Attributes {
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  timespec times[2] = {};  // atime, mtime
};

Attributes AttributesOf(const struct stat& st) {
  return {st.st_mode & kPermissions, st.st_uid, st.st_gid, {st.st_atim, st.st_mtim}};
}

struct Directory {
  std::string path;  // relative to the root; "" is the root
  Attributes attributes;
};

// The first name of each inode that has several, so that the others become links to it.
class LinkTable {
 public:
  // Empty: the caller makes this inode, as `path`, and then calls Made. Otherwise the path to link to; waits
  // while another thread makes it. nullopt: the copy was stopped.
  std::optional<std::string> Claim(const struct stat& st, const std::string& path) {
    std::unique_lock lock(mutex_);
    auto [it, first] = entries_.try_emplace({st.st_dev, st.st_ino}, Entry{path, false});
    if (first) return std::string();
    // While the lock is given up others may add entries: references stay valid then, iterators do not.
    const Entry& entry = it->second;
    made_.wait(lock, [&] { return entry.made || stopped_; });
    if (stopped_) return std::nullopt;
    return entry.path;
  }
  void Made(const struct stat& st) {
    std::lock_guard lock(mutex_);
    entries_.at({st.st_dev, st.st_ino}).made = true;
    made_.notify_all();
  }
  void Stop() {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    made_.notify_all();
  }

 private:
  struct Entry {
    std::string path;
    bool made = false;
  };
  struct Hash {
    size_t operator()(const std::pair<dev_t, ino_t>& key) const {
      return std::hash<uint64_t>()(key.second * 0x9E3779B97F4A7C15u ^ key.first);
    }
  };
  std::mutex mutex_;
  std::condition_variable made_;
  bool stopped_ = false;
  std::unordered_map<std::pair<dev_t, ino_t>, Entry, Hash> entries_;
};

// What the threads share: the directories still to copy, the links, and the first failure.
struct Job {
  int from = -1;
  int to = -1;
  CopyMethod method = CopyMethod::kBytes;
  // What a new inode's owner is without a chown; (uid_t)-1: unknown, so chown always.
  uid_t born_uid = 0;
  gid_t born_gid = 0;
  LinkTable links;

  // The next directory, or nullopt when all is done or the copy failed.
  std::optional<Directory> Take() {
    std::unique_lock lock(mutex_);
    --busy_;
    wake_.wait(lock, [this] { return stopped_ || !pending_.empty() || busy_ == 0; });
    if (stopped_ || pending_.empty()) {
      wake_.notify_all();
      return std::nullopt;
    }
    ++busy_;
    Directory next = std::move(pending_.back());
    pending_.pop_back();
    return next;
  }
  void Add(Directory directory) {
    std::lock_guard lock(mutex_);
    pending_.push_back(std::move(directory));
    wake_.notify_one();
  }
  // Each thread is busy from its start until its first Take.
  void Enter() {
    std::lock_guard lock(mutex_);
    ++busy_;
  }
  void Fail(const Status& status) {
    {
      std::lock_guard lock(mutex_);
      if (!stopped_) failure_ = status;
      stopped_ = true;
      wake_.notify_all();
    }
    links.Stop();
  }
  void Count(const CopyCounts& counts) {
    std::lock_guard lock(mutex_);
    counts_.directories += counts.directories;
    counts_.files += counts.files;
    counts_.symlinks += counts.symlinks;
    counts_.specials += counts.specials;
    counts_.links += counts.links;
    counts_.data_bytes += counts.data_bytes;
  }
  // REQUIRES: all threads have ended.
  const Status& failure() const { return failure_; }
  const CopyCounts& counts() const { return counts_; }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Directory> pending_;
  int busy_ = 0;
  bool stopped_ = false;
  Status failure_;
  CopyCounts counts_;
};

struct Name {
  ino_t inode = 0;
  unsigned char type = 0;
  size_t offset = 0;  // into the names' text
};

// One thread of the copy.
class Worker {
 public:
  explicit Worker(Job& job) : job_(job), copier_(job.method), entries_(kEntryBufferBytes) {}

  // To the end of the job; a failure is told to the job.
  void Run();

 private:
  Status CopyDirectory(const Directory& directory);
  Status ReadNames(int fd);
  Status CopyEntry(const Name& entry, const char* name);
  Status LinkToSource(const char* name);
  Status CopyRegular(const char* name);
  Status CopyOther(const char* name);
  Status MakeSymlink(const char* name, const struct stat& st);
  Status CopyAttributesAt(const char* name, const struct stat& st);
  // True where `name` was made as a further name of an inode that is there already.
  Result<bool> LinkInstead(const char* name, const struct stat& st);
  bool OwnerIsRight(uid_t uid, gid_t gid) const { return uid == job_.born_uid && gid == job_.born_gid; }
  std::string PathOf(const char* name) const { return path_->empty() ? name : *path_ + '/' + name; }

  Job& job_;
  FileCopier copier_;
  CopyCounts counts_;
  // The directory at hand.
  const std::string* path_ = nullptr;
  int from_ = -1;
  int to_ = -1;
  std::vector<char> entries_;
  std::vector<Name> names_;
  std::string text_;
};

void Worker::Run() {
  // A umask of its own makes every mode exact at creation; a working directory of its own serves xattrs of
  // symlinks.
  if (unshare(CLONE_FS) != 0) {
    job_.Fail(Status::Errno("unshare CLONE_FS", "", errno));
    return;
  }
  umask(0);
  while (auto directory = job_.Take()) {
    if (Status status = CopyDirectory(*directory); !status.ok()) {
      job_.Fail(status.WithContext("copy " + (directory->path.empty() ? "." : directory->path)));
      return;
    }
  }
  job_.Count(counts_);
}

Status Worker::CopyDirectory(const Directory& directory) {
  LM_ASSIGN(Fd from, OpenBelow(job_.from, directory.path, O_NOATIME));
  LM_ASSIGN(Fd to, OpenBelow(job_.to, directory.path, 0));
  path_ = &directory.path;
  from_ = from.get();
  to_ = to.get();
  LM_TRY(ReadNames(from_));
  for (const Name& entry : names_) {
    const char* name = text_.c_str() + entry.offset;
    if (Status status = CopyEntry(entry, name); !status.ok()) return status.WithContext(name);
  }
  // Nothing adds to this directory any more: its sub-directories exist, and what goes on below them leaves it
  // alone.
  const Attributes& wanted = directory.attributes;
  bool root = directory.path.empty();
  if ((root || !OwnerIsRight(wanted.uid, wanted.gid)) && fchown(to_, wanted.uid, wanted.gid) != 0) {
    return Status::Errno("fchown", "", errno);
  }
  if ((root || (wanted.mode & kSpecialBits) != 0) && fchmod(to_, wanted.mode) != 0) {
    return Status::Errno("fchmod", "", errno);
  }
  LM_TRY(copier_.CopyXattrs(from_, to_));
  if (root) LM_TRY(copier_.RemoveOtherXattrs(from_, to_));
  if (futimens(to_, wanted.times) != 0) return Status::Errno("futimens", "", errno);
  ++counts_.directories;
  return Status::Ok();
}

Status Worker::ReadNames(int fd) {
  names_.clear();
  text_.clear();
  for (;;) {
    ssize_t n = getdents64(fd, entries_.data(), entries_.size());
    if (n < 0) return Status::Errno("getdents64", "", errno);
    if (n == 0) break;
    for (ssize_t at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(entries_.data() + at);
      at += entry->d_reclen;
      std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      names_.push_back({entry->d_ino, entry->d_type, text_.size()});
      text_.append(name).push_back('\0');
    }
  }
  // In the order of the inode table: a cold source is read nearly sequentially.
  std::sort(names_.begin(), names_.end(), [](const Name& a, const Name& b) { return a.inode < b.inode; });
  return Status::Ok();
}

Status Worker::CopyEntry(const Name& entry, const char* name) {
  if (job_.method == CopyMethod::kHardLink && entry.type != DT_DIR && entry.type != DT_UNKNOWN)
    return LinkToSource(name);
  return entry.type == DT_REG ? CopyRegular(name) : CopyOther(name);
}

Status Worker::LinkToSource(const char* name) {
  // Not across a mount, and not through a symlink: a link to a symlink is one more name of the symlink.
  if (linkat(from_, name, to_, name, 0) != 0) return Status::Errno("linkat", "", errno);
  ++counts_.links;
  return Status::Ok();
}

Status Worker::CopyRegular(const char* name) {
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  Fd from(openat(from_, name, flags | O_NOATIME));
  if (!from.valid() && errno == EPERM) from = Fd(openat(from_, name, flags));
  if (!from.valid()) return Status::Errno("openat", "", errno);
  struct stat st;
  if (fstat(from.get(), &st) != 0) return Status::Errno("fstat", "", errno);
  if (!S_ISREG(st.st_mode)) return {Code::kAborted, "the source changed while it was copied"};
  LM_ASSIGN(bool linked, LinkInstead(name, st));
  if (linked) return Status::Ok();

  mode_t mode = st.st_mode & kPermissions;
  Fd to(openat(to_, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & ~kSpecialBits));
  if (!to.valid()) return Status::Errno("openat O_CREAT", "", errno);
  LM_ASSIGN(int64_t bytes, copier_.CopyData(from.get(), to.get(), st.st_size));
  if (!OwnerIsRight(st.st_uid, st.st_gid) && fchown(to.get(), st.st_uid, st.st_gid) != 0) {
    return Status::Errno("fchown", "", errno);
  }
  // After the chown, which clears set-uid, set-gid and file capabilities.
  if ((mode & kSpecialBits) != 0 && fchmod(to.get(), mode) != 0) return Status::Errno("fchmod", "", errno);
  LM_TRY(copier_.CopyXattrs(from.get(), to.get()));
  struct timespec times[2] = {st.st_atim, st.st_mtim};
  if (futimens(to.get(), times) != 0) return Status::Errno("futimens", "", errno);
  if (st.st_nlink > 1) job_.links.Made(st);
  ++counts_.files;
  counts_.data_bytes += bytes;
  return Status::Ok();
}

Status Worker::CopyOther(const char* name) {
  struct stat st;
  if (fstatat(from_, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("fstatat", "", errno);
  if (!S_ISDIR(st.st_mode) && job_.method == CopyMethod::kHardLink) return LinkToSource(name);
  if (S_ISREG(st.st_mode)) return CopyRegular(name);  // a file system that leaves d_type open
  if (S_ISDIR(st.st_mode)) {
    // Without set-gid and sticky until it is filled: set-gid would give its group to what is made in it.
    if (mkdirat(to_, name, st.st_mode & kPermissions & ~kSpecialBits) != 0)
      return Status::Errno("mkdirat", "", errno);
    job_.Add({PathOf(name), AttributesOf(st)});
    return Status::Ok();
  }
  LM_ASSIGN(bool linked, LinkInstead(name, st));
  if (linked) return Status::Ok();
  if (S_ISLNK(st.st_mode)) {
    LM_TRY(MakeSymlink(name, st));
    ++counts_.symlinks;
  } else {
    mode_t mode = st.st_mode & (S_IFMT | kPermissions);
    if (mknodat(to_, name, mode, st.st_rdev) != 0) return Status::Errno("mknodat", "", errno);
    ++counts_.specials;
  }
  LM_TRY(CopyAttributesAt(name, st));
  if (st.st_nlink > 1) job_.links.Made(st);
  return Status::Ok();
}

Status Worker::MakeSymlink(const char* name, const struct stat& st) {
  char target[PATH_MAX];
  ssize_t n = readlinkat(from_, name, target, sizeof target - 1);
  if (n < 0) return Status::Errno("readlinkat", "", errno);
  target[n] = '\0';
  if (n != st.st_size && st.st_size != 0) return {Code::kAborted, "the source changed while it was copied"};
  if (symlinkat(target, to_, name) != 0) return Status::Errno("symlinkat", "", errno);
  return Status::Ok();
}

Status Worker::CopyAttributesAt(const char* name, const struct stat& st) {
  if (!OwnerIsRight(st.st_uid, st.st_gid)) {
    if (fchownat(to_, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return Status::Errno("fchownat", "", errno);
    }
    if (!S_ISLNK(st.st_mode) && (st.st_mode & kSpecialBits) != 0 &&
        fchmodat(to_, name, st.st_mode & kPermissions, 0) != 0) {
      return Status::Errno("fchmodat", "", errno);
    }
  }
  LM_TRY(copier_.CopyXattrsAt(from_, to_, name));
  struct timespec times[2] = {st.st_atim, st.st_mtim};
  if (utimensat(to_, name, times, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("utimensat", "", errno);
  return Status::Ok();
}

Result<bool> Worker::LinkInstead(const char* name, const struct stat& st) {
  if (st.st_nlink < 2) return false;
  std::optional<std::string> first = job_.links.Claim(st, PathOf(name));
  if (!first) return Status(Code::kAborted, "another thread failed");
  if (first->empty()) return false;
  size_t slash = first->rfind('/');
  std::string parent = slash == std::string::npos ? "" : first->substr(0, slash);
  const char* last = first->c_str() + (slash == std::string::npos ? 0 : slash + 1);
  if (first->size() < PATH_MAX) {
    if (linkat(job_.to, first->c_str(), to_, name, 0) != 0) return Status::Errno("linkat", *first, errno);
  } else {
    LM_ASSIGN(Fd directory, OpenBelow(job_.to, parent, 0));
    if (linkat(directory.get(), last, to_, name, 0) != 0) return Status::Errno("linkat", *first, errno);
  }
  ++counts_.links;
  return true;
}

// The target directory as the threads need it: what is made in it gets no inherited group and no inherited
// ACL.
Status PrepareTarget(Job& job) {
  struct stat st;
  if (fstat(job.to, &st) != 0) return Status::Errno("fstat", "", errno);
  if ((st.st_mode & S_ISGID) != 0 &&
      fchmod(job.to, st.st_mode & kPermissions & ~static_cast<mode_t>(S_ISGID)) != 0) {
    return Status::Errno("fchmod", "", errno);
  }
  if (fremovexattr(job.to, "system.posix_acl_default") != 0 && errno != ENODATA && errno != EOPNOTSUPP) {
    return Status::Errno("removexattr", "system.posix_acl_default", errno);
  }
  // A file system mounted with "grpid" hands a directory's group down without set-gid.
  job.born_uid = st.st_gid == getegid() ? geteuid() : static_cast<uid_t>(-1);
  job.born_gid = getegid();
  return Status::Ok();
}

int ThreadCount(int wanted) {
  if (wanted > 0) return wanted;
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 4u));
}

}  // namespace

Result<CopyCounts> CopyTree(int from_root_fd, int to_root_fd, const CopyOptions& options) {
  // The caller's descriptors may be O_PATH, which fchmod and the rest do not take.
  LM_ASSIGN(Fd from, OpenBelow(from_root_fd, "", O_NOATIME));
  LM_ASSIGN(Fd to, OpenBelow(to_root_fd, "", 0));
  Job job;
  job.from = from.get();
  job.to = to.get();
  job.method = options.method;
  struct stat st;
  if (fstat(job.from, &st) != 0) return Status::Errno("fstat", "", errno);
  LM_TRY(PrepareTarget(job));
  job.Add({"", AttributesOf(st)});

  std::vector<std::thread> threads;
  int count = ThreadCount(options.threads);
  for (int i = 0; i < count; ++i) job.Enter();
  for (int i = 0; i < count; ++i) {
    try {
      threads.emplace_back([&job] { Worker(job).Run(); });
    } catch (const std::system_error& error) {
      job.Fail(Status::Errno("start a thread", "", error.code().value()));
      break;
    }
  }
  for (std::thread& thread : threads) thread.join();
  LM_TRY(job.failure());
  if (options.sync && syncfs(job.to) != 0) return Status::Errno("syncfs", "", errno);
  return job.counts();
}

}  // namespace layermark
