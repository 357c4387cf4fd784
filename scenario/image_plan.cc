#include "scenario/image_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace layermark {
namespace {

constexpr int64_t kFirstSecond = 1'600'000'000;
constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr uint64_t kWidth = 20;  // directories per directory

// Version 2, effective, permitted: cap_net_raw.
const std::string kNetRaw("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                          20);

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string Join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

// Byte order of keys is depth first, parents before children, a directory's markers before its other names.
std::string Key(const std::string& path, bool marker) {
  std::string key = "/" + path;
  std::replace(key.begin(), key.end(), '/', '\0');
  if (marker) key.insert(key.rfind('\0') + 1, 1, '\x01');
  return key;
}

}  // namespace

ImagePlan::ImagePlan(const ImageSpec& spec) : spec_(spec), random_(spec.seed) {
  sizes_ = random_.LogNormalSizes(static_cast<size_t>(spec.files), spec.total_bytes);
}

int64_t ImagePlan::NewTime() {
  // A day per layer; nearly always with nanoseconds, sometimes without (L45).
  const int64_t second = kFirstSecond + layer_ * 86'400 + static_cast<int64_t>(random_.Below(86'400));
  return second * kNsPerSecond + (random_.OneIn(16) ? 0 : static_cast<int64_t>(random_.Below(kNsPerSecond)));
}

PlannedEntry ImagePlan::NewDirectory(const std::string& path, mode_t mode) {
  PlannedEntry planned;
  planned.entry.path = path;
  planned.entry.typeflag = '5';
  planned.entry.mode = mode;
  planned.entry.mtime_ns = NewTime();
  return planned;
}

void ImagePlan::ListParents(const std::string& path) {
  for (std::string up = path; !up.empty();) {
    up = Parent(up);
    if (!layer_entries_.try_emplace(Key(up, false), tree_.at(up)).second) return;
  }
}

void ImagePlan::Put(PlannedEntry planned) {
  const std::string path = planned.entry.path;
  ListParents(path);
  layer_entries_[Key(path, false)] = planned;
  tree_[path] = std::move(planned);
}

void ImagePlan::PutMarker(const std::string& directory, const std::string& name) {
  PlannedEntry planned;
  planned.entry.path = Join(directory, name);
  planned.entry.mode = 0;
  planned.entry.mtime_ns = 0;
  ListParents(planned.entry.path);
  layer_entries_[Key(planned.entry.path, true)] = std::move(planned);
}

void ImagePlan::AddSkeleton() {
  tree_[""] = NewDirectory("", 0755);
  layer_entries_[Key("", false)] = tree_[""];
  const auto add = [&](const char* path, mode_t mode) {
    if (made_directories_ == spec_.directories) return;
    ++made_directories_;
    Put(NewDirectory(path, mode));
    // Mount points stay empty.
    const std::string_view name = path;
    if (name != "proc" && name != "sys" && name != "dev" && name != "tmp") directories_.emplace_back(path);
  };
  for (const char* path : {"usr", "etc", "var", "srv", "proc", "sys", "dev"}) add(path, 0755);
  add("tmp", 01777);
  if (directories_.empty()) directories_.emplace_back("");
  skeleton_ = directories_.size();
}

void ImagePlan::AddDirectory() {
  // Mostly the tree that is filled level by level, sometimes deeper.
  const size_t level = (directories_.size() - skeleton_) / kWidth;
  std::string parent = directories_[std::min(level, directories_.size() - 1)];
  if (random_.OneIn(4) || !tree_.contains(parent)) {
    const std::string other = PickDirectory();
    parent = other.empty() ? directories_.front() : other;
  }
  if (!tree_.contains(parent)) parent = directories_.front();
  static const std::vector<std::string> kNames = {"lib",
                                                  "share",
                                                  "data",
                                                  "modules",
                                                  "locale",
                                                  "a b",
                                                  "b\xc3\xbc"
                                                  "cher"};
  // No set-group-ID directory: fuse-overlayfs loses the bit when a later layer changes such a directory, and
  // an image that every driver can unpack is what the workloads need. A case asks that question (metadata).
  static const std::vector<mode_t> kModes = {0755, 0755, 0755, 0755, 0750, 0700, 01777};
  PlannedEntry planned =
      NewDirectory(Join(parent, fmt::format("{}{}", random_.Of(kNames), made_names_++)), random_.Of(kModes));
  if (random_.OneIn(10)) planned.entry.uid = planned.entry.gid = 1000;
  if (spec_.xattrs && random_.OneIn(12)) planned.entry.xattrs = {{"user.layermark.dir", "d"}};
  directories_.push_back(planned.entry.path);
  ++made_directories_;
  Put(std::move(planned));
}

void ImagePlan::AddFiles(size_t count) {
  static const std::vector<std::string> kSuffixes = {"", ".so", ".py", ".txt", ".conf", ".html", ".dat"};
  static const std::vector<mode_t> kModes = {0644, 0644, 0644, 0644,  0755, 0755,
                                             0600, 0444, 0640, 04755, 02755};
  for (size_t i = 0; i < count && next_size_ < sizes_.size(); ++i) {
    std::string directory = PickDirectory();
    if (directory.empty()) directory = directories_.front();
    PlannedEntry planned;
    TarEntry& entry = planned.entry;
    entry.path = Join(directory, fmt::format("{}{}{}", random_.OneIn(30) ? "." : "f", made_names_++,
                                             random_.Of(kSuffixes)));
    entry.mode = random_.Of(kModes);
    if (random_.OneIn(8)) entry.uid = 33;
    if (random_.OneIn(8)) entry.gid = random_.OneIn(2) ? 33 : 65534;
    entry.mtime_ns = NewTime();
    if (spec_.xattrs && random_.OneIn(10)) {
      entry.xattrs.push_back({"user.layermark.tag", fmt::format("tag {}", random_.Below(1000))});
    }
    if (spec_.xattrs && next_size_ == 0) {
      entry.mode = 0755;
      entry.xattrs.insert(entry.xattrs.begin(), {"security.capability", kNetRaw});
    }
    planned.size_bytes = sizes_[next_size_++];
    planned.content_seed = random_.Next();
    planned.text = random_.OneIn(2);
    files_.push_back(entry.path);
    Put(std::move(planned));
  }
}

void ImagePlan::AddLinks(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const std::string directory = PickDirectory();
    if (directory.empty() || files_.empty()) return;
    PlannedEntry planned;
    TarEntry& entry = planned.entry;
    entry.path = Join(directory, fmt::format("l{}", made_names_++));
    entry.mode = 0777;
    entry.mtime_ns = NewTime();
    if (!random_.OneIn(3)) {
      entry.typeflag = '2';
      // Absolute, relative and dead ones.
      entry.link_target =
          random_.OneIn(8) ? "../nowhere" : (random_.OneIn(2) ? "/" : "./") + random_.Of(files_);
    } else {
      // A further name of a file that this very layer brings, and brings earlier in the tar (L38).
      std::vector<const PlannedEntry*> targets;
      const std::string key = Key(entry.path, false);
      for (const auto& [other, candidate] : layer_entries_) {
        if (other >= key) break;
        if (candidate.entry.typeflag == '0' && other.find('\x01') == std::string::npos)
          targets.push_back(&candidate);
      }
      if (targets.empty()) continue;
      const TarEntry& target = random_.Of(targets)->entry;
      const std::string path = entry.path;
      entry = target;
      entry.path = path;
      entry.typeflag = '1';
      entry.link_target = target.path;
      entry.xattrs.clear();
    }
    Put(std::move(planned));
  }
}

std::string ImagePlan::PickDirectory() {
  for (int tries = 0; tries < 20; ++tries) {
    const std::string& path = random_.Of(directories_);
    const auto it = tree_.find(path);
    if (it != tree_.end() && it->second.entry.typeflag == '5') return path;
  }
  return "";
}

std::string ImagePlan::PickFile() {
  for (int tries = 0; tries < 20 && !files_.empty(); ++tries) {
    const std::string& path = random_.Of(files_);
    if (tree_.contains(path) && !layer_entries_.contains(Key(path, false))) return path;
  }
  return "";
}

bool ImagePlan::TouchedBelow(const std::string& path) const {
  const std::string key = Key(path, false);
  const auto it = layer_entries_.lower_bound(key);
  return it != layer_entries_.end() && it->first.starts_with(key);
}

void ImagePlan::RemoveBelow(const std::string& path) {
  tree_.erase(tree_.lower_bound(path + "/"), tree_.lower_bound(path + "0"));
}

void ImagePlan::RewriteFiles(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const std::string path = PickFile();
    if (path.empty()) return;
    PlannedEntry planned = tree_.at(path);
    planned.entry.mtime_ns = NewTime();
    switch (random_.Below(3)) {
      case 0:  // the same size
        planned.content_seed = random_.Next();
        break;
      case 1:  // longer
        planned.content_seed = random_.Next();
        planned.size_bytes += static_cast<int64_t>(random_.Below(4096));
        break;
      default:  // only its attributes
        planned.entry.mode ^= 0100;
        planned.entry.uid = 1000;
    }
    Put(std::move(planned));
  }
}

void ImagePlan::HideFiles(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const std::string path = PickFile();
    if (path.empty()) return;
    const std::string directory = Parent(path);
    PutMarker(directory, ".wh." + path.substr(directory.empty() ? 0 : directory.size() + 1));
    tree_.erase(path);
  }
}

void ImagePlan::HideDirectory() {
  for (int tries = 0; tries < 50 && directories_.size() > skeleton_; ++tries) {
    const std::string path = directories_[skeleton_ + random_.Below(directories_.size() - skeleton_)];
    if (!tree_.contains(path) || TouchedBelow(path)) continue;
    // One that holds other directories would take too much of the image with it.
    const auto first = tree_.lower_bound(path + "/"), last = tree_.lower_bound(path + "0");
    if (std::any_of(first, last, [](const auto& item) { return item.second.entry.typeflag == '5'; }))
      continue;
    const std::string directory = Parent(path);
    PutMarker(directory, ".wh." + path.substr(directory.empty() ? 0 : directory.size() + 1));
    RemoveBelow(path);
    tree_.erase(path);
    return;
  }
}

void ImagePlan::MakeOpaque() {
  for (int tries = 0; tries < 50 && directories_.size() > skeleton_; ++tries) {
    const std::string path = directories_[skeleton_ + random_.Below(directories_.size() - skeleton_)];
    const auto it = tree_.find(path);
    if (it == tree_.end() || TouchedBelow(path)) continue;
    const auto first = tree_.lower_bound(path + "/"), last = tree_.lower_bound(path + "0");
    const bool nested =
        std::any_of(first, last, [](const auto& item) { return item.second.entry.typeflag == '5'; });
    if (nested || first == last) continue;
    RemoveBelow(path);
    PlannedEntry planned = it->second;
    planned.entry.mtime_ns = NewTime();
    Put(std::move(planned));
    PutMarker(path, ".wh..wh..opq");
    return;
  }
}

std::vector<PlannedEntry> ImagePlan::NextLayer() {
  layer_entries_.clear();
  const auto files = static_cast<size_t>(spec_.files);
  // Half of everything is in the base, the rest spread over the layers above it.
  const auto share = [&](int all) {
    const int above = spec_.layers - 1;
    if (above == 0) return all;
    const int base = all / 2;
    return layer_ == 0 ? base : base + (all - base) * layer_ / above;
  };
  if (layer_ == 0) {
    AddSkeleton();
  } else if (spec_.whiteouts) {
    if (layer_ % 2 == 0) MakeOpaque();
    if (layer_ % 3 == 1) HideDirectory();
    HideFiles(1 + files / 200);
  }
  while (made_directories_ < share(spec_.directories)) AddDirectory();
  const auto until = static_cast<size_t>(share(spec_.files));
  AddFiles(until > next_size_ ? until - next_size_ : 0);
  if (layer_ > 0) RewriteFiles(1 + files / 100);
  if (spec_.links) AddLinks(1 + files / 20 / static_cast<size_t>(spec_.layers));
  ++layer_;
  std::vector<PlannedEntry> entries;
  for (auto& [key, planned] : layer_entries_) {
    if (planned.entry.typeflag == '5')
      planned.entry.path = planned.entry.path.empty() ? "./" : planned.entry.path + "/";
    entries.push_back(std::move(planned));
  }
  return entries;
}

}  // namespace layermark
