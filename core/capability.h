// Capabilities and metrics: the closed vocabularies generated from core/*.def.
#ifndef LAYERMARK_CORE_CAPABILITY_H_
#define LAYERMARK_CORE_CAPABILITY_H_

#include <bitset>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layermark {

enum class CapabilityGroup { kPrivilege, kFeature, kSnapshot };

// NOLINTBEGIN(readability-identifier-naming)
enum class Capability {
#define CAPABILITY(name, group, sentence, probe) name,
#include "core/capabilities.def"
#undef CAPABILITY
};
// NOLINTEND(readability-identifier-naming)

struct CapabilityRow {
  Capability id;
  std::string_view name;
  CapabilityGroup group;
  std::string_view sentence;
};
const std::vector<CapabilityRow>& AllCapabilities();
const CapabilityRow& Row(Capability capability);
std::optional<Capability> CapabilityFromName(std::string_view name);

class CapabilitySet {
 public:
  CapabilitySet() = default;
  CapabilitySet(std::initializer_list<Capability> list) {
    for (Capability c : list) Add(c);
  }
  void Add(Capability c) { bits_.set(static_cast<size_t>(c)); }
  void Remove(Capability c) { bits_.reset(static_cast<size_t>(c)); }
  bool Has(Capability c) const { return bits_.test(static_cast<size_t>(c)); }
  std::vector<Capability> List() const;
  bool operator==(const CapabilitySet&) const = default;

 private:
  std::bitset<256> bits_;
};

enum class Direction { kLower, kHigher, kNeutral };

// NOLINTBEGIN(readability-identifier-naming)
enum class Metric {
#define METRIC(name, unit, direction, exact, sentence) name,
#include "core/metrics.def"
#undef METRIC
};
// NOLINTEND(readability-identifier-naming)

struct MetricRow {
  Metric id;
  std::string_view name;
  std::string_view unit;  // "ns", "bytes", "count", "ratio"
  Direction direction;
  bool exact;
  std::string_view sentence;
};
// By how much two counts of a metric that is not exact may differ and still be taken for the same.
struct MetricTolerance {
  double relative = 0;  // of the larger
  double absolute = 0;
  // True where the larger of the two covers the difference.
  bool Covers(double a, double b) const;
};
// Of an exact metric: nothing. nullopt for what is timed, or counted on the whole machine: such values are
// compared by statistics or not at all.
std::optional<MetricTolerance> ToleranceOf(Metric metric);
const std::vector<MetricRow>& AllMetrics();
const MetricRow& Row(Metric metric);
std::optional<Metric> MetricFromName(std::string_view name);

}  // namespace layermark

#endif  // LAYERMARK_CORE_CAPABILITY_H_
