// ModelTree::Apply: the steps of a layer, performed on the model as Linux would.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "scenario/model.h"
#include "scenario/model_attributes.h"

namespace layermark {
namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kMaxSymlink = 4095;
constexpr int64_t kStepNs = 1'000;

// Where a path leads: its directory and last name, and the inode if the name is taken. The root is in itself.
struct Spot {
  ModelInodeId directory = ModelStore::kRoot;
  std::string name;
  ModelInodeId inode = ModelStore::kNone;
  std::vector<ModelInodeId> ancestors;  // from the root to `directory`
  bool is_root = false;
};

class Steps {
 public:
  explicit Steps(ModelStore* store) : store_(*store) {}
  Status Perform(const Step& step, int64_t mtime_ns);

 private:
  Result<Spot> Resolve(const std::string& path) const;
  Status Create(const Step& step, const Spot& at, FileType type);
  Status File(const Step& step, const Spot& at);
  Status Change(const Step& step, const Spot& at);
  Status Link(const Step& step, const Spot& at);
  Status Node(const Step& step, const Spot& at);
  Status Remove(const Step& step, const Spot& at);
  Status Rename(const Step& step, const Spot& from);
  Status Attribute(const Step& step, const Spot& at);

  ModelStore& store_;
  int64_t mtime_ns_ = 0;
};

Status Fail(const Step& step, int error) {
  return Status::Errno("model", step.path, error);
}

bool IsPlain(const std::string& path) {
  const std::string framed = "/" + path + "/";
  return framed.find("//") == std::string::npos && framed.find("/./") == std::string::npos &&
         framed.find("/../") == std::string::npos && path.find('\0') == std::string::npos;
}

Result<Spot> Steps::Resolve(const std::string& path) const {
  if (!path.empty() && !IsPlain(path)) return InvalidArgument("not a plain relative path");
  Spot spot;
  spot.ancestors.push_back(ModelStore::kRoot);
  if (path.empty()) {
    spot.is_root = true;
    spot.inode = ModelStore::kRoot;
    return spot;
  }
  size_t start = 0;
  while (true) {
    const size_t slash = path.find('/', start);
    const std::string name = path.substr(start, slash == std::string::npos ? slash : slash - start);
    if (slash == std::string::npos) {
      spot.name = name;
      if (name.size() <= kMaxName) spot.inode = store_.Find(spot.directory, name);
      return spot;
    }
    if (name.size() > kMaxName) return Status::Errno("model", path, ENAMETOOLONG);
    const ModelInodeId next = store_.Find(spot.directory, name);
    if (next == ModelStore::kNone) return Status::Errno("model", path, ENOENT);
    const FileType type = store_.Get(next).type;
    if (type == FileType::kSymlink) return Status::Errno("model", path, ELOOP);
    if (type != FileType::kDirectory) return Status::Errno("model", path, ENOTDIR);
    spot.directory = next;
    spot.ancestors.push_back(next);
    start = slash + 1;
  }
}

Status Steps::Create(const Step& step, const Spot& at, FileType type) {
  if (at.inode != ModelStore::kNone) return Fail(step, EEXIST);
  ModelInode inode = ModelNewInode(store_.Get(at.directory), type, step.mode, mtime_ns_);
  if (step.op == StepOp::kSymlink) inode.link_target = step.target;
  if (type == FileType::kCharDevice || type == FileType::kBlockDevice) inode.rdev = step.rdev;
  if (step.op == StepOp::kFile) inode.content = ModelContent::Of(step.data);
  if (step.op == StepOp::kSparse) {
    LM_ASSIGN(inode.content, inode.content->Resize(step.size));
    LM_ASSIGN(inode.content, inode.content->Write(step.offset, step.data));
  }
  store_.Create(at.directory, at.name, std::move(inode));
  return Status::Ok();
}

int NotRegular(FileType type) {
  return type == FileType::kDirectory ? EISDIR : type == FileType::kSymlink ? ELOOP : EINVAL;
}

Status Steps::File(const Step& step, const Spot& at) {
  if (at.inode == ModelStore::kNone) return Create(step, at, FileType::kRegular);
  const FileType type = store_.Get(at.inode).type;
  if (type != FileType::kRegular) return Fail(step, NotRegular(type));
  ModelInode& inode = store_.Edit(at.inode);
  inode.content = ModelContent::Of(step.data);
  inode.mtime_ns = mtime_ns_;
  ModelContentChanged(&inode);
  ModelChmod(&inode, step.mode);
  return Status::Ok();
}

Status Steps::Change(const Step& step, const Spot& at) {
  if (at.inode == ModelStore::kNone) return Fail(step, ENOENT);
  const FileType type = store_.Get(at.inode).type;
  if (type != FileType::kRegular) return Fail(step, NotRegular(type));
  ModelInode& inode = store_.Edit(at.inode);
  if (step.op == StepOp::kTruncate) {
    LM_ASSIGN(inode.content, inode.content->Resize(step.size));
    ModelContentChanged(&inode);
  } else if (!step.data.empty()) {
    LM_ASSIGN(inode.content, inode.content->Write(step.offset, step.data));
    ModelContentChanged(&inode);
  }
  inode.mtime_ns = mtime_ns_;
  return Status::Ok();
}

Status Steps::Link(const Step& step, const Spot& at) {
  if (at.is_root) return Fail(step, EEXIST);
  LM_ASSIGN(const Spot existing, Resolve(step.target));
  if (existing.name.size() > kMaxName) return Fail(step, ENAMETOOLONG);
  if (existing.inode == ModelStore::kNone) return Fail(step, ENOENT);
  if (at.inode != ModelStore::kNone) return Fail(step, EEXIST);
  if (store_.Get(existing.inode).is_directory()) return Fail(step, EPERM);
  store_.AddName(at.directory, at.name, existing.inode);
  return Status::Ok();
}

Status Steps::Node(const Step& step, const Spot& at) {
  switch (step.mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
      return Create(step, at, FileTypeFromMode(step.mode));
    case S_IFDIR:
      return Fail(step, at.is_root ? EEXIST : EPERM);
    default:
      return Fail(step, at.is_root ? EEXIST : EINVAL);
  }
}

Status Steps::Remove(const Step& step, const Spot& at) {
  if (at.is_root) return Fail(step, EBUSY);
  if (at.inode == ModelStore::kNone) return Fail(step, ENOENT);
  if (step.op == StepOp::kRemove && !store_.Get(at.inode).children.empty()) return Fail(step, ENOTEMPTY);
  store_.RemoveName(at.directory, at.name);
  return Status::Ok();
}

Status Steps::Rename(const Step& step, const Spot& from) {
  LM_ASSIGN(const Spot to, Resolve(step.target));
  if (from.is_root || to.is_root) return Fail(step, EBUSY);
  if (from.inode == ModelStore::kNone) return Fail(step, ENOENT);
  if (to.name.size() > kMaxName) return Fail(step, ENAMETOOLONG);
  auto is_among = [](ModelInodeId id, const std::vector<ModelInodeId>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  // Into itself; over a directory that it is in.
  if (is_among(from.inode, to.ancestors)) return Fail(step, EINVAL);
  if (to.inode != ModelStore::kNone && is_among(to.inode, from.ancestors)) return Fail(step, ENOTEMPTY);
  if (to.inode == from.inode) return Status::Ok();
  if (to.inode != ModelStore::kNone) {
    const bool source_is_directory = store_.Get(from.inode).is_directory();
    const ModelInode& target = store_.Get(to.inode);
    if (source_is_directory && !target.is_directory()) return Fail(step, ENOTDIR);
    if (!source_is_directory && target.is_directory()) return Fail(step, EISDIR);
    if (!target.children.empty()) return Fail(step, ENOTEMPTY);
    store_.RemoveName(to.directory, to.name);
  }
  store_.MoveName(from.directory, from.name, to.directory, to.name);
  return Status::Ok();
}

Status Steps::Attribute(const Step& step, const Spot& at) {
  if (at.inode == ModelStore::kNone) return Fail(step, ENOENT);
  ModelInode& inode = store_.Edit(at.inode);
  switch (step.op) {
    case StepOp::kChmod:
      if (inode.type == FileType::kSymlink) return Fail(step, EOPNOTSUPP);
      ModelChmod(&inode, step.mode);
      return Status::Ok();
    case StepOp::kChown:
      ModelChown(&inode, step.uid, step.gid);
      return Status::Ok();
    case StepOp::kSetXattr:
      return ModelSetXattr(&inode, step.path, step.target, step.data);
    case StepOp::kRemoveXattr:
      return ModelRemoveXattr(&inode, step.path, step.target);
    default:
      inode.mtime_ns = step.mtime_ns;
      inode.mtime_unspecified = false;
      return Status::Ok();
  }
}

Status Steps::Perform(const Step& step, int64_t mtime_ns) {
  mtime_ns_ = mtime_ns;
  if (step.offset < 0 || step.size < 0) return Fail(step, EINVAL);
  LM_ASSIGN(const Spot at, Resolve(step.path));
  if (at.name.size() > kMaxName) return Fail(step, ENAMETOOLONG);
  switch (step.op) {
    case StepOp::kDir:
      return Create(step, at, FileType::kDirectory);
    case StepOp::kFile:
      return File(step, at);
    case StepOp::kSparse:
      return Create(step, at, FileType::kRegular);
    case StepOp::kSymlink:
      if (!at.is_root && step.target.empty()) return Fail(step, ENOENT);
      if (!at.is_root && step.target.size() > kMaxSymlink) return Fail(step, ENAMETOOLONG);
      return Create(step, at, FileType::kSymlink);
    case StepOp::kWrite:
    case StepOp::kTruncate:
      return Change(step, at);
    case StepOp::kLink:
      return Link(step, at);
    case StepOp::kMknod:
      return Node(step, at);
    case StepOp::kRemove:
    case StepOp::kRemoveAll:
      return Remove(step, at);
    case StepOp::kRename:
      return Rename(step, at);
    default:
      return Attribute(step, at);
  }
}

}  // namespace

Status ModelTree::Apply(const Layer& layer) {
  Steps steps(&store_);
  int64_t mtime_ns = kDefaultMtimeNs;
  for (const Step& step : layer.steps()) {
    LM_TRY(steps.Perform(step, mtime_ns).WithContext(ToString(step)));
    mtime_ns += kStepNs;
  }
  return Status::Ok();
}

}  // namespace layermark
