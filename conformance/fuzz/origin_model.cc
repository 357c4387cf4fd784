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

bool MakesOrTakesNames(FuzzOp op) {
  switch (op) {
    case FuzzOp::kCreate:
    case FuzzOp::kRename:
    case FuzzOp::kLink:
    case FuzzOp::kUnlink:
    case FuzzOp::kRmdir:
    case FuzzOp::kMkdir:
    case FuzzOp::kSymlink:
    case FuzzOp::kMknod:
    case FuzzOp::kFdLink:
      return true;
    default:
      return false;
  }
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
    case FuzzOp::kFdSame:
    case FuzzOp::kStatfs:
    case FuzzOp::kList:
    case FuzzOp::kListPieces:
    case FuzzOp::kListInodes:
    case FuzzOp::kListRemove:
    case FuzzOp::kListCreate:
      return true;
    case FuzzOp::kLink:
      return step.flags != 0;
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
        found->second->linked_below =
            true;  // and stays so where a layer removes a name: the count is of all layers
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
  if (const Object* object = Find(path); object != nullptr) {
    Target target = Describe(*object);
    // What is replaced may be what matters.
    const Object* replaced = step.op == FuzzOp::kRename ? Find(Resolve(step.target, false)) : nullptr;
    if (replaced != nullptr && replaced->linked_below) target.type = "linked";
    return target;
  }
  return {whiteouts_.contains(path) ? "whiteout" : "absent", "none"};
}

bool OriginModel::IsDirectory(const std::string& path) const {
  const Object* object = Find(path);
  return object != nullptr && object->type == "directory";
}

std::string OriginModel::PathOf(const FuzzStep& step) const {
  return Resolve(step.path, Follows(step));
}

std::string OriginModel::StateOf(const FuzzStep& step) const {
  if ((RowOf(step.op).fields & kFieldPath) == 0) return session_;
  const Object* object = Find(PathOf(step));
  const bool open = object != nullptr && std::any_of(slots_.begin(), slots_.end(),
                                                     [&](const Node& node) { return node.get() == object; });
  return open ? session_ + "_open" : session_;
}

OriginModel::Change OriginModel::LastChange(const std::string& path) const {
  const Object* object = Find(path);
  if (object != nullptr) {
    if (object->last.operation != "layers") return object->last;
  } else if (const auto gone = gone_.find(path); gone != gone_.end()) {
    return gone->second;
  }
  // What was done to a directory above came with its name.
  for (std::string up = ParentOf(path); !up.empty(); up = ParentOf(up)) {
    const Object* above = Find(up);
    const auto gone = gone_.find(up);
    if (above != nullptr && above->last.operation == "rename") return {"rename_above", above->last.target};
    if (above == nullptr && gone != gone_.end())
      return {gone->second.operation + "_above", gone->second.target};
  }
  return {"layers", object != nullptr ? Describe(*object) : Target{"absent", "none"}};
}

void OriginModel::Note(const std::string& path, const std::string& operation, const Target& target) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) {
    gone_[path] = {operation, target};
  } else {
    found->second->last = {operation, target};
  }
}

void OriginModel::Apply(const FuzzStep& s, const Outcome& outcome) {
  const bool looks = OnlyLooks(s.op) || s.op == FuzzOp::kFdRead || s.op == FuzzOp::kLock ||
                     s.op == FuzzOp::kSeek || outcome.seen == "nothing";
  if (outcome.error != 0 || looks) return ApplyChange(s, outcome);
  const FuzzOpRow& row = RowOf(s.op);
  const std::string operation = row.name;
  const Target target = TargetOf(s);
  std::vector<std::string> names;
  if ((row.fields & kFieldPath) != 0) names.push_back(PathOf(s));
  if (s.op == FuzzOp::kRename || s.op == FuzzOp::kLink) names.push_back(Resolve(s.target, false));
  std::vector<std::pair<Node, Target>> parents;
  for (const std::string& name : names) {
    if (const auto found = nodes_.find(ParentOf(name)); found != nodes_.end() && !name.empty()) {
      parents.emplace_back(found->second, Describe(*found->second));
    }
  }
  const Node held = (row.fields & kFieldSlot) != 0 ? slots_[static_cast<size_t>(s.slot)] : nullptr;
  ApplyChange(s, outcome);
  const std::string inside = (MakesOrTakesNames(s.op) ? operation : "change") + "_inside";
  for (const auto& [node, before] : parents) {
    node->last = {inside, {before.origin, target.type == "linked" ? target.type : before.type}};
  }
  for (const std::string& name : names) Note(name, operation, target);
  if (held != nullptr && s.op != FuzzOp::kOpen && s.op != FuzzOp::kTmpfile) held->last = {operation, target};
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
  session_ = commit ? "committed" : session_ == "committed" ? "committed" : "remounted";
  if (!commit) return;
  for (const auto& [path, node] : nodes_) {
    if (node->origin == "upper" || node->origin == "copied") node->origin = "middle";
    // A name that was removed is still one of the lower object.
    node->linked_below = node->linked_below || (node->names > 1 && node->type != "directory");
    // What is copied up from now on, be it by a step that fails, is one of several names.
    if (node->linked_below && node->last.operation != "layers") node->last.target.type = "linked";
  }
}

void OriginModel::ApplyChange(const FuzzStep& s, const Outcome& outcome) {
  const size_t slot = static_cast<size_t>(s.slot);
  if (s.op == FuzzOp::kCheck) return;
  if (IsMeta(s.op)) return EndSession(s.op != FuzzOp::kRemount);
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
    case FuzzOp::kFdChown:
    case FuzzOp::kFdTimes:
    case FuzzOp::kFdSetXattr:
    case FuzzOp::kSendfile:
    case FuzzOp::kCopyRange:
    case FuzzOp::kMmapWrite:
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
    case FuzzOp::kLink: {  // `path` was resolved as the flags say
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
    case FuzzOp::kSetFlags:
      return Touch(path);
    case FuzzOp::kListRemove: {
      std::vector<std::string> files;
      for (const auto& [name, node] : nodes_) {
        if (!name.empty() && ParentOf(name) == path && node->type != "directory") files.push_back(name);
      }
      for (const std::string& file : files) {
        Remove(file);
        gone_[file] = {"list_remove", {}};
      }
      return files.empty() ? void() : Touch(path);
    }
    case FuzzOp::kListCreate:
      for (int i = 0; i < 4; ++i) {
        const std::string name = (path.empty() ? "" : path + "/") + "made" + std::to_string(i);
        if (!Exists(name)) {
          Add(name, "regular", "upper");
          nodes_[name]->last = {"list_create", {}};
        }
      }
      return TouchParents(path);
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
