// ModelStore: the inodes of a model tree and the names that lead to them.
//
// A copy shares all inodes with the original; whoever changes one first gets a version of its own. Threads:
// one at a time per family of copies.
#ifndef LAYERMARK_SCENARIO_MODEL_STORE_H_
#define LAYERMARK_SCENARIO_MODEL_STORE_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/tree/manifest.h"
#include "scenario/model_content.h"

namespace layermark {

using ModelInodeId = size_t;

struct ModelInode {
  FileType type = FileType::kRegular;
  mode_t permissions = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  dev_t rdev = 0;
  int64_t mtime_ns = 0;
  bool mtime_unspecified = false;  // an implied parent's: any time is right
  std::string link_target;
  std::map<std::string, std::string> xattrs;
  ModelContentPtr content;                       // regular files
  std::map<std::string, ModelInodeId> children;  // directories
  int64_t names = 0;                             // how many names lead here

  bool is_directory() const { return type == FileType::kDirectory; }
};

class ModelStore {
 public:
  // An empty root directory, 0755, owned by root, mtime 0.
  ModelStore();

  static constexpr ModelInodeId kRoot = 0;
  static constexpr ModelInodeId kNone = SIZE_MAX;

  const ModelInode& Get(ModelInodeId id) const { return *inodes_[id]; }
  ModelInode& Edit(ModelInodeId id);
  // The child of a directory; kNone where there is no such name.
  ModelInodeId Find(ModelInodeId directory, const std::string& name) const;

  // REQUIRES: the name is free.
  ModelInodeId Create(ModelInodeId directory, const std::string& name, ModelInode inode);
  void AddName(ModelInodeId directory, const std::string& name, ModelInodeId id);
  // Takes the name away with everything below it; inodes without a name left are gone. REQUIRES: the name
  // exists.
  void RemoveName(ModelInodeId directory, const std::string& name);
  // REQUIRES: the source exists, the destination is free.
  void MoveName(ModelInodeId from, const std::string& from_name, ModelInodeId to, const std::string& to_name);

  // Calls fn(path, id) for every name, the root first, a directory before what is in it.
  template <typename Fn>
  void ForEach(Fn fn) const {
    std::vector<std::pair<std::string, ModelInodeId>> pending = {{"", kRoot}};
    while (!pending.empty()) {
      auto [path, id] = std::move(pending.back());
      pending.pop_back();
      fn(path, id);
      for (const auto& [name, child] : Get(id).children) {
        std::string below = path;
        if (!below.empty()) below += '/';
        pending.emplace_back(below.append(name), child);
      }
    }
  }

 private:
  void Drop(ModelInodeId id);

  std::vector<std::shared_ptr<ModelInode>> inodes_;  // null: gone
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_MODEL_STORE_H_
