#include "results/export_gbench.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

namespace layermark {
namespace {

using Json = nlohmann::ordered_json;
using Key = std::tuple<std::string, Place, Params, std::string>;  // workload, place, params, side

// Instances that occur in more than one place need the place in their name.
std::set<std::string> AmbiguousInstances(const Record& record) {
  std::map<std::string, std::set<Place>> places;
  for (const Measurement& m : record.measurements) places[m.place.instance].insert(m.place);
  std::set<std::string> ambiguous;
  for (const auto& [instance, where] : places) {
    if (where.size() > 1) ambiguous.insert(instance);
  }
  return ambiguous;
}

std::string BenchmarkName(const Measurement& m, bool with_place) {
  std::string name = m.workload + "/" + InstanceSegment(m.place.instance);
  if (with_place) name += "/backing:" + m.place.backing + "/device:" + m.place.device;
  for (const auto& [param, value] : m.params) {
    name += '/';
    name += param;
    name += ':';
    name += value;
  }
  if (m.side == "raw") name += "/raw";
  return name;
}

Json Context(const Record& record) {
  const auto text = [&](const char* name) {
    const auto it = record.environment.text.find(name);
    return it == record.environment.text.end() ? std::string() : it->second;
  };
  const auto number = [&](const char* name) {
    const auto it = record.environment.numbers.find(name);
    return it == record.environment.numbers.end() ? 0.0 : it->second;
  };
  Json context;
  context["date"] = record.run.started;
  context["host_name"] = text("hostname");
  context["executable"] = "layermark";
  context["num_cpus"] = static_cast<int64_t>(number("cpus"));
  context["mhz_per_cpu"] = static_cast<int64_t>(number("cpu_mhz"));
  context["cpu_scaling_enabled"] = !text("governor").empty() && text("governor") != "performance";
  context["caches"] = Json::array();
  context["load_avg"] = Json::array({number("load_before")});
  context["library_version"] = record.run.tool_version;
  context["json_schema_version"] = 1;
  context["kernel"] = text("kernel");
  context["image"] = record.image_name;
  context["command"] = record.run.command;
  return context;
}

// The metric that gives each row its real_time: the whole before a part of it.
std::map<Key, Metric> MainTimes(const Record& record) {
  std::map<Key, Metric> main;
  for (const Measurement& m : record.measurements) {
    if (!m.p50 || (m.metric != Metric::latency && m.metric != Metric::ready_time)) continue;
    const auto [it, is_new] = main.emplace(Key{m.workload, m.place, m.params, m.side}, m.metric);
    if (!is_new && m.metric == Metric::latency) it->second = Metric::latency;
  }
  return main;
}

void PutTime(Json* row, const Measurement& m) {
  (*row)["real_time"] = *m.p50;
  (*row)["iterations"] = m.n;
  const std::pair<const char*, std::optional<double>> spread[] = {
      {"p90", m.p90}, {"p99", m.p99}, {"max", m.max}, {"ci95_low", m.ci95_low}, {"ci95_high", m.ci95_high}};
  for (const auto& [name, value] : spread) {
    if (value) (*row)[name] = *value;
  }
}

Json NewRow(const Measurement& m, bool with_place) {
  Json row;
  row["name"] = BenchmarkName(m, with_place);
  row["run_name"] = row["name"];
  row["run_type"] = "iteration";
  row["repetitions"] = 1;
  row["repetition_index"] = 0;
  row["threads"] = 1;
  row["iterations"] = m.n;
  row["real_time"] = 0.0;
  row["cpu_time"] = 0.0;
  row["time_unit"] = "ns";
  return row;
}

}  // namespace

std::string ExportGoogleBenchmark(const Record& record) {
  const std::set<std::string> ambiguous = AmbiguousInstances(record);
  Json rows = Json::array();
  std::map<Key, size_t> index;
  const std::map<Key, Metric> main_times = MainTimes(record);
  for (const Measurement& m : record.measurements) {
    const Key key{m.workload, m.place, m.params, m.side};
    const auto [it, is_new] = index.emplace(key, rows.size());
    if (is_new) rows.push_back(NewRow(m, ambiguous.count(m.place.instance) > 0));
    Json& row = rows[it->second];
    const std::optional<double> middle = m.p50 ? m.p50 : m.value;
    if (!middle) continue;
    const auto main = main_times.find(key);
    if (m.p50 && main != main_times.end() && main->second == m.metric) {
      PutTime(&row, m);
    } else if (m.metric == Metric::cpu_time) {
      row["cpu_time"] = *middle;
    } else {
      row[std::string(Row(m.metric).name)] = *middle;
    }
  }
  Json out;
  out["context"] = Context(record);
  out["benchmarks"] = std::move(rows);
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace layermark
