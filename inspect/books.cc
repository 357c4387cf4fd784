#include "inspect/books.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "core/oci/image_json.h"
#include "core/sys/fd.h"
#include "core/tree/manifest.h"

namespace layermark::inspect {
namespace {

constexpr size_t kMaxBookBytes = size_t{256} << 20;

bool IsDirectory(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

std::string Shown(const NamedLayer& layer) {
  return fmt::format("{} layer {}", layer.record.driver, layer.record.name);
}

}  // namespace

bool IsPlainName(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.size() <= 255 &&
         text.find('/') == std::string_view::npos && text.find('\0') == std::string_view::npos;
}

Result<nlohmann::json> ReadJsonFile(const std::string& root, const std::string& relative) {
  const std::string path = root + "/" + relative;
  LM_ASSIGN(const std::string text, ReadFile(path, kMaxBookBytes));
  return ParseJson(text, path);
}

std::map<std::string, int> AddLayers(std::vector<NamedLayer> layers, Root* root) {
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (IsDirectory(root->path + "/" + layers[i].record.directory)) {
      place.emplace(layers[i].key, i);
    } else {
      root->notes.push_back(Shown(layers[i]) + " is in the books, but not its directory " +
                            layers[i].record.directory);
    }
  }
  std::map<std::string, int> index;
  std::vector<bool> on_the_way(layers.size(), false);
  for (size_t i = 0; i < layers.size(); ++i) {
    // Up to the first ancestor that has its index, or to the lowest; then down again.
    std::vector<size_t> chain;
    size_t at = i;
    while (place.contains(layers[at].key) && !index.contains(layers[at].key) && !on_the_way[at]) {
      on_the_way[at] = true;
      chain.push_back(at);
      const auto parent = place.find(layers[at].parent);
      if (parent == place.end()) break;
      at = parent->second;
    }
    for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
      NamedLayer& layer = layers[*it];
      on_the_way[*it] = false;
      const auto parent = index.find(layer.parent);
      if (parent != index.end()) {
        layer.record.parent = parent->second;
      } else if (!layer.parent.empty()) {
        root->notes.push_back(Shown(layer) + " has a parent that is not there: " + layer.parent);
      }
      index[layer.key] = static_cast<int>(root->layers.size());
      root->layers.push_back(layer.record);
    }
  }
  return index;
}

std::vector<std::string> ChainIds(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> ids;
  for (const std::string& diff_id : diff_ids) {
    ids.push_back(ids.empty() ? diff_id : Sha256(ids.back() + " " + diff_id));
  }
  return ids;
}

}  // namespace layermark::inspect
