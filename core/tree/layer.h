// The tree language: a layer declared as a list of steps on a directory tree.
//
//   Layer().Dir("etc", 0755).File("etc/passwd", "root\n").Chmod("etc/passwd", 0600).Remove("tmp/old")
//
// A Layer is data: it can be applied to a directory (ApplyLayer), evaluated by the model (scenario/model.h)
// without touching a file system, printed and generated. Paths are relative, '/'-separated, without "." and
// ".."; they may hold any byte but NUL. Ownership: values. Threads: values.
//
// Determinism: a step that creates an object without stating times gives it the fixed time kDefaultMtime
// (counted up by one microsecond for each step), and ApplyLayer puts back, after the last step, the mtime of
// every directory that the layer's steps touched: to the time stated by a Times step, else to kDefaultMtime
// of the step that created it, else (a directory of a lower layer) to what it was before. So two applications
// of one layer give equal manifests.
#ifndef LAYERMARK_CORE_TREE_LAYER_H_
#define LAYERMARK_CORE_TREE_LAYER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace layermark {

inline constexpr int64_t kDefaultMtimeNs = 1'000'000'000'000'000'000;  // 2001-09-09T01:46:40Z

enum class StepOp {
  kDir,          // path mode                  fails with EEXIST if the path exists
  kFile,         // path data mode             creates, or replaces the content of a regular file: the inode
                 //                            stays, content, mode and mtime are the step's
  kWrite,        // path offset data           pwrite into an existing file
  kTruncate,     // path size
  kSparse,       // path size offset data      creates a file of `size`, data at `offset`, holes elsewhere
  kSymlink,      // path target
  kLink,         // path target                `path` becomes another name of the existing `target`
  kMknod,        // path mode rdev             fifo, socket, char or block device; mode with the type
  kRemove,       // path                       unlink or rmdir
  kRemoveAll,    // path                       with everything below; ENOENT if there is no such name
  kRename,       // path target                rename(path -> target)
  kChmod,        // path mode
  kChown,        // path uid gid               lchown
  kSetXattr,     // path name data
  kRemoveXattr,  // path name
  kTimes,        // path atime_ns mtime_ns     utimensat, no follow
};

struct Step {
  StepOp op = StepOp::kDir;
  std::string path;
  std::string target;  // symlink target, link source, rename destination, xattr name
  std::string data;    // content or xattr value
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  dev_t rdev = 0;
  int64_t offset = 0;
  int64_t size = 0;
  int64_t atime_ns = 0;
  int64_t mtime_ns = 0;
  bool operator==(const Step&) const = default;
};

// "rename(a/b, c)": what a person reads in a report.
std::string ToString(const Step& step);

class Layer {
 public:
  Layer& Dir(std::string path, mode_t mode = 0755);
  Layer& File(std::string path, std::string data, mode_t mode = 0644);
  Layer& Write(std::string path, int64_t offset, std::string data);
  Layer& Truncate(std::string path, int64_t size);
  Layer& Sparse(std::string path, int64_t size, int64_t data_offset, std::string data, mode_t mode = 0644);
  Layer& Symlink(std::string path, std::string target);
  Layer& Link(std::string path, std::string existing);
  Layer& Mknod(std::string path, mode_t type_and_mode, dev_t rdev = 0);
  Layer& Fifo(std::string path, mode_t mode = 0644);
  Layer& Remove(std::string path);
  Layer& RemoveAll(std::string path);
  Layer& Rename(std::string from, std::string to);
  Layer& Chmod(std::string path, mode_t mode);
  Layer& Chown(std::string path, uid_t uid, gid_t gid);
  Layer& SetXattr(std::string path, std::string name, std::string value);
  Layer& RemoveXattr(std::string path, std::string name);
  Layer& Times(std::string path, int64_t atime_ns, int64_t mtime_ns);
  Layer& Add(Step step);

  const std::vector<Step>& steps() const { return steps_; }
  bool empty() const { return steps_.empty(); }

 private:
  std::vector<Step> steps_;
};

// Performs the steps below the directory `root_fd` (O_PATH is enough), in order, following no symlink in any
// path component (ELOOP). Modes are exact (the umask is not applied). The path "" is the root, which takes
// attributes only. The first failing step ends it; the Status names the step and keeps the errno of its
// system call; what the steps before did stays, with the directory times put back. A union may refuse the
// rename of a directory of a lower layer (EXDEV): that is handed on. Cost: about eight system calls for a new
// file.
Status ApplyLayer(const Layer& layer, int root_fd);

}  // namespace layermark

#endif  // LAYERMARK_CORE_TREE_LAYER_H_
