#include "core/capability.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace layermark {

const std::vector<CapabilityRow>& AllCapabilities() {
  static const std::vector<CapabilityRow> rows = {
#define CAPABILITY(name, group, sentence, probe) {Capability::name, #name, CapabilityGroup::group, sentence},
#include "core/capabilities.def"
#undef CAPABILITY
  };
  return rows;
}

const CapabilityRow& Row(Capability capability) {
  return AllCapabilities()[static_cast<size_t>(capability)];
}

std::optional<Capability> CapabilityFromName(std::string_view name) {
  for (const CapabilityRow& row : AllCapabilities()) {
    if (row.name == name) return row.id;
  }
  return std::nullopt;
}

std::vector<Capability> CapabilitySet::List() const {
  std::vector<Capability> list;
  for (const CapabilityRow& row : AllCapabilities()) {
    if (Has(row.id)) list.push_back(row.id);
  }
  return list;
}

const std::vector<MetricRow>& AllMetrics() {
  static const std::vector<MetricRow> rows = {
#define METRIC(name, unit, direction, exact, sentence) \
  {Metric::name, #name, #unit, Direction::direction, exact, sentence},
#include "core/metrics.def"
#undef METRIC
  };
  return rows;
}

const MetricRow& Row(Metric metric) {
  return AllMetrics()[static_cast<size_t>(metric)];
}

bool MetricTolerance::Covers(double a, double b) const {
  return std::fabs(a - b) <= std::max(absolute, relative * std::max(std::fabs(a), std::fabs(b)));
}

std::optional<MetricTolerance> ToleranceOf(Metric metric) {
  if (Row(metric).exact) return MetricTolerance{};
#define METRIC(name, unit, direction, exact, sentence)
#define TOLERANCE(name, relative, absolute) \
  if (metric == Metric::name) return MetricTolerance{relative, absolute};
#include "core/metrics.def"
#undef TOLERANCE
#undef METRIC
  return std::nullopt;
}

std::optional<Metric> MetricFromName(std::string_view name) {
  for (const MetricRow& row : AllMetrics()) {
    if (row.name == name) return row.id;
  }
  return std::nullopt;
}

}  // namespace layermark
