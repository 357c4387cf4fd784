// TempTree: a directory that is removed with its content when the object goes.
#ifndef LAYERMARK_CORE_SYS_TEMP_TREE_H_
#define LAYERMARK_CORE_SYS_TEMP_TREE_H_

#include <sys/types.h>

#include <string>

#include "core/result.h"

namespace layermark {

// What mkdtemp() and mkostemp() make a name of: PARENT/PREFIX, a dot and the six letters that they replace.
std::string TempPattern(const std::string& parent, const std::string& prefix);

// Makes a new directory PREFIX.SUFFIX in `parent` with exactly this mode, and returns its path. It is the
// caller's to remove.
Result<std::string> MakeTempDirectory(const std::string& parent, const std::string& prefix, mode_t mode);

class TempTree {
 public:
  // A new directory PREFIX.SUFFIX in `parent`, with mode 0700.
  static Result<TempTree> Create(const std::string& parent, const std::string& prefix);
  TempTree() = default;
  TempTree(TempTree&& other) noexcept;
  TempTree& operator=(TempTree&& other) noexcept;
  ~TempTree();  // RemoveTree; never crosses a mount; a failure is lost, Remove() reports it

  const std::string& path() const { return path_; }
  Status Remove();
  void Release() { path_.clear(); }

 private:
  std::string path_;
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_TEMP_TREE_H_
