#include "core/sys/temp_tree.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <utility>

#include "core/sys/fd.h"

namespace layermark {

std::string TempPattern(const std::string& parent, const std::string& prefix) {
  std::string pattern = parent;
  while (pattern.ends_with('/')) pattern.pop_back();  // so that the path reads as the kernel writes it
  return pattern + "/" + prefix + "." + std::string(6, 'X');
}

Result<std::string> MakeTempDirectory(const std::string& parent, const std::string& prefix, mode_t mode) {
  std::string path = TempPattern(parent, prefix);
  if (mkdtemp(path.data()) == nullptr) return Status::Errno("mkdtemp", path);
  if (mode != 0700 && chmod(path.c_str(), mode) != 0) return Status::Errno("chmod", path);
  return path;
}

Result<TempTree> TempTree::Create(const std::string& parent, const std::string& prefix) {
  TempTree tree;
  LM_ASSIGN(tree.path_, MakeTempDirectory(parent, prefix, 0700));
  return tree;
}

TempTree::TempTree(TempTree&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TempTree& TempTree::operator=(TempTree&& other) noexcept {
  if (this != &other) {
    (void)Remove();
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

TempTree::~TempTree() {
  (void)Remove();
}

Status TempTree::Remove() {
  if (path_.empty()) return Status::Ok();
  LM_TRY(RemoveTree(path_));
  path_.clear();
  return Status::Ok();
}

}  // namespace layermark
