#include "scenario/model.h"

#include <algorithm>
#include <utility>

namespace layermark {
namespace {

Entry ToEntry(const ModelInode& inode, const std::vector<std::string>& ignored_prefixes) {
  Entry entry;
  entry.type = inode.type;
  entry.permissions = inode.permissions;
  entry.uid = inode.uid;
  entry.gid = inode.gid;
  entry.mtime_ns = inode.mtime_ns;
  entry.link_target = inode.link_target;
  entry.rdev = inode.rdev;
  entry.nlink = static_cast<nlink_t>(inode.names);
  if (inode.content) {
    entry.size_bytes = inode.content->size_bytes();
    entry.digest = inode.content->digest();
    entry.data_bytes = inode.content->data_bytes();
  } else if (inode.type == FileType::kSymlink) {
    entry.size_bytes = static_cast<int64_t>(inode.link_target.size());
  }
  for (const auto& [name, value] : inode.xattrs) {
    auto is_ignored = [&name = name](const std::string& prefix) { return name.starts_with(prefix); };
    if (std::none_of(ignored_prefixes.begin(), ignored_prefixes.end(), is_ignored)) {
      entry.xattrs.push_back({name, value});
    }
  }
  return entry;
}

}  // namespace

Manifest ModelTree::ToManifest() const {
  const ManifestOptions defaults;
  Manifest manifest;
  std::map<ModelInodeId, std::string> first_names;  // of inodes with several
  store_.ForEach([&](const std::string& path, ModelInodeId id) {
    const ModelInode& inode = store_.Get(id);
    Entry entry = ToEntry(inode, defaults.ignored_xattr_prefixes);
    entry.ino = id + 1;
    if (inode.names > 1) {
      auto [it, fresh] = first_names.try_emplace(id, path);
      if (!fresh && path < it->second) it->second = path;
    }
    manifest.entries.emplace(path, std::move(entry));
  });
  for (auto& [path, entry] : manifest.entries) {
    auto it = first_names.find(entry.ino - 1);
    if (it != first_names.end()) entry.link_group = it->second;
  }
  return manifest;
}

std::vector<std::string> ModelTree::unspecified_mtimes() const {
  std::vector<std::string> paths;
  store_.ForEach([&](const std::string& path, ModelInodeId id) {
    if (store_.Get(id).mtime_unspecified) paths.push_back(path);
  });
  std::sort(paths.begin(), paths.end());
  return paths;
}

Manifest ModelTree::ToManifestFor(const Manifest& actual) const {
  Manifest manifest = ToManifest();
  for (const std::string& path : unspecified_mtimes()) {
    auto it = actual.entries.find(path);
    if (it != actual.entries.end()) manifest.entries[path].mtime_ns = it->second.mtime_ns;
  }
  return manifest;
}

}  // namespace layermark
