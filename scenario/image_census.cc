#include "scenario/image_census.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace layermark {
namespace {

using Parts = std::deque<std::string>;

constexpr size_t kRoot = 0;
constexpr size_t kNothing = static_cast<size_t>(-1);

struct Inode {
  char type = '5';
  int64_t bytes = 0;
  std::string target;                     // of a symlink
  std::map<std::string, size_t> entries;  // of a directory
  size_t up = kRoot;                      // of a directory
};

Result<Parts> Split(std::string_view path) {
  Parts parts;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    std::string part(path.substr(at, end - at));
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (parts.empty()) {
      return InvalidArgument(fmt::format("{} escapes the root", path));
    } else {
      parts.pop_back();
    }
  }
  return parts;
}

class Census {
 public:
  Census() : inodes_(1) {}
  Result<LayerCensus> Add(const std::vector<TarListEntry>& layer);

 private:
  Status AddMarker(const Parts& parts);
  Status AddObject(const TarListEntry& item, Parts parts);
  // The directory that `parts` lead to, through symlinks. Missing ones are made if `make`, else kNothing.
  Result<size_t> Walk(Parts parts, bool make);
  void Hide(size_t directory, const std::string& name);
  // The layer holds this directory, and so all above it.
  void TouchDirectory(size_t directory);
  void CountTree(LayerCensus* row) const;

  std::vector<Inode> inodes_;
  // Of the layer at hand.
  std::set<size_t> held_;
  std::set<std::pair<size_t, std::string>> hidden_;
  LayerCensus row_;
};

Result<size_t> Census::Walk(Parts parts, bool make) {
  size_t at = kRoot;
  int symlinks = 0;
  while (!parts.empty()) {
    const std::string part = parts.front();
    parts.pop_front();
    if (part == "..") {
      at = inodes_[at].up;
      continue;
    }
    const auto it = inodes_[at].entries.find(part);
    if (it == inodes_[at].entries.end()) {
      if (!make) return kNothing;
      Inode directory;
      directory.up = at;
      inodes_.push_back(std::move(directory));
      inodes_[at].entries[part] = inodes_.size() - 1;
      at = inodes_.size() - 1;
      continue;
    }
    const Inode& found = inodes_[it->second];
    if (found.type == '5') {
      at = it->second;
    } else if (found.type == '2' && ++symlinks <= 40) {
      Parts target;
      std::string_view text = found.target;
      if (text.starts_with('/')) at = kRoot;
      while (!text.empty()) {
        const size_t end = std::min(text.find('/'), text.size());
        if (end > 0 && text.substr(0, end) != ".") target.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
      }
      parts.insert(parts.begin(), target.begin(), target.end());
    } else if (make) {
      return InvalidArgument(fmt::format("{} is not a directory", part));
    } else {
      return kNothing;
    }
  }
  return at;
}

void Census::TouchDirectory(size_t directory) {
  while (held_.insert(directory).second && directory != kRoot) directory = inodes_[directory].up;
}

void Census::Hide(size_t directory, const std::string& name) {
  if (inodes_[directory].entries.erase(name) == 0) return;
  hidden_.insert({directory, name});
  TouchDirectory(directory);
}

Status Census::AddMarker(const Parts& parts) {
  Parts above = parts;
  const std::string name = above.back();
  above.pop_back();
  const bool opaque = name == ".wh..wh..opq";
  if (!opaque && name.starts_with(".wh..wh.")) return Status::Ok();
  ++(opaque ? row_.opaques : row_.whiteouts);
  LM_ASSIGN(const size_t directory, Walk(above, /*make=*/false));
  if (directory == kNothing) return Status::Ok();
  if (!opaque) {
    Hide(directory, name.substr(4));
    return Status::Ok();
  }
  std::vector<std::string> names;
  for (const auto& [child, inode] : inodes_[directory].entries) names.push_back(child);
  for (const std::string& child : names) Hide(directory, child);
  return Status::Ok();
}

Status Census::AddObject(const TarListEntry& item, Parts parts) {
  const TarEntry& entry = item.entry;
  if (parts.empty()) return Status::Ok();  // the root, which every layer holds
  const std::string name = parts.back();
  parts.pop_back();
  size_t linked = kNothing;
  if (entry.typeflag == '1') {
    LM_ASSIGN(Parts target, Split(entry.link_target));
    if (target.empty()) return InvalidArgument("hard link to the root");
    const std::string last = target.back();
    target.pop_back();
    LM_ASSIGN(const size_t from, Walk(target, /*make=*/false));
    if (from != kNothing) {
      const auto it = inodes_[from].entries.find(last);
      if (it != inodes_[from].entries.end()) linked = it->second;
    }
    if (linked == kNothing)
      return NotFound(fmt::format("hard link target {} does not exist", entry.link_target));
    TouchDirectory(from);
  }
  LM_ASSIGN(const size_t directory, Walk(parts, /*make=*/true));
  TouchDirectory(directory);
  hidden_.erase({directory, name});
  const auto it = inodes_[directory].entries.find(name);
  if (it != inodes_[directory].entries.end() && entry.typeflag == '5' && inodes_[it->second].type == '5') {
    TouchDirectory(it->second);
    return Status::Ok();
  }
  if (linked == kNothing) {
    Inode made;
    made.type = entry.typeflag;
    made.bytes = entry.typeflag == '0' ? item.size_bytes : 0;
    made.target = entry.typeflag == '2' ? entry.link_target : "";
    made.up = directory;
    inodes_.push_back(std::move(made));
    linked = inodes_.size() - 1;
  }
  inodes_[directory].entries[name] = linked;
  held_.insert(linked);
  return Status::Ok();
}

void Census::CountTree(LayerCensus* row) const {
  std::set<size_t> seen;
  std::vector<size_t> open = {kRoot};
  while (!open.empty()) {
    const size_t at = open.back();
    open.pop_back();
    if (!seen.insert(at).second) continue;
    row->tree_bytes += inodes_[at].bytes;
    if (inodes_[at].type == '5') ++row->tree_directories;
    for (const auto& [name, child] : inodes_[at].entries) open.push_back(child);
  }
  row->tree_inodes = static_cast<int64_t>(seen.size());
  // Of what the layer made, what another entry of it replaced is gone again.
  for (const size_t inode : held_) {
    if (!seen.contains(inode)) continue;
    ++row->layer_inodes;
    row->layer_bytes += inodes_[inode].bytes;
    if (inodes_[inode].type == '5') ++row->layer_directories;
  }
}

Result<LayerCensus> Census::Add(const std::vector<TarListEntry>& layer) {
  row_ = LayerCensus();
  held_ = {kRoot};
  hidden_.clear();
  for (const bool markers : {true, false}) {
    for (const TarListEntry& item : layer) {
      LM_ASSIGN(const Parts parts, Split(item.entry.path));
      // Below the names that aufs left; a marker itself is judged by its last name.
      const bool below_private =
          std::any_of(parts.begin(), parts.end() - (parts.empty() ? 0 : 1),
                      [](const std::string& part) { return part.starts_with(".wh."); });
      if (below_private) continue;
      const bool marker = !parts.empty() && parts.back().starts_with(".wh.");
      if (marker != markers) continue;
      LM_TRY((marker ? AddMarker(parts) : AddObject(item, parts)).WithContext("census: " + item.entry.path));
    }
  }
  row_.hidden_names = static_cast<int64_t>(hidden_.size());
  CountTree(&row_);
  return row_;
}

}  // namespace

Result<std::vector<LayerCensus>> TakeCensus(const std::vector<std::vector<TarListEntry>>& layers) {
  Census census;
  std::vector<LayerCensus> rows;
  for (const auto& layer : layers) {
    LM_ASSIGN(const LayerCensus row, census.Add(layer));
    rows.push_back(row);
  }
  return rows;
}

Result<std::vector<LayerCensus>> TakeCensus(const ImageSource& image) {
  Census census;
  std::vector<LayerCensus> rows;
  for (size_t i = 0; i < image.layer_count(); ++i) {
    LM_ASSIGN(const Fd tar, image.OpenLayer(i));
    LM_ASSIGN(const std::vector<TarListEntry> layer, ListTar(tar.get()));
    LM_ASSIGN(const LayerCensus row, census.Add(layer));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace layermark
