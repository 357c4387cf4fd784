#include "inspect/uses.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>

namespace layermark::inspect {
namespace {

const LayerRecord& LayerOf(const Root& root, int layer) {
  return root.layers[static_cast<size_t>(layer)];
}

const std::vector<Name>& NamesOf(const Scan& scan, int layer) {
  return scan.names[static_cast<size_t>(layer)];
}

// Whether two inodes are alike as far as a copy makes them so: kind, bytes, target, device number.
bool Alike(const Scan& scan, const Contents& contents, uint32_t a, uint32_t b) {
  const Inode& one = scan.inodes[a];
  const Inode& other = scan.inodes[b];
  if ((one.mode & S_IFMT) != (other.mode & S_IFMT)) return false;
  if (S_ISLNK(one.mode)) return one.link_target == other.link_target;
  if (S_ISCHR(one.mode) || S_ISBLK(one.mode)) return one.rdev == other.rdev;
  if (!S_ISREG(one.mode) || a == b) return true;
  if (one.size_bytes != other.size_bytes) return false;
  return one.size_bytes == 0 || (contents.number[a] != 0 && contents.number[a] == contents.number[b]);
}

using PathMap = std::unordered_map<uint32_t, uint32_t>;  // path -> inode

PathMap PathsOf(const Scan& scan, int layer) {
  PathMap paths;
  for (const Name& name : NamesOf(scan, layer)) paths.emplace(name.path, name.inode);
  return paths;
}

// What upper layers say about a path.
enum PathState : uint8_t {
  kHidden = 1,     // it and all below it is not seen
  kDirectory = 2,  // an upper layer has a directory there: nothing but a directory is seen through it
  kPinned = 4,     // may be reached under another name: it and all below it is shown
};

// One head over layers of changes.
class Union {
 public:
  Union(const Scan& scan, std::vector<bool>* shown)
      : scan_(scan), shown_(*shown), state_(scan.paths.size(), 0), here_(scan.paths.size(), 0) {}

  // The next lower layer.
  void Add(int layer) {
    for (const Name& name : NamesOf(scan_, layer)) Look(name);
    for (const Name& name : NamesOf(scan_, layer)) Say(name);
    for (const auto& [from, path] : scan_.redirects) {
      if (from == layer) state_[path] |= kPinned;
    }
  }

 private:
  void Look(const Name& name) {
    if ((name.flags & kWhiteout) != 0) return;
    const uint8_t above = name.path == 0 ? uint8_t{0} : here_[scan_.paths.Parent(name.path)];
    const uint8_t own = state_[name.path];
    const bool directory = S_ISDIR(scan_.inodes[name.inode].mode);
    const bool pinned = (above & kPinned) != 0 || (own & kPinned) != 0;
    const bool hidden = ((above | own) & kHidden) != 0 || (!directory && (own & kDirectory) != 0);
    if (pinned || !hidden) shown_[name.inode] = true;
    here_[name.path] = static_cast<uint8_t>((hidden ? kHidden : 0) | (pinned ? kPinned : 0));
  }

  void Say(const Name& name) {
    if ((name.flags & kMetaCopy) != 0) return;
    const bool merges = S_ISDIR(scan_.inodes[name.inode].mode) && (name.flags & kOpaque) == 0;
    state_[name.path] |= merges ? kDirectory : kHidden;
  }

  const Scan& scan_;
  std::vector<bool>& shown_;
  std::vector<uint8_t> state_;
  std::vector<uint8_t> here_;  // of the layer looked at; each directory is set before it is asked
};

void ShowWhole(const std::vector<int>& chain, const Scan& scan, const Contents& contents,
               std::vector<bool>* shown) {
  const PathMap top = PathsOf(scan, chain.back());
  for (const int layer : chain) {
    for (const Name& name : NamesOf(scan, layer)) {
      const auto seen = top.find(name.path);
      if (seen != top.end() && Alike(scan, contents, name.inode, seen->second)) (*shown)[name.inode] = true;
    }
  }
}

// REQUIRES: the layers are of one driver.
void MarkDuplicates(const std::vector<int>& layers, const Root& root, const Scan& scan,
                    const Contents& contents, std::vector<Use>* uses) {
  constexpr size_t kNowhere = SIZE_MAX;
  std::vector<size_t> first_of_content(scan.inodes.size() + 1, kNowhere);
  std::vector<bool> met(scan.inodes.size(), false);
  for (size_t position = 0; position < layers.size(); ++position) {
    for (const Name& name : NamesOf(scan, layers[position])) {
      const uint32_t content = contents.number[name.inode];
      if (content == 0 || met[name.inode] || (*uses)[name.inode] != Use::kLive) continue;
      met[name.inode] = true;
      if (first_of_content[content] == kNowhere) first_of_content[content] = position;
      if (first_of_content[content] < position) (*uses)[name.inode] = Use::kDuplicate;
    }
  }
  std::vector<uint32_t> copies;
  for (const int layer : layers) {
    const LayerRecord& record = LayerOf(root, layer);
    if (record.form != LayerForm::kWhole || record.parent < 0) continue;
    const PathMap parent = PathsOf(scan, record.parent);
    for (const Name& name : NamesOf(scan, layer)) {
      const auto below = parent.find(name.path);
      if (below == parent.end() || below->second == name.inode || (*uses)[name.inode] != Use::kLive) continue;
      const Use use = (*uses)[below->second];
      if ((use == Use::kLive || use == Use::kDuplicate) && Alike(scan, contents, name.inode, below->second)) {
        copies.push_back(name.inode);
      }
    }
  }
  for (const uint32_t inode : copies) (*uses)[inode] = Use::kDuplicate;
}

}  // namespace

Scope ScopeOfImage(const Root& root, int top) {
  return {Chain(root, top), {top}, false};
}

Scope ScopeOfRoot(const Root& root) {
  Scope scope;
  scope.parts = true;
  std::vector<bool> is_head(root.layers.size(), true);
  for (const LayerRecord& layer : root.layers) {
    if (layer.parent >= 0) is_head[static_cast<size_t>(layer.parent)] = false;
  }
  for (const ImageRecord& image : root.images) {
    if (image.top >= 0) is_head[static_cast<size_t>(image.top)] = true;
  }
  for (size_t i = 0; i < root.layers.size(); ++i) {
    scope.layers.push_back(static_cast<int>(i));
    if (is_head[i]) scope.heads.push_back(static_cast<int>(i));
  }
  return scope;
}

std::vector<Use> UsesIn(const Scope& scope, const Root& root, const Scan& scan, const Contents& contents) {
  std::vector<bool> shown(scan.inodes.size(), false);
  for (const int head : scope.heads) {
    const std::vector<int> chain = Chain(root, head);
    if (LayerOf(root, head).form == LayerForm::kWhole) {
      ShowWhole(chain, scan, contents, &shown);
      continue;
    }
    Union view(scan, &shown);
    for (auto layer = chain.rbegin(); layer != chain.rend(); ++layer) view.Add(*layer);
  }
  std::vector<Use> uses(scan.inodes.size(), Use::kOutside);
  if (scope.parts) {
    for (size_t i = 0; i < scan.inodes.size(); ++i) {
      if (scan.inodes[i].holder >= static_cast<int>(root.layers.size())) uses[i] = Use::kLive;
    }
  }
  for (const int layer : scope.layers) {
    for (const Name& name : NamesOf(scan, layer)) {
      Use& use = uses[name.inode];
      const bool marker = (name.flags & kWhiteout) != 0;
      use = std::max(use, marker ? Use::kWhiteout : shown[name.inode] ? Use::kLive : Use::kShadowed);
    }
  }
  std::map<std::string, std::vector<int>> by_driver;
  for (const int layer : scope.layers) by_driver[LayerOf(root, layer).driver].push_back(layer);
  for (const auto& [driver, layers] : by_driver) MarkDuplicates(layers, root, scan, contents, &uses);
  return uses;
}

}  // namespace layermark::inspect
