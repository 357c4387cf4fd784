// ApplyWalk: where in the root the application of a layer stands, and what it did there so far.
//
// A stack of descriptors from the root to the directory in use. Every step is one openat() of one name that
// does not follow a symlink; a symlink of the image on the way is read and resolved here as if the root were
// "/", so that nothing outside is ever looked up (what openat2's RESOLVE_IN_ROOT gives, plus the canonical
// name of where one arrived: the record of what this archive created must not depend on the name that was
// used). Consecutive entries of one directory cost no lookup at all.
#ifndef LAYERMARK_CORE_OCI_APPLY_WALK_H_
#define LAYERMARK_CORE_OCI_APPLY_WALK_H_

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// What is known of a directory that this archive touched.
struct DirState {
  bool has_entry = false;                     // an entry of the archive gave it its attributes
  bool holds = false;                         // something that the archive created lies in it or below it
  bool opaque = false;                        // overlay style: marked so
  bool set_mtime = false;                     // its mtime must be put to `mtime_ns` at the end
  int64_t mtime_ns = 0;                       // its entry's, or what it had before the archive
  int64_t implied_mtime_ns = 0;               // of the first entry below it
  std::unordered_set<std::string> created;    // names in it that the archive created
  std::unordered_set<std::string> whiteouts;  // overlay style: names hidden by a device made here
};

class ApplyWalk {
 public:
  struct Frame {
    std::string path;  // canonical, from the root
    Fd fd;             // O_PATH
    DirState* state = nullptr;
    bool setgid = false;
    std::optional<bool> default_acl;
  };
  enum class Missing { kStop, kCreate };

  explicit ApplyWalk(int root_fd) : root_fd_(root_fd) {}
  Status Start();

  // Goes to the directory `path` (clean). A missing one, and those above it, is made as an implied parent
  // (L13: 0755, owned by root, mtime `implied_mtime_ns`) or, with kStop, the answer is null; so it is where a
  // non-directory or a dead symlink is in the way. With kCreate a non-directory is kInvalidArgument.
  // The frame is valid until the next call of a non-const method.
  Result<Frame*> Enter(const std::string& path, Missing missing, int64_t implied_mtime_ns);

  // The record of the directory in use. Call before the first change in it: takes note of its mtime.
  Result<DirState*> Touch(Frame* frame);
  // As Touch, for a change that creates `name` there.
  Status Created(Frame* frame, const std::string& name, int64_t mtime_ns);
  // True if files made in it would inherit an ACL.
  bool HasDefaultAcl(Frame* frame);

  // The directory `path` is gone: forgets it and all below it.
  void Forget(const std::string& path);
  DirState* Find(const std::string& path);
  DirState& StateOf(const std::string& path) { return states_[path]; }

  // Sets the mtimes of all directories touched. The last thing to do (L15).
  Status SetTimes();

 private:
  Status MakeImplied(Frame* parent, const std::string& name, const std::string& path, int64_t mtime_ns);
  void Truncate(size_t size);
  void BoundDescriptors();

  int root_fd_;
  std::vector<Frame> frames_;  // [0] is the root; a frame far from the top may have no descriptor
  std::map<std::string, DirState> states_;  // by canonical path
  std::string last_path_;                   // what the last Enter was asked for; valid if last_valid_
  bool last_valid_ = false;
};

// "a/b" and "c" are "a/b/c"; "" and "c" are "c".
std::string JoinPath(std::string_view parent, std::string_view name);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_APPLY_WALK_H_
