// The contract: Snapshotter, containerd's snapshot API in C++.
//
// A snapshot is a file-system state with at most one parent. Active and view snapshots have a key, committed
// ones a name; keys and names share one flat space. Only committed snapshots can be parents. The rules, with
// their error classes, are those of the snapshotter specification that conformance/cases/lifecycle_*.cc
// checks:
//
//   call      errors
//   Stat      kNotFound
//   Update    kNotFound; kInvalidArgument (a field path other than labels)
//   Usage     kNotFound
//   Mounts    kNotFound; kFailedPrecondition (committed)
//   Prepare   kAlreadyExists (key, any kind); kNotFound (parent); kInvalidArgument (parent not committed,
//   empty key) View      as Prepare Commit    kAlreadyExists (name); kNotFound (key); kFailedPrecondition
//   (key is not active);
//             kInvalidArgument (rebase of a snapshot that has another parent)
//   Remove    kNotFound; kFailedPrecondition (has children)
//   Walk      kInvalidArgument (filter); the callback's own Status, which also ends the walk
//   Cleanup   kUnimplemented where the driver has nothing to reclaim later
//   Close     idempotent
//
// A call that fails leaves nothing behind: no key, no directory, no mount. A call returns mounts, it does not
// mount: core/sys executes them. Precedence between several faults of one call is unspecified.
//
// Threads: all calls may come from several threads at once, unless the driver declares the capability
// `serial`. Ownership: the caller owns the Snapshotter and must Close or destroy it after unmounting what it
// mounted. No exceptions cross this interface.
#ifndef LAYERMARK_DRIVERS_SNAPSHOTTER_H_
#define LAYERMARK_DRIVERS_SNAPSHOTTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/mount.h"

namespace layermark {

enum class Kind { kUnknown, kView, kActive, kCommitted };
std::string_view KindName(Kind kind);      // "view", "active", "committed", "unknown"
Kind KindFromName(std::string_view name);  // any case; kUnknown for what it does not know

using Labels = std::map<std::string, std::string>;

struct Info {
  Kind kind = Kind::kUnknown;
  std::string name;    // key or name
  std::string parent;  // name of the parent; empty: none
  Labels labels;
  int64_t created_ns = 0;  // since the epoch
  int64_t updated_ns = 0;
};

// What a snapshot itself takes; each driver's README says how it counts.
struct Usage {
  int64_t inodes = 0;
  int64_t size_bytes = 0;
};

class Snapshotter {
 public:
  virtual ~Snapshotter() = default;

  virtual Result<Info> Stat(const std::string& key) = 0;
  // Labels only. No field paths: the whole map is replaced. "labels": the same. "labels.K": only K, which is
  // removed where info.labels lacks it or holds "". Answers the new Info, with updated_ns of now.
  virtual Result<Info> Update(const Info& info, const std::vector<std::string>& field_paths) = 0;
  virtual Result<Usage> GetUsage(const std::string& key) = 0;
  // The same mounts that Prepare or View answered.
  virtual Result<std::vector<Mount>> Mounts(const std::string& key) = 0;
  virtual Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                             const Labels& labels = {}) = 0;
  virtual Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                          const Labels& labels = {}) = 0;
  // REQUIRES: nothing of `key` is mounted. The committed snapshot carries `labels` and not the active one's.
  // `parent`, if given, rebases a snapshot that was prepared without one (capability `rebase`).
  virtual Status Commit(const std::string& name, const std::string& key, const Labels& labels = {},
                        const std::optional<std::string>& parent = std::nullopt) = 0;
  virtual Status Remove(const std::string& key) = 0;
  // Each snapshot that passes a filter (all, without filters) once, in no order. Filters are OR-ed, the
  // comma-separated clauses of one are AND-ed: name, parent, kind, labels.K ("quoted" where K holds dots)
  // with ==, !=,
  // ~= (regular expression) or presence. The callback may call Stat.
  virtual Status Walk(const std::function<Status(const Info&)>& callback,
                      const std::vector<std::string>& filters = {}) = 0;
  virtual Status Cleanup() = 0;
  virtual Status Close() = 0;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SNAPSHOTTER_H_
