// ModelTree::ApplyTar: the OCI layer rules on the model, entry after entry.
//
// What the archive made is remembered by name; a marker takes away everything below its name that is not
// remembered, so the order of markers and entries does not matter (L19, L27).
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <set>
#include <utility>

#include "scenario/model.h"
#include "scenario/model_attributes.h"

namespace layermark {
namespace {

constexpr std::string_view kMarker = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kPrivate = ".wh..wh.";  // aufs's own names
constexpr size_t kMaxName = 255;
constexpr size_t kMaxSymlinkTarget = 4095;
constexpr int kMaxSymlinks = 40;

using Names = std::deque<std::string>;

// L8: "./", "/" at the front and at the end mean nothing; what leaves the root is refused.
Result<Names> CleanNames(const std::string& path) {
  Names names;
  size_t start = 0;
  while (start <= path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    std::string name = path.substr(start, end - start);
    start = end + 1;
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (names.empty()) return InvalidArgument("escapes the root");
      names.pop_back();
    } else {
      names.push_back(std::move(name));
    }
  }
  return names;
}

class TarEntries {
 public:
  explicit TarEntries(ModelStore* store) : store_(*store) {}
  Status Perform(const TarListEntry& item);

 private:
  // The directories passed on the way, from the root; the last is where one arrived. Empty: not there.
  using Route = std::vector<ModelInodeId>;

  // Follows symlinks as if the root of the tree were "/" (L24, L37). With `create`, what is missing is made
  // (L13) and a non-directory in the way is an error; without, both give an empty route.
  Result<Route> Enter(Names names, bool create);
  ModelInodeId MakeImplied(ModelInodeId directory, const std::string& name);
  Status Mark(Names parent, const std::string& name);
  Status Link(const TarListEntry& item, const Names& parent, const std::string& name);
  Status Object(const TarListEntry& item, const Names& parent, const std::string& name);
  Status Attributes(const TarEntry& entry, ModelInode* inode);
  // Takes away what is below the name, and the name, as far as it is not this archive's. True: the name
  // stays.
  bool Hide(ModelInodeId directory, const std::string& name);
  void Replace(ModelInodeId directory, const std::string& name);
  bool IsOurs(ModelInodeId directory, const std::string& name) const {
    return made_.contains({directory, name});
  }

  ModelStore& store_;
  std::set<std::pair<ModelInodeId, std::string>> made_;
};

ModelInodeId TarEntries::MakeImplied(ModelInodeId directory, const std::string& name) {
  ModelInode inode;
  inode.type = FileType::kDirectory;
  inode.permissions = 0755;
  inode.mtime_unspecified = true;
  return store_.Create(directory, name, std::move(inode));
}

Result<TarEntries::Route> TarEntries::Enter(Names names, bool create) {
  Route route = {ModelStore::kRoot};
  int symlinks = 0;
  while (!names.empty()) {
    const std::string name = std::move(names.front());
    names.pop_front();
    if (name == "..") {  // out of a symlink's target; the root is its own parent
      if (route.size() > 1) route.pop_back();
      continue;
    }
    if (name.size() > kMaxName) return Status::Errno("model", name, ENAMETOOLONG);
    ModelInodeId next = store_.Find(route.back(), name);
    if (next == ModelStore::kNone) {
      if (!create) return Route();
      next = MakeImplied(route.back(), name);
      made_.insert({route.back(), name});
    }
    const ModelInode& inode = store_.Get(next);
    if (inode.is_directory()) {
      route.push_back(next);
    } else if (inode.type == FileType::kSymlink && ++symlinks <= kMaxSymlinks) {
      const std::string& target = inode.link_target;
      if (target.starts_with('/')) route.resize(1);
      size_t end = target.size();
      while (end > 0) {
        const size_t slash = target.rfind('/', end - 1);
        const size_t begin = slash == std::string::npos ? 0 : slash + 1;
        std::string part = target.substr(begin, end - begin);
        if (!part.empty() && part != ".") names.push_front(std::move(part));
        end = slash == std::string::npos ? 0 : slash;
      }
    } else if (!create) {
      return Route();
    } else if (inode.type == FileType::kSymlink) {
      return Status::Errno("model", name, ELOOP);
    } else {
      return InvalidArgument("parent " + name + " is not a directory");
    }
  }
  return route;
}

bool TarEntries::Hide(ModelInodeId directory, const std::string& name) {
  const bool ours = IsOurs(directory, name);
  const ModelInodeId id = store_.Find(directory, name);
  bool holds_ours = false;
  std::vector<std::string> below;
  for (const auto& [child, child_id] : store_.Get(id).children) below.push_back(child);
  for (const std::string& child : below) holds_ours = Hide(id, child) || holds_ours;
  if (!ours && !holds_ours) {
    store_.RemoveName(directory, name);
    return false;
  }
  if (!ours) {
    // The directory of the lower layers is gone; the one that holds this archive's things was implied by
    // them.
    ModelInode& inode = store_.Edit(id);
    inode.permissions = 0755;
    inode.uid = inode.gid = 0;
    inode.xattrs.clear();
    inode.mtime_ns = 0;
    inode.mtime_unspecified = true;
  }
  return true;
}

Status TarEntries::Mark(Names parent, const std::string& name) {
  LM_ASSIGN(const Route route, Enter(std::move(parent), false));
  if (route.empty()) return Status::Ok();  // L23
  if (name == kOpaque) {
    std::vector<std::string> below;
    for (const auto& [child, id] : store_.Get(route.back()).children) below.push_back(child);
    for (const std::string& child : below) Hide(route.back(), child);
    return Status::Ok();
  }
  const std::string hidden = name.substr(kMarker.size());
  if (store_.Find(route.back(), hidden) != ModelStore::kNone) Hide(route.back(), hidden);
  return Status::Ok();
}

void TarEntries::Replace(ModelInodeId directory, const std::string& name) {
  if (store_.Find(directory, name) != ModelStore::kNone) store_.RemoveName(directory, name);
}

Status TarEntries::Link(const TarListEntry& item, const Names& parent, const std::string& name) {
  LM_ASSIGN(Names target, CleanNames(item.entry.link_target));
  if (target.empty()) return InvalidArgument("hard link to the root");
  const std::string target_name = target.back();
  target.pop_back();
  LM_ASSIGN(const Route from, Enter(target, false));
  const ModelInodeId inode = from.empty() ? ModelStore::kNone : store_.Find(from.back(), target_name);
  if (inode == ModelStore::kNone)
    return NotFound("hard link target " + item.entry.link_target + " does not exist");
  if (store_.Get(inode).is_directory()) return InvalidArgument("hard link to a directory");
  LM_ASSIGN(const Route to, Enter(parent, true));
  if (to.back() == from.back() && name == target_name) return InvalidArgument("hard link to itself");
  const ModelInodeId there = store_.Find(to.back(), name);
  if (std::find(from.begin(), from.end(), there) != from.end()) {
    return NotFound("hard link target " + item.entry.link_target + " went with what the link replaces");
  }
  // The new name first: the old one may be the inode's only other name.
  store_.Edit(inode).names += 1;
  Replace(to.back(), name);
  store_.AddName(to.back(), name, inode);
  store_.Edit(inode).names -= 1;
  made_.insert({to.back(), name});
  return Status::Ok();
}

Status TarEntries::Attributes(const TarEntry& entry, ModelInode* inode) {
  ModelChown(inode, entry.uid, entry.gid);
  if (inode->type != FileType::kSymlink) ModelChmod(inode, entry.mode);
  const std::vector<std::string> host = ManifestOptions().ignored_xattr_prefixes;
  std::erase_if(inode->xattrs, [&](const auto& xattr) {
    return std::none_of(host.begin(), host.end(),
                        [&](const std::string& prefix) { return xattr.first.starts_with(prefix); });
  });
  for (const Xattr& xattr : entry.xattrs) LM_TRY(ModelSetXattr(inode, entry.path, xattr.name, xattr.value));
  inode->mtime_ns = entry.mtime_ns;
  inode->mtime_unspecified = false;
  return Status::Ok();
}

Status TarEntries::Object(const TarListEntry& item, const Names& parent, const std::string& name) {
  const TarEntry& entry = item.entry;
  ModelInode made;
  switch (entry.typeflag) {
    case '5':
      made.type = FileType::kDirectory;
      break;
    case '2':
      made.type = FileType::kSymlink;
      made.permissions = 0777;
      made.link_target = entry.link_target;
      if (entry.link_target.size() > kMaxSymlinkTarget)
        return Status::Errno("model", entry.path, ENAMETOOLONG);
      break;
    case '3':
    case '4':
      made.type = entry.typeflag == '3' ? FileType::kCharDevice : FileType::kBlockDevice;
      made.rdev = makedev(entry.dev_major, entry.dev_minor);
      break;
    case '6':
      made.type = FileType::kFifo;
      break;
    default: {
      const bool kept = static_cast<int64_t>(entry.data.size()) == item.size_bytes;
      made.content = kept ? ModelContent::Of(entry.data) : ModelContent::Known(item.size_bytes, item.digest);
    }
  }
  LM_ASSIGN(const Route route, Enter(parent, true));
  if (name.size() > kMaxName) return Status::Errno("model", entry.path, ENAMETOOLONG);
  made_.insert({route.back(), name});
  ModelInodeId there = store_.Find(route.back(), name);
  if (there != ModelStore::kNone && made.is_directory() && store_.Get(there).is_directory()) {
    return Attributes(entry, &store_.Edit(there));  // L9
  }
  Replace(route.back(), name);  // L10, L11, L12
  there = store_.Create(route.back(), name, std::move(made));
  return Attributes(entry, &store_.Edit(there));
}

Status TarEntries::Perform(const TarListEntry& item) {
  const TarEntry& entry = item.entry;
  if (entry.typeflag == 'g') return Status::Ok();  // L6
  LM_ASSIGN(Names names, CleanNames(entry.path));
  if (names.empty()) {
    if (entry.typeflag != '5') return InvalidArgument("the root must be a directory");
    return Attributes(entry, &store_.Edit(ModelStore::kRoot));
  }
  const std::string name = names.back();
  names.pop_back();
  auto begins_with = [](std::string_view prefix) {
    return [prefix](const std::string& part) { return part.starts_with(prefix); };
  };
  if (std::any_of(names.begin(), names.end(), begins_with(kPrivate))) return Status::Ok();
  if (std::any_of(names.begin(), names.end(), begins_with(kMarker))) {
    return InvalidArgument("lies below the name of a whiteout");  // L25
  }
  if (name.starts_with(kMarker)) {
    if (name != kOpaque && name.starts_with(kPrivate)) return Status::Ok();
    const std::string hidden = name.substr(kMarker.size());
    if (hidden.empty() || hidden == "." || hidden == "..")
      return InvalidArgument("is no whiteout");  // L21, L22
    return Mark(std::move(names), name);
  }
  if (entry.typeflag == '1') return Link(item, names, name);
  return Object(item, names, name);
}

}  // namespace

Status ModelTree::ApplyTar(const std::vector<TarListEntry>& entries) {
  TarEntries archive(&store_);
  for (const TarListEntry& item : entries)
    LM_TRY(archive.Perform(item).WithContext("model: " + item.entry.path));
  return Status::Ok();
}

}  // namespace layermark
