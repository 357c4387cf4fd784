#include "results/schema.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/capability.h"
#include "core/skip_code.h"

namespace layermark {
namespace {

// Keeps the order of the file: the schema is read by people, too.
using Json = nlohmann::ordered_json;

Json MetricAndUnit() {
  std::set<std::string_view> units;
  for (const MetricRow& row : AllMetrics()) units.insert(row.unit);
  Json forms = Json::array();
  for (const std::string_view unit : units) {
    Json names = Json::array();
    for (const MetricRow& row : AllMetrics()) {
      if (row.unit == unit) names.push_back(row.name);
    }
    Json form;
    form["properties"]["metric"]["enum"] = std::move(names);
    form["properties"]["unit"]["const"] = unit;
    forms.push_back(std::move(form));
  }
  return Json{{"anyOf", std::move(forms)}};
}

std::string Generate() {
  Json schema = Json::parse(SchemaStructure());
  Json& defs = schema["$defs"];
  std::set<std::string_view> units;
  Json metrics = Json::array();
  for (const MetricRow& row : AllMetrics()) {
    metrics.push_back(row.name);
    units.insert(row.unit);
  }
  Json capabilities = Json::array();
  for (const CapabilityRow& row : AllCapabilities()) capabilities.push_back(row.name);
  defs["metric"] = Json{{"enum", std::move(metrics)}};
  defs["unit"] = Json{{"enum", units}};
  Json skip_codes = Json::array({""});
  for (const SkipCodeRow& row : AllSkipCodes()) skip_codes.push_back(row.name);
  defs["skip_code"] = Json{{"enum", std::move(skip_codes)}};
  defs["capability"] = Json{{"enum", std::move(capabilities)}};
  defs["metric_and_unit"] = MetricAndUnit();
  schema["description"] = "What one run found.";
  return schema.dump(2) + "\n";
}

}  // namespace

const std::string& SchemaJson() {
  static const std::string text = Generate();
  return text;
}

}  // namespace layermark
