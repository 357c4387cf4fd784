// Ops: file-system operations on one side of a comparison, each with its outcome written down.
//
// A case states its operations once, as a function of Ops; the harness runs it on the driver's mount and on
// the oracle and compares the two logs step by step: errno, and what the step read. So expectations are
// computed. Paths are relative to the mount's root. Nothing here aborts: a failed step is an observation like
// any other.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_OPS_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_OPS_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/sys/fd.h"

namespace layermark {

struct Observation {
  std::string step;  // "rename(f, g)"
  int error = 0;     // errno, 0 where it worked
  std::string seen;  // what it read, in a form for people; empty where it reads nothing
  bool operator==(const Observation&) const = default;
};
std::string ToString(const Observation& observation);  // "rename(f, g) -> EXDEV"

class Ops {
 public:
  // Keeps its own duplicate of the root descriptor.
  explicit Ops(int root_fd);

  int root_fd() const { return root_.get(); }
  const std::vector<Observation>& log() const { return log_; }

  // Whole files. Each answers 0 or errno.
  int Create(const std::string& path, std::string_view data,
             mode_t mode = 0644);                                 // O_CREAT|O_EXCL|O_WRONLY, write
  int WriteFile(const std::string& path, std::string_view data);  // O_WRONLY|O_TRUNC, write
  int Append(const std::string& path, std::string_view data);     // O_WRONLY|O_APPEND, write
  int Overwrite(const std::string& path, int64_t offset, std::string_view data);  // O_WRONLY, pwrite
  int Truncate(const std::string& path, int64_t size);
  std::string Read(const std::string& path, size_t max_bytes = 1 << 20);  // content is part of the log
  int Checksum(const std::string& path);                                  // digest of a large file

  // Names.
  int Mkdir(const std::string& path, mode_t mode = 0755);
  int Rmdir(const std::string& path);
  int Unlink(const std::string& path);
  int Rename(const std::string& from, const std::string& to, unsigned flags = 0);
  int Link(const std::string& existing, const std::string& path);
  int Symlink(const std::string& target, const std::string& path);
  int Mknod(const std::string& path, mode_t type_and_mode, dev_t rdev = 0);
  int ReadLink(const std::string& path);
  int List(const std::string& path);       // names and types, sorted
  int RemoveAll(const std::string& path);  // rm -rf, depth first, by unlink and rmdir

  // Attributes.
  int Stat(const std::string& path);       // lstat: type, permissions, uid, gid, size (files), rdev
  int StatLinks(const std::string& path);  // lstat: nlink of a non-directory
  int StatTimes(
      const std::string& path);  // lstat: mtime, in full where it lies before the case began, else "now"
  bool SameFile(const std::string& a, const std::string& b);  // same st_ino and st_dev; part of the log
  int Access(const std::string& path, int mode);
  int Chmod(const std::string& path, mode_t mode);
  int Chown(const std::string& path, int64_t uid, int64_t gid);  // lchown; -1: leave
  int Utimens(const std::string& path, int64_t atime_ns,
              int64_t mtime_ns);  // UTIME_OMIT, UTIME_NOW as ns fields allowed
  int SetXattr(const std::string& path, const std::string& name, std::string_view value, int flags = 0);
  int GetXattr(const std::string& path, const std::string& name);
  int ListXattr(const std::string& path);  // names other than a union's own, sorted
  int RemoveXattr(const std::string& path, const std::string& name);

  // Descriptors that live on, under names of the case's choosing.
  int Open(const std::string& handle, const std::string& path, int flags, mode_t mode = 0644);
  int Close(const std::string& handle);
  int PRead(const std::string& handle, int64_t offset, size_t bytes);
  int PWrite(const std::string& handle, int64_t offset, std::string_view data);
  int FStat(const std::string& handle);  // as Stat
  int FStatLinks(const std::string& handle);
  int FTruncate(const std::string& handle, int64_t size);
  int FChmod(const std::string& handle, mode_t mode);
  int FChown(const std::string& handle, int64_t uid, int64_t gid);
  int FAllocate(const std::string& handle, int mode, int64_t offset, int64_t bytes);
  int FSync(const std::string& handle);
  int Seek(const std::string& handle, int64_t offset, int whence);  // the new offset is part of the log
  int fd(const std::string& handle) const;                          // -1 if it is not open

  // Runs `body` with the file-system uid and gid of another user and no capabilities that override
  // permissions.
  void AsUser(uid_t uid, gid_t gid, const std::function<void()>& body);

  // Anything else: runs `call`, which answers 0 or errno and may fill in what was seen.
  int Do(const std::string& step, const std::function<int(std::string& seen)>& call);

 private:
  int Record(std::string step, int error, std::string seen = "");
  Fd root_;
  int64_t began_ns_ = 0;
  std::map<std::string, Fd> handles_;
  std::vector<Observation> log_;
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_OPS_H_
