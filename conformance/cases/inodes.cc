// Area inodes: how many inodes a store takes, foretold from the layer tars alone and the driver's formula.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "conformance/support/case.h"
#include "core/oci/layer_tar.h"
#include "results/accounting.h"
#include "scenario/image_census.h"
#include "scenario/image_source.h"
#include "scenario/model.h"

namespace layermark {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool IsDirectory(const Manifest& manifest, const std::string& path) {
  const auto it = manifest.entries.find(path);
  return it != manifest.entries.end() && it->second.type == FileType::kDirectory;
}

// The directories that a layer makes, also in place of one that it hides.
std::set<std::string> MadeDirectories(const Manifest& before, const Manifest& after,
                                      const std::vector<TarListEntry>& tar) {
  std::set<std::string> hidden;
  for (const TarListEntry& entry : tar) {
    const std::string base = entry.entry.path.substr(entry.entry.path.rfind('/') + 1);
    if (!base.starts_with(".wh.") || base == ".wh..wh..opq") continue;
    const std::string parent = ParentOf(entry.entry.path);
    hidden.insert(parent.empty() ? base.substr(4) : parent + "/" + base.substr(4));
  }
  std::set<std::string> made;
  for (const auto& [path, entry] : after.entries) {
    if (entry.type != FileType::kDirectory) continue;
    if (!IsDirectory(before, path) || hidden.contains(path) || made.contains(ParentOf(path)))
      made.insert(path);
  }
  return made;
}

// Files of `before` that the removal of one of their names copies up under another. What a mount has looked
// into by then are the directories that lead to the entries of the tar so far; each of them is in the upper
// layer anyway.
int64_t FilesCopiedByRemovals(const Manifest& before, const std::vector<TarListEntry>& tar) {
  std::map<std::string, std::set<std::string>> names;  // of each file that has several
  for (const auto& [path, entry] : before.entries) {
    if (!entry.link_group.empty()) names[entry.link_group].insert(path);
  }
  std::set<std::string> looked_into = {""}, copied;
  const auto remove = [&](const std::string& path) {
    const auto it = before.entries.find(path);
    if (it == before.entries.end() || it->second.link_group.empty()) return;
    std::set<std::string>& left = names[it->second.link_group];
    left.erase(path);
    const bool seen = std::any_of(left.begin(), left.end(), [&](const std::string& other) {
      return looked_into.contains(ParentOf(other));
    });
    if (seen) copied.insert(it->second.link_group);
  };
  for (const TarListEntry& item : tar) {
    const std::string& path = item.entry.path;
    for (std::string up = ParentOf(path); !up.empty(); up = ParentOf(up)) looked_into.insert(up);
    const std::string base = path.substr(path.rfind('/') + 1);
    const bool opaque = base == ".wh..wh..opq";
    if (!base.starts_with(".wh.")) {
      if (!IsDirectory(before, path) || item.entry.typeflag != '5') remove(path);
      continue;
    }
    const std::string parent = ParentOf(path);
    const std::string hidden = opaque           ? parent
                               : parent.empty() ? base.substr(4)
                                                : parent + "/" + base.substr(4);
    if (!opaque) remove(hidden);
    const std::string prefix = hidden + "/";
    for (auto it = before.entries.lower_bound(prefix); it != before.entries.end(); ++it) {
      if (!it->first.starts_with(prefix)) break;
      remove(it->first);
    }
  }
  return std::count_if(copied.begin(), copied.end(),
                       [&](const std::string& group) { return !names[group].empty(); });
}

int64_t Foretold(const InodeFormula& formula, const LayerCensus& census, const Manifest& before,
                 const Manifest& after, const std::vector<TarListEntry>& tar) {
  if (formula.stores == InodeFormula::Stores::kImage) return formula.per_snapshot;
  if (formula.stores == InodeFormula::Stores::kFullTree) return formula.per_snapshot + census.tree_inodes;
  if (formula.stores == InodeFormula::Stores::kLinkFarm) {
    return formula.per_snapshot + census.tree_directories + census.layer_inodes - census.layer_directories;
  }
  int64_t count = formula.per_snapshot + census.layer_inodes;
  if (formula.whiteouts == InodeFormula::Whiteouts::kOneEach) count += census.hidden_names;
  if (formula.whiteouts == InodeFormula::Whiteouts::kOneShared)
    count += std::min<int64_t>(census.hidden_names, 1);
  if (before.entries.empty()) return count;  // a layer on nothing is not made through a union
  if (formula.removal_copies_linked_file) count += FilesCopiedByRemovals(before, tar);
  const std::set<std::string> made = MadeDirectories(before, after, tar);
  for (const std::string& path : made) {
    count +=
        formula.per_new_directory + (made.contains(ParentOf(path)) ? 0 : formula.per_new_directory_in_old);
  }
  return count;
}

}  // namespace

LM_CASE(inodes, count_is_foretold_from_the_layers,
        .claim =
            "after each layer of the image the store holds exactly the inodes that the layer tars and the "
            "driver's formula say",
        .source = "performance.md 4.2; W24; properties 29", .needs = {Capability::inodes_foretold},
        .deadline_seconds = 120, .wants_image = true) {
  const InstanceSpec& instance = t.instance();
  Result<Declaration> declared =
      instance.driver->Declare(instance.options, t.backing().file_system(), t.subject().root());
  if (!t.Ok(declared, "what the driver says of itself")) return;
  const InodeFormula& formula = declared->inode_formula;
  Result<std::vector<LayerCensus>> census = TakeCensus(t.image());
  if (!t.Ok(census, "the census of the layer tars")) return;
  int64_t expected = formula.per_store + 1;  // and the store's root
  std::string parent;
  ModelTree model;
  Manifest before;
  for (size_t i = 0; i < t.image().layer_count(); ++i) {
    Result<Fd> tar = t.image().OpenLayer(i);
    if (!t.Ok(tar, "opening a layer")) return;
    Result<std::vector<TarListEntry>> entries = ListTar(tar->get(), true);
    if (!t.Ok(entries, "listing a layer") || !t.Ok(model.ApplyTar(*entries), "the model")) return;
    const Manifest after = model.ToManifest();
    expected += Foretold(formula, (*census)[i], before, after, *entries);
    Result<Fd> again = t.image().OpenLayer(i);
    if (!t.Ok(again, "opening a layer")) return;
    const std::string name = t.image().chain_id(i);
    if (!t.Ok(t.subject().CommitTar(name, parent, again->get()), "committing a layer")) return;
    Result<SpaceCount> space = CountSpace(t.subject().root());
    if (!t.Ok(space, "counting")) return;
    t.Equal(expected, space->inodes, fmt::format("inodes after layer {} ({})", i, formula.explanation));
    before = after;
    parent = name;
  }
}

}  // namespace layermark
