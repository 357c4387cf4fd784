#include "inspect/inspection.h"

#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "inspect/contents.h"
#include "inspect/scan.h"
#include "inspect/uses.h"

namespace layermark::inspect {
namespace {

size_t At(int index) {
  return static_cast<size_t>(index);
}

// Adds an amount under its use.
void AddUse(Use use, const Amount& amount, Figures* figures) {
  figures->used += amount;
  if (use == Use::kShadowed) figures->shadowed += amount;
  if (use == Use::kDuplicate) figures->duplicate += amount;
  if (use == Use::kWhiteout) figures->whiteouts += amount;
}

class Inspector {
 public:
  Inspector(Root root, Scan scan, Contents contents)
      : root_(std::move(root)), scan_(std::move(scan)), contents_(std::move(contents)) {}
  Inspection Run(const InspectOptions& options);

 private:
  int layers_count() const { return static_cast<int>(root_.layers.size()); }
  int64_t WhiteoutNames(int layer) const {
    const std::vector<Name>& names = scan_.names[At(layer)];
    return std::count_if(names.begin(), names.end(),
                         [](const Name& n) { return (n.flags & kWhiteout) != 0; });
  }
  void CountUsers();
  void FillFromTally(const Tally& tally);
  void FillImages(const Tally& tally);
  void FillWastedFiles(const std::vector<Use>& uses, size_t most);

  const Root root_;
  const Scan scan_;
  const Contents contents_;
  Inspection out_;
};

void Inspector::CountUsers() {
  for (const ImageRecord& image : root_.images) {
    for (const int layer : Chain(root_, image.top)) ++out_.layers[At(layer)].images_count;
  }
  for (int i = 0; i < layers_count(); ++i) {
    const std::string& state = root_.layers[At(i)].state;
    if (state != "active" && state != "view") continue;
    for (const int layer : Chain(root_, i)) ++out_.layers[At(layer)].containers_count;
  }
}

void Inspector::FillFromTally(const Tally& tally) {
  for (const auto& [key, amount] : tally) {
    const auto& [holders, use] = key;
    AddUse(use, amount, &out_.total);
    out_.total.alone += amount;
    bool in_layers = false;
    bool in_parts = false;
    bool used = false;
    for (const int holder : holders) {
      if (holder >= layers_count()) {
        out_.parts[At(holder - layers_count())].used += amount;
        in_parts = true;
        continue;
      }
      in_layers = true;
      LayerFigures& layer = out_.layers[At(holder)];
      AddUse(use, amount, &layer.figures);
      if (holders.size() == 1) layer.figures.alone += amount;
      used = used || layer.images_count > 0 || layer.containers_count > 0;
    }
    if (!in_layers) continue;
    AddUse(use, amount, &out_.layers_total);
    if (!in_parts) out_.layers_total.alone += amount;
    if (!in_parts && !used) out_.unused += amount;
  }
  for (uint32_t i = 0; i < scan_.inodes.size(); ++i) {
    const int64_t bytes = scan_.inodes[i].block_bytes;
    out_.total.du_bytes += bytes;
    bool in_layers = false;
    for (const int holder : scan_.Holders(i)) {
      if (holder >= layers_count()) {
        out_.parts[At(holder - layers_count())].du_bytes += bytes;
      } else {
        out_.layers[At(holder)].figures.du_bytes += bytes;
        in_layers = true;
      }
    }
    if (in_layers) out_.layers_total.du_bytes += bytes;
  }
  for (int i = 0; i < layers_count(); ++i) {
    out_.layers[At(i)].figures.whiteout_names_count = WhiteoutNames(i);
    out_.layers_total.whiteout_names_count += WhiteoutNames(i);
  }
  out_.total.whiteout_names_count = out_.layers_total.whiteout_names_count;
}

void Inspector::FillImages(const Tally& tally) {
  for (const ImageRecord& record : root_.images) {
    ImageFigures image;
    image.record = record;
    if (record.top < 0) {
      out_.images.push_back(std::move(image));
      continue;
    }
    const Scope scope = ScopeOfImage(root_, record.top);
    image.layers_count = static_cast<int>(scope.layers.size());
    const std::vector<Use> uses = UsesIn(scope, root_, scan_, contents_);
    for (const auto& [key, amount] : TallyUp(scan_, uses)) AddUse(key.second, amount, &image.figures);
    for (uint32_t i = 0; i < scan_.inodes.size(); ++i) {
      if (uses[i] != Use::kOutside) image.figures.du_bytes += scan_.inodes[i].block_bytes;
    }
    std::vector<bool> own(At(layers_count()) + root_.parts.size(), false);
    for (const int layer : scope.layers) {
      const LayerFigures& l = out_.layers[At(layer)];
      own[At(layer)] = l.images_count == 1 && l.containers_count == 0;
      image.figures.whiteout_names_count += l.figures.whiteout_names_count;
    }
    for (const auto& [key, amount] : tally) {
      const Holders& holders = key.first;
      const bool all = std::all_of(holders.begin(), holders.end(), [&](int h) { return own[At(h)]; });
      if (all) image.figures.alone += amount;
    }
    out_.images.push_back(std::move(image));
  }
}

void Inspector::FillWastedFiles(const std::vector<Use>& uses, size_t most) {
  for (uint32_t i = 0; i < scan_.inodes.size(); ++i) {
    const Inode& inode = scan_.inodes[i];
    if ((uses[i] != Use::kShadowed && uses[i] != Use::kDuplicate) || !S_ISREG(inode.mode)) continue;
    ++out_.wasted_files_count;
    out_.wasted_files.push_back({inode.path, uses[i], inode.block_bytes});
  }
  auto larger = [](const WastedFile& a, const WastedFile& b) {
    return std::tie(b.block_bytes, a.path) < std::tie(a.block_bytes, b.path);
  };
  const size_t kept = std::min(most, out_.wasted_files.size());
  std::partial_sort(out_.wasted_files.begin(), out_.wasted_files.begin() + static_cast<std::ptrdiff_t>(kept),
                    out_.wasted_files.end(), larger);
  out_.wasted_files.resize(kept);
}

// Parts of one name become one.
std::vector<PartFigures> Merged(const std::vector<PartFigures>& parts) {
  std::vector<PartFigures> merged;
  for (const PartFigures& part : parts) {
    const auto same = std::find_if(merged.begin(), merged.end(),
                                   [&part](const PartFigures& other) { return other.name == part.name; });
    if (same == merged.end()) {
      merged.push_back(part);
    } else {
      same->used += part.used;
      same->du_bytes += part.du_bytes;
    }
  }
  return merged;
}

Inspection Inspector::Run(const InspectOptions& options) {
  out_.kind = root_.kind;
  out_.path = root_.path;
  out_.file_system = scan_.file_system;
  out_.extents_known = scan_.extents_known;
  out_.notes = root_.notes;
  out_.files_read_count = contents_.files_read_count;
  out_.bytes_read = contents_.bytes_read;
  for (const LayerRecord& layer : root_.layers) {
    out_.layers.emplace_back();
    out_.layers.back().record = layer;
    // The walk follows no symlink, and each layer that it met has at least its own directory.
    if (scan_.names[out_.layers.size() - 1].empty()) {
      out_.notes.push_back(
          "layer " + layer.name +
          " lies outside the root, behind a symlink, and is not counted: " + layer.directory);
    }
  }
  for (const PartRecord& part : root_.parts) out_.parts.push_back({part.name, {}, 0});
  CountUsers();
  const std::vector<Use> uses = UsesIn(ScopeOfRoot(root_), root_, scan_, contents_);
  const Tally tally = TallyUp(scan_, uses);
  FillFromTally(tally);
  FillImages(tally);
  FillWastedFiles(uses, options.wasted_files);
  out_.parts = Merged(out_.parts);
  return std::move(out_);
}

}  // namespace

Result<Inspection> Inspect(const std::string& path, const InspectOptions& options) {
  LM_ASSIGN(Root root, ReadRoot(path));
  LM_ASSIGN(Scan scan, ScanRoot(root));
  SortExtents(&scan);
  LM_ASSIGN(Contents contents, ReadContents(root, scan));
  return Inspector(std::move(root), std::move(scan), std::move(contents)).Run(options);
}

std::string_view UseName(Use use) {
  switch (use) {
    case Use::kOutside:
      return "outside";
    case Use::kShadowed:
      return "shadowed";
    case Use::kDuplicate:
      return "duplicate";
    case Use::kWhiteout:
      return "whiteout";
    case Use::kLive:
      return "live";
  }
  return "";
}

}  // namespace layermark::inspect
