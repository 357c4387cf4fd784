#include "results/tally.h"

namespace layermark {

bool IsFinding(Verdict verdict) {
  return verdict == Verdict::kFail || verdict == Verdict::kXpass || verdict == Verdict::kError ||
         verdict == Verdict::kTimeout;
}

bool IsFinding(WorkloadVerdict verdict) {
  return verdict == WorkloadVerdict::kWrong;
}

std::vector<PlaceRows> ByPlace(const Record& record) {
  std::vector<PlaceRows> groups;
  std::map<Place, size_t> index;
  const auto group = [&](const Place& place) -> PlaceRows& {
    const auto [it, is_new] = index.emplace(place, groups.size());
    if (is_new) {
      groups.emplace_back();
      groups.back().place = place;
    }
    return groups[it->second];
  };
  for (const DriverRow& row : record.drivers) group(row.place).driver = &row;
  for (const ConformanceRow& row : record.conformance) group(row.place).conformance.push_back(&row);
  for (const WorkloadRow& row : record.workloads) group(row.place).workloads.push_back(&row);
  return groups;
}

std::string PlaceText(const Place& place) {
  std::string text = place.instance;
  if (!place.backing.empty()) text += " on " + place.backing;
  if (!place.device.empty()) text += " (" + place.device + ")";
  return text;
}

}  // namespace layermark
