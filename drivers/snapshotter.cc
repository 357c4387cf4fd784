#include "drivers/snapshotter.h"

#include <strings.h>

#include <array>
#include <utility>

namespace layermark {
namespace {

constexpr std::array<std::pair<Kind, std::string_view>, 4> kNames = {{
    {Kind::kUnknown, "unknown"},
    {Kind::kView, "view"},
    {Kind::kActive, "active"},
    {Kind::kCommitted, "committed"},
}};

}  // namespace

std::string_view KindName(Kind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "unknown";
}

Kind KindFromName(std::string_view name) {
  for (const auto& [kind, known] : kNames) {
    if (known.size() == name.size() && strncasecmp(known.data(), name.data(), name.size()) == 0) return kind;
  }
  return Kind::kUnknown;
}

}  // namespace layermark
