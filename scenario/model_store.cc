#include "scenario/model_store.h"

#include <utility>

namespace layermark {

ModelStore::ModelStore() {
  auto root = std::make_shared<ModelInode>();
  root->type = FileType::kDirectory;
  root->permissions = 0755;
  root->names = 1;
  inodes_.push_back(std::move(root));
}

ModelInode& ModelStore::Edit(ModelInodeId id) {
  std::shared_ptr<ModelInode>& inode = inodes_[id];
  if (inode.use_count() > 1) inode = std::make_shared<ModelInode>(*inode);
  return *inode;
}

ModelInodeId ModelStore::Find(ModelInodeId directory, const std::string& name) const {
  const auto& children = Get(directory).children;
  auto it = children.find(name);
  return it == children.end() ? kNone : it->second;
}

ModelInodeId ModelStore::Create(ModelInodeId directory, const std::string& name, ModelInode inode) {
  // Numbers are not used again: who remembers one never means another inode.
  const ModelInodeId id = inodes_.size();
  inode.names = 0;
  inodes_.push_back(std::make_shared<ModelInode>(std::move(inode)));
  AddName(directory, name, id);
  return id;
}

void ModelStore::AddName(ModelInodeId directory, const std::string& name, ModelInodeId id) {
  Edit(directory).children[name] = id;
  ++Edit(id).names;
}

void ModelStore::Drop(ModelInodeId id) {
  std::vector<ModelInodeId> pending = {id};
  while (!pending.empty()) {
    ModelInodeId next = pending.back();
    pending.pop_back();
    if (--Edit(next).names > 0) continue;
    for (const auto& [name, child] : Get(next).children) pending.push_back(child);
    inodes_[next].reset();
  }
}

void ModelStore::RemoveName(ModelInodeId directory, const std::string& name) {
  const ModelInodeId id = Find(directory, name);
  Edit(directory).children.erase(name);
  Drop(id);
}

void ModelStore::MoveName(ModelInodeId from, const std::string& from_name, ModelInodeId to,
                          const std::string& to_name) {
  const ModelInodeId id = Find(from, from_name);
  Edit(from).children.erase(from_name);
  Edit(to).children[to_name] = id;
}

}  // namespace layermark
