#include "drivers/support/labels.h"

namespace layermark {

Status CheckLabels(const Labels& labels) {
  for (const auto& [key, value] : labels) {
    if (key.size() + value.size() > kMaxLabelBytes) {
      return InvalidArgument("label \"" + key.substr(0, 64) + "\": key and value have " +
                             std::to_string(key.size() + value.size()) + " bytes, at most " +
                             std::to_string(kMaxLabelBytes) + " are allowed");
    }
  }
  return Status::Ok();
}

Labels StorableLabels(const Labels& labels) {
  Labels kept;
  for (const auto& [key, value] : labels) {
    if (!value.empty()) kept.emplace(key, value);
  }
  return kept;
}

Result<Labels> UpdatedLabels(const Labels& old, const Labels& given,
                             const std::vector<std::string>& field_paths) {
  LM_TRY(CheckLabels(given));
  if (field_paths.empty()) return StorableLabels(given);
  constexpr std::string_view kPrefix = "labels.";
  Labels updated = old;
  for (const std::string& path : field_paths) {
    if (path == "labels") {
      updated = given;
    } else if (path.starts_with(kPrefix) && path.size() > kPrefix.size()) {
      const std::string key = path.substr(kPrefix.size());
      auto found = given.find(key);
      if (found == given.end()) {
        updated.erase(key);
      } else {
        updated[key] = found->second;
      }
    } else {
      return InvalidArgument("update: field \"" + path + "\" cannot be changed");
    }
  }
  return StorableLabels(updated);
}

}  // namespace layermark
