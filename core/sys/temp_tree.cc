#include "core/sys/temp_tree.h"

#include <stdlib.h>

#include <utility>

#include "core/sys/fd.h"

namespace layermark {

Result<TempTree> TempTree::Create(const std::string& parent, const std::string& prefix) {
  TempTree tree;
  std::string name = parent;
  while (name.ends_with('/')) name.pop_back();  // so that path() reads as the kernel writes it
  name += "/" + prefix + ".XXXXXX";
  if (mkdtemp(name.data()) == nullptr) return Status::Errno("mkdtemp", name);
  tree.path_ = std::move(name);
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
