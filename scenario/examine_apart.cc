#include "scenario/examine_apart.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "scenario/worker.h"

namespace layermark::internal {
namespace {

using nlohmann::json;

constexpr std::chrono::minutes kPatience(2);

json NamesOf(const CapabilitySet& set) {
  json names = json::array();
  for (const CapabilityRow& row : AllCapabilities()) {
    if (set.Has(row.id)) names.push_back(std::string(row.name));
  }
  return names;
}

CapabilitySet SetOf(const json& names) {
  CapabilitySet set;
  for (const json& name : names) {
    if (const auto capability = CapabilityFromName(name.get<std::string>())) set.Add(*capability);
  }
  return set;
}

std::string ToText(const ExaminedInstance& examined) {
  json missing = json::object();
  for (const auto& [capability, why] : examined.missing) missing[std::string(Row(capability).name)] = why;
  return json{{"available", examined.available},    {"reason", examined.reason},
              {"version", examined.version},        {"declared", NamesOf(examined.declared)},
              {"complete", examined.complete},      {"inode_formula", examined.inode_formula},
              {"probed", NamesOf(examined.probed)}, {"missing", missing}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

// REQUIRES: ToText made it.
void FromText(const std::string& text, ExaminedInstance& examined) {
  const json answer = json::parse(text);
  examined.available = answer["available"];
  examined.reason = answer["reason"];
  examined.version = answer["version"];
  examined.declared = SetOf(answer["declared"]);
  examined.complete = answer["complete"];
  examined.inode_formula = answer["inode_formula"];
  examined.probed = SetOf(answer["probed"]);
  for (const auto& [name, why] : answer["missing"].items()) {
    if (const auto capability = CapabilityFromName(name)) examined.missing[*capability] = why;
  }
}

}  // namespace

ExaminedInstance ExamineApart(const InstanceSpec& instance, const BackingSpec& backing) {
  ExaminedInstance examined;
  examined.instance = instance;
  examined.backing = backing;
  WorkerJob job;
  job.body = [&] { return ToText(ExamineHere(instance, backing)); };
  job.deadline = kPatience + instance.driver->call_deadline(instance.options);
  std::vector<WorkerJob> jobs;
  jobs.push_back(std::move(job));
  const Status ran = RunWorkers(std::move(jobs), 1, [&](const WorkerAnswer& answer) {
    if (answer.status.success()) {
      FromText(answer.text, examined);
    } else {
      examined.reason = fmt::format("examining it: {}", answer.status.ToString());
    }
    return true;
  });
  if (ran.code() == Code::kCancelled) return Unreached(instance, backing);
  if (!ran.ok()) examined.reason = ran.ToString();
  return examined;
}

}  // namespace layermark::internal
