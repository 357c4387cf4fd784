#include "conformance/fuzz/origin_model.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <algorithm>

namespace layermark {
namespace {

std::string TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
    case S_IFBLK:
      return "device";
    default:
      return "regular";
  }
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool IsBelow(const std::string& path, const std::string& top) {
  return path.size() > top.size() + 1 && path.starts_with(top) && path[top.size()] == '/';
}

bool Follows(const FuzzStep& step) {
  switch (step.op) {
    case FuzzOp::kOpen:
      return (step.flags & O_NOFOLLOW) == 0 && (step.flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
    case FuzzOp::kStat:
    case FuzzOp::kChown:
    case FuzzOp::kTimes:
      return (step.flags & AT_SYMLINK_NOFOLLOW) == 0;
    case FuzzOp::kRead:
    case FuzzOp::kWrite:
    case FuzzOp::kAppend:
    case FuzzOp::kTruncate:
    case FuzzOp::kChmod:
    case FuzzOp::kAccess:
    case FuzzOp::kList:
    case FuzzOp::kListPieces:
      return true;
    default:
      return false;
  }
}

}  // namespace

OriginModel::OriginModel(const std::vector<Layer>& layers) {
  Add("", "directory", "merged");
  for (size_t i = 0; i < layers.size(); ++i) {
    whiteouts_.clear();
    const std::string origin = i == 0 ? "lower" : "middle";
    for (const Step& step : layers[i].steps()) ApplyLayerStep(step, origin);
  }
  for (const auto& [path, node] : nodes_) node->linked_below = node->names > 1;
}

void OriginModel::ApplyLayerStep(const Step& s, const std::string& origin) {
  const bool higher = origin == "middle";
  switch (s.op) {
    case StepOp::kDir:
      Add(s.path, "directory", origin);
      break;
    case StepOp::kSymlink:
      Add(s.path, "symlink", origin);
      nodes_[s.path]->link_target = s.target;
      break;
    case StepOp::kMknod:
      Add(s.path, TypeOf(s.mode), origin);
      break;
    case StepOp::kFile:
    case StepOp::kSparse:
      Add(s.path, "regular", origin);
      break;
    case StepOp::kLink:
      if (const auto found = nodes_.find(s.target); found != nodes_.end()) {
        ++found->second->names;
        nodes_[s.path] = found->second;
      }
      break;
    case StepOp::kRemove:
    case StepOp::kRemoveAll:
      Remove(s.path);
      break;
    case StepOp::kRename:
      Move(s.path, s.target);
      break;
    default:
      if (const auto found = nodes_.find(s.path); found != nodes_.end() && higher) {
        found->second->origin = found->second->type == "directory" ? "merged" : "middle";
      }
  }
  if (!higher) return;
  for (std::string up = ParentOf(s.path); !up.empty(); up = ParentOf(up)) {
    if (const auto found = nodes_.find(up); found != nodes_.end() && found->second->origin == "lower") {
      found->second->origin = "merged";
    }
  }
}

const OriginModel::Object* OriginModel::Find(const std::string& path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : found->second.get();
}

// Relative symlinks only, which is all that a program may make.
std::string OriginModel::Resolve(const std::string& path, bool follow_last) const {
  std::string done;
  std::string rest = path;
  for (int hops = 0; !rest.empty() && hops < 64; ++hops) {
    const size_t slash = rest.find('/');
    const std::string name = rest.substr(0, slash);
    rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
    if (name.empty() || name == ".") continue;
    const std::string next = done.empty() ? name : done + "/" + name;
    const Object* object = Find(next);
    if (object != nullptr && object->type == "symlink" && (!rest.empty() || follow_last)) {
      rest = object->link_target + (rest.empty() ? "" : "/" + rest);
    } else {
      done = next;
    }
  }
  return done;
}

Target OriginModel::Describe(const Object& object) const {
  return {object.origin, object.linked_below ? "linked" : object.type};
}

Target OriginModel::TargetOf(const FuzzStep& step) const {
  const unsigned fields = RowOf(step.op).fields;
  if (IsMeta(step.op)) return {};
  if ((fields & kFieldSlot) != 0 && step.op != FuzzOp::kOpen && step.op != FuzzOp::kTmpfile) {
    const size_t slot = static_cast<size_t>(step.slot);
    if (slots_[slot] == nullptr) return {"none", "closed"};
    Target target = Describe(*slots_[slot]);
    // Opened while it was still below, and changed since.
    if (target.origin != slot_origins_[slot]) target.origin = slot_origins_[slot] + "_then_" + target.origin;
    if (slots_[slot]->names == 0) target.type = "unlinked";
    return target;
  }
  const std::string path = Resolve(step.path, Follows(step));
  if (const Object* object = Find(path); object != nullptr) return Describe(*object);
  return {whiteouts_.contains(path) ? "whiteout" : "absent", "none"};
}

void OriginModel::Add(const std::string& path, const std::string& type, const std::string& origin) {
  auto object = std::make_shared<Object>();
  object->type = type;
  object->origin = origin;
  nodes_[path] = std::move(object);
}

void OriginModel::Remove(const std::string& path) {
  for (auto it = nodes_.lower_bound(path); it != nodes_.end();) {
    if (it->first != path && !IsBelow(it->first, path)) {
      if (!it->first.starts_with(path)) break;
      ++it;
      continue;
    }
    --it->second->names;
    if (it->second->origin != "upper") whiteouts_.insert(it->first);
    it = nodes_.erase(it);
  }
}

void OriginModel::Move(const std::string& from, const std::string& to) {
  std::vector<std::pair<std::string, Node>> moved;
  for (const auto& [path, node] : nodes_) {
    if (path == from || IsBelow(path, from)) moved.emplace_back(path, node);
  }
  if (Exists(to)) Remove(to);
  for (const auto& [path, node] : moved) {
    if (node->origin != "upper") whiteouts_.insert(path);
    nodes_.erase(path);
  }
  for (auto& [path, node] : moved) nodes_[to + path.substr(from.size())] = node;
}

void OriginModel::TouchParents(const std::string& path) {
  for (std::string up = ParentOf(path);; up = ParentOf(up)) {
    const auto found = nodes_.find(up);
    if (found != nodes_.end() && found->second->origin != "upper") found->second->origin = "merged";
    if (up.empty()) return;
  }
}

void OriginModel::Touch(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return;
  Object& object = *found->second;
  if (object.origin != "upper") object.origin = object.type == "directory" ? "merged" : "copied";
  TouchParents(path);
}

void OriginModel::EndSession(bool commit) {
  slots_.fill(nullptr);
  if (!commit) return;
  for (const auto& [path, node] : nodes_) {
    if (node->origin == "upper" || node->origin == "copied") node->origin = "middle";
    node->linked_below = node->names > 1 && node->type != "directory";
  }
}

void OriginModel::Apply(const FuzzStep& s, const Outcome& outcome) {
  const size_t slot = static_cast<size_t>(s.slot);
  if (s.op == FuzzOp::kRemount || s.op == FuzzOp::kCommit) return EndSession(s.op == FuzzOp::kCommit);
  if (s.op == FuzzOp::kOpen || s.op == FuzzOp::kTmpfile || s.op == FuzzOp::kClose) slots_[slot] = nullptr;
  if (outcome.error != 0) return;
  const std::string path = Resolve(s.path, Follows(s));
  switch (s.op) {
    case FuzzOp::kOpen: {
      if (!Exists(path)) {
        Add(path, "regular", "upper");
        TouchParents(path);
      } else if ((s.flags & (O_WRONLY | O_RDWR | O_TRUNC)) != 0) {
        Touch(path);
      }
      if (const auto found = nodes_.find(path); found != nodes_.end()) {
        slots_[slot] = found->second;
        slot_origins_[slot] = found->second->origin;
      }
      return;
    }
    case FuzzOp::kTmpfile:
      slots_[slot] = std::make_shared<Object>();
      slots_[slot]->type = "regular";
      slots_[slot]->origin = slot_origins_[slot] = "upper";
      slots_[slot]->names = 0;
      return;
    case FuzzOp::kFdLink:
      if (slots_[slot] != nullptr) {
        ++slots_[slot]->names;
        nodes_[path] = slots_[slot];
        TouchParents(path);
      }
      return;
    case FuzzOp::kFdChmod:
    case FuzzOp::kFdTruncate:
    case FuzzOp::kFdWrite:
    case FuzzOp::kFallocate:
      if (slots_[slot] != nullptr && slots_[slot]->origin != "upper") {
        slots_[slot]->origin = slots_[slot]->type == "directory" ? "merged" : "copied";
      }
      return;
    case FuzzOp::kCreate:
      Add(path, "regular", "upper");
      return TouchParents(path);
    case FuzzOp::kMkdir:
      Add(path, "directory", "upper");
      return TouchParents(path);
    case FuzzOp::kSymlink:
      Add(path, "symlink", "upper");
      nodes_[path]->link_target = s.target;
      return TouchParents(path);
    case FuzzOp::kMknod:
      Add(path, TypeOf(s.mode), "upper");
      return TouchParents(path);
    case FuzzOp::kLink: {
      const std::string to = Resolve(s.target, false);
      Touch(path);
      if (const auto found = nodes_.find(path); found != nodes_.end()) {
        ++found->second->names;
        nodes_[to] = found->second;
      }
      return TouchParents(to);
    }
    case FuzzOp::kUnlink:
    case FuzzOp::kRmdir:
      TouchParents(path);
      return Remove(path);
    case FuzzOp::kRename: {
      const std::string to = Resolve(s.target, false);
      if (path == to) return;
      Touch(path);
      if ((s.flags & RENAME_EXCHANGE) != 0) {
        Touch(to);
        const std::string aside = "\x01";
        Move(path, aside);
        Move(to, path);
        Move(aside, to);
      } else if (Find(path) != Find(to)) {  // two names of one file: rename does nothing
        Move(path, to);
      }
      return TouchParents(to);
    }
    case FuzzOp::kWrite:
    case FuzzOp::kAppend:
    case FuzzOp::kTruncate:
    case FuzzOp::kChmod:
    case FuzzOp::kChown:
    case FuzzOp::kTimes:
    case FuzzOp::kSetXattr:
    case FuzzOp::kRemoveXattr:
      return Touch(path);
    default:
      return;
  }
}

std::vector<std::string> OriginModel::Paths(const std::string& type) const {
  std::vector<std::string> paths;
  for (const auto& [path, node] : nodes_) {
    if (!path.empty() && (type.empty() || node->type == type)) paths.push_back(path);
  }
  return paths;
}

std::vector<std::string> OriginModel::Directories() const {
  std::vector<std::string> paths = Paths("directory");
  paths.emplace_back();
  return paths;
}

}  // namespace layermark
