#include "drivers/support/layer_options.h"

#include <string_view>

#include "core/sys/mount.h"

namespace layermark {
namespace {

constexpr std::string_view kLower = "lowerdir=";

}  // namespace

std::vector<std::string> TakeLayersApart(const std::string& type, const std::vector<std::string>& options) {
  if (type != "overlay" && !type.starts_with("fuse.") && !type.starts_with("fuse3.")) return options;
  std::vector<std::string> apart;
  for (const std::string& option : options) {
    if (!option.starts_with(kLower)) {
      apart.push_back(option);
      continue;
    }
    for (const std::string& layer : SplitLayerList(std::string_view(option).substr(kLower.size()))) {
      apart.push_back(std::string(kLower) + layer);
    }
  }
  return apart;
}

std::vector<std::string> JoinLayers(const std::vector<std::string>& options) {
  std::vector<std::string> joined;
  size_t place = 0;
  bool any = false;
  for (const std::string& option : options) {
    if (!option.starts_with(kLower)) {
      joined.push_back(option);
      continue;
    }
    std::string layer;
    for (const char c : option.substr(kLower.size())) {
      if (c == ':' || c == ',' || c == '\\') layer += '\\';
      layer += c;
    }
    if (any) {
      joined[place] += ":" + layer;
      continue;
    }
    any = true;
    place = joined.size();
    joined.push_back(std::string(kLower) + layer);
  }
  return joined;
}

}  // namespace layermark
