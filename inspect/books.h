// What the readers of the three kinds of root share.
#ifndef LAYERMARK_INSPECT_BOOKS_H_
#define LAYERMARK_INSPECT_BOOKS_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "inspect/root.h"

namespace layermark::inspect {

// One plain file name: no slash, not ".", "..", empty or with a NUL.
bool IsPlainName(std::string_view text);

// The JSON file `relative` of the root; errors name it.
Result<nlohmann::json> ReadJsonFile(const std::string& root, const std::string& relative);

// A layer as the books name it, before indices are given.
struct NamedLayer {
  LayerRecord record;
  std::string key;     // unique in `driver`
  std::string parent;  // key of the parent; empty: none
};

// Moves the layers into `root`, parents before children, and returns the index of each key. A layer whose
// parent is not there, or that is its own ancestor, becomes a lowest one, with a note; one whose directory is
// gone is left out, with a note.
std::map<std::string, int> AddLayers(std::vector<NamedLayer> layers, Root* root);

// The three kinds. Each is given a path that FindKind told to be of its kind.
Result<Root> ReadContainerdRoot(const std::string& path);
Result<Root> ReadDockerRoot(const std::string& path);
Result<Root> ReadContainersStorageRoot(const std::string& path);

// "sha256:..." of the stack of layers with these diff IDs (OCI's chain ID), for each height.
std::vector<std::string> ChainIds(const std::vector<std::string>& diff_ids);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_BOOKS_H_
