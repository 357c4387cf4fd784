// ToJson and FromJson. The reader trusts the schema to have refused what does not fit, so that it can take
// fields as they come.
#include <cmath>
#include <nlohmann/json.hpp>

#include "results/json_schema.h"
#include "results/record.h"
#include "results/schema.h"

namespace layermark {
namespace {

// Keys stay in the order in which they are written.
using Out = nlohmann::ordered_json;
using In = nlohmann::json;

// Whole numbers are written without a fraction, so that counts read as counts.
Out Number(double value) {
  constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
  if (!std::isfinite(value)) return nullptr;
  if (std::trunc(value) == value && std::fabs(value) < kExactIntegers) return static_cast<int64_t>(value);
  return value;
}

Out Number(const std::optional<double>& value) {
  return value ? Number(*value) : Out(nullptr);
}

Out Texts(const std::map<std::string, std::string>& texts) {
  Out out = Out::object();
  for (const auto& [name, value] : texts) out[name] = value;
  return out;
}

void PutPlace(Out* out, const Place& place) {
  (*out)["driver"] = place.driver;
  (*out)["instance"] = place.instance;
  (*out)["backing"] = place.backing;
  (*out)["device"] = place.device;
}

Out RunOut(const RunInfo& run) {
  Out out;
  out["id"] = run.id;
  out["started"] = run.started;
  out["tool_version"] = run.tool_version;
  out["command"] = run.command;
  out["seed"] = run.seed;
  out["profile"] = run.profile;
  out["seconds"] = Number(run.seconds);
  return out;
}

Out EnvironmentOut(const Environment& environment) {
  // The three that every record has come first; null says that they could not be read.
  Out out;
  out["kernel"] = nullptr;
  out["cpu"] = nullptr;
  out["memory_bytes"] = nullptr;
  for (const auto& [name, value] : environment.text) out[name] = value;
  for (const auto& [name, value] : environment.numbers) out[name] = Number(value);
  return out;
}

Out DriverOut(const DriverRow& row) {
  Out out;
  PutPlace(&out, row.place);
  out["options"] = Texts(row.options);
  out["available"] = row.available;
  out["reason"] = row.reason;
  out["version"] = row.version;
  out["capabilities"] = row.capabilities;
  out["summary"] = row.summary;
  out["inode_formula"] = row.inode_formula;
  return out;
}

Out ConformanceOut(const ConformanceRow& row) {
  Out out;
  out["case"] = row.case_name;
  PutPlace(&out, row.place);
  out["verdict"] = VerdictName(row.verdict);
  out["reason"] = row.reason;
  out["seconds"] = Number(row.seconds);
  out["source"] = row.source;
  out["reproduce"] = row.reproduce;
  out["skip_code"] = row.skip_code;
  return out;
}

Out WorkloadOut(const WorkloadRow& row) {
  Out out;
  out["workload"] = row.workload;
  out["family"] = row.family;
  PutPlace(&out, row.place);
  out["params"] = Texts(row.params);
  out["verdict"] = VerdictName(row.verdict);
  out["reason"] = row.reason;
  out["seconds"] = Number(row.seconds);
  out["skip_code"] = row.skip_code;
  return out;
}

Out IntervalOut(const std::optional<double>& low, const std::optional<double>& high) {
  const bool known = low && high && std::isfinite(*low) && std::isfinite(*high);
  return known ? Out::array({Number(*low), Number(*high)}) : Out(nullptr);
}

Out MeasurementOut(const Measurement& m) {
  Out out;
  out["workload"] = m.workload;
  PutPlace(&out, m.place);
  out["params"] = Texts(m.params);
  out["metric"] = Row(m.metric).name;
  out["unit"] = Row(m.metric).unit;
  out["n"] = m.n;
  out["value"] = Number(m.value);
  out["p50"] = Number(m.p50);
  out["p90"] = Number(m.p90);
  out["p99"] = Number(m.p99);
  out["max"] = Number(m.max);
  out["ci95"] = IntervalOut(m.ci95_low, m.ci95_high);
  out["exact"] = m.exact;
  out["side"] = m.side;
  // Most rows have neither.
  for (const auto& [name, count] : m.breakdown) out["breakdown"][name] = count;
  if (!m.reason.empty()) out["reason"] = m.reason;
  return out;
}

Out AnchorOut(const AnchorRow& row) {
  const auto side = [](const AnchorSide& s) {
    Out out;
    out["instance"] = s.instance;
    out["params"] = Texts(s.params);
    return out;
  };
  Out out;
  out["id"] = row.id;
  out["claim"] = row.claim;
  out["workload"] = row.workload;
  out["metric"] = Row(row.metric).name;
  out["a"] = side(row.a);
  out["b"] = side(row.b);
  out["published"] = Number(row.published);
  out["band"] = Out::array({Number(row.low), Number(row.high)});
  out["factor"] = Number(row.factor);
  out["ci95"] = row.ci95_low && row.ci95_high ? Out::array({Number(*row.ci95_low), Number(*row.ci95_high)})
                                              : Out(nullptr);
  out["verdict"] = row.verdict;
  out["reason"] = row.reason;
  out["source"] = row.source;
  out["doubt"] = row.doubt;
  return out;
}

Out GateOut(const GateRow& row) {
  Out out;
  out["workload"] = row.workload;
  out["params"] = Texts(row.params);
  for (const auto& [name, place] : {std::pair{"a", &row.a}, std::pair{"b", &row.b}}) {
    Out side;
    PutPlace(&side, *place);
    out[name] = side;
  }
  out["tier"] = row.tier;
  out["metric"] = row.metric;
  out["verdict"] = row.verdict;
  out["reason"] = row.reason;
  out["a_value"] = Number(row.a_value);
  out["b_value"] = Number(row.b_value);
  out["tolerance_ratio"] = Number(row.tolerance_ratio);
  out["effect_ratio"] = Number(row.effect_ratio);
  out["ci95"] = IntervalOut(row.ci95_low, row.ci95_high);
  out["noise_ratio"] = Number(row.noise_ratio);
  out["mde_ratio"] = Number(row.mde_ratio);
  out["p_regressed"] = Number(row.p_regressed);
  out["p_adjusted"] = Number(row.p_adjusted);
  out["p_pass"] = Number(row.p_pass);
  out["blocks"] = row.blocks;
  out["discarded_blocks"] = row.discarded_blocks;
  out["pairs"] = row.pairs;
  out["underpowered"] = row.underpowered;
  out["improved"] = row.improved;
  return out;
}

template <typename T, typename F>
Out Rows(const std::vector<T>& rows, F convert) {
  Out out = Out::array();
  for (const T& row : rows) out.push_back(convert(row));
  return out;
}

Place PlaceIn(const In& in) {
  return {in["driver"].get<std::string>(), in["instance"].get<std::string>(),
          in["backing"].get<std::string>(), in["device"].get<std::string>()};
}

std::map<std::string, std::string> TextsIn(const In& in) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : in.items()) texts[name] = value.get<std::string>();
  return texts;
}

std::optional<double> NumberIn(const In& in) {
  if (in.is_null()) return std::nullopt;
  return in.get<double>();
}

RunInfo RunIn(const In& in) {
  RunInfo run;
  run.id = in["id"];
  run.started = in["started"];
  run.seconds = in["seconds"];
  run.tool_version = in["tool_version"];
  run.command = in["command"];
  run.seed = in["seed"];
  run.profile = in["profile"];
  return run;
}

Environment EnvironmentIn(const In& in) {
  Environment environment;
  for (const auto& [name, value] : in.items()) {
    if (value.is_string()) environment.text[name] = value;
    if (value.is_number()) environment.numbers[name] = value;
  }
  return environment;
}

DriverRow DriverIn(const In& in) {
  DriverRow row;
  row.place = PlaceIn(in);
  row.options = TextsIn(in["options"]);
  row.available = in["available"];
  row.reason = in["reason"];
  row.version = in["version"];
  row.capabilities = in["capabilities"].get<std::vector<std::string>>();
  row.summary = in["summary"];
  row.inode_formula = in["inode_formula"];
  return row;
}

ConformanceRow ConformanceIn(const In& in) {
  ConformanceRow row;
  row.case_name = in["case"];
  row.place = PlaceIn(in);
  row.verdict = VerdictFromName(in["verdict"].get<std::string>()).value_or(Verdict::kError);
  row.reason = in["reason"];
  row.seconds = in["seconds"];
  row.source = in["source"];
  row.reproduce = in["reproduce"];
  row.skip_code = in.value("skip_code", "");
  return row;
}

WorkloadRow WorkloadIn(const In& in) {
  WorkloadRow row;
  row.workload = in["workload"];
  row.family = in["family"];
  row.place = PlaceIn(in);
  row.params = TextsIn(in["params"]);
  row.verdict = WorkloadVerdictFromName(in["verdict"].get<std::string>()).value_or(WorkloadVerdict::kNotRun);
  row.reason = in["reason"];
  row.seconds = in["seconds"];
  row.skip_code = in.value("skip_code", "");
  return row;
}

Measurement MeasurementIn(const In& in) {
  Measurement m;
  m.workload = in["workload"];
  m.place = PlaceIn(in);
  m.params = TextsIn(in["params"]);
  m.metric = MetricFromName(in["metric"].get<std::string>()).value_or(Metric::latency);
  m.n = in["n"].get<int64_t>();
  m.value = NumberIn(in["value"]);
  m.p50 = NumberIn(in["p50"]);
  m.p90 = NumberIn(in["p90"]);
  m.p99 = NumberIn(in["p99"]);
  m.max = NumberIn(in["max"]);
  if (in["ci95"].is_array()) {
    m.ci95_low = in["ci95"][0].get<double>();
    m.ci95_high = in["ci95"][1].get<double>();
  }
  m.exact = in["exact"];
  m.side = in["side"];
  if (in.contains("breakdown")) m.breakdown = in["breakdown"].get<std::map<std::string, int64_t>>();
  m.reason = in.value("reason", "");
  return m;
}

AnchorRow AnchorIn(const In& in) {
  const auto side = [](const In& s) {
    return AnchorSide{s["instance"].get<std::string>(), TextsIn(s["params"])};
  };
  AnchorRow row;
  row.id = in["id"];
  row.claim = in["claim"];
  row.workload = in["workload"];
  row.metric = MetricFromName(in["metric"].get<std::string>()).value_or(Metric::latency);
  row.a = side(in["a"]);
  row.b = side(in["b"]);
  row.published = NumberIn(in["published"]);
  row.low = in["band"][0].get<double>();
  row.high = in["band"][1].get<double>();
  row.factor = NumberIn(in["factor"]);
  if (in["ci95"].is_array()) {
    row.ci95_low = in["ci95"][0].get<double>();
    row.ci95_high = in["ci95"][1].get<double>();
  }
  row.verdict = in["verdict"];
  row.reason = in["reason"];
  row.source = in["source"];
  row.doubt = in["doubt"];
  return row;
}

GateRow GateIn(const In& in) {
  GateRow row;
  row.workload = in["workload"];
  row.params = TextsIn(in["params"]);
  row.a = PlaceIn(in["a"]);
  row.b = PlaceIn(in["b"]);
  row.tier = in["tier"];
  row.metric = in["metric"];
  row.verdict = in["verdict"];
  row.reason = in["reason"];
  row.a_value = NumberIn(in["a_value"]);
  row.b_value = NumberIn(in["b_value"]);
  row.tolerance_ratio = in["tolerance_ratio"];
  row.effect_ratio = NumberIn(in["effect_ratio"]);
  if (in["ci95"].is_array()) {
    row.ci95_low = in["ci95"][0].get<double>();
    row.ci95_high = in["ci95"][1].get<double>();
  }
  row.noise_ratio = NumberIn(in["noise_ratio"]);
  row.mde_ratio = NumberIn(in["mde_ratio"]);
  row.p_regressed = NumberIn(in["p_regressed"]);
  row.p_adjusted = NumberIn(in["p_adjusted"]);
  row.p_pass = NumberIn(in["p_pass"]);
  row.blocks = in["blocks"].get<int64_t>();
  row.discarded_blocks = in["discarded_blocks"].get<int64_t>();
  row.pairs = in["pairs"].get<int64_t>();
  row.underpowered = in["underpowered"];
  row.improved = in["improved"];
  return row;
}

template <typename T, typename F>
std::vector<T> RowsIn(const In& in, F convert) {
  std::vector<T> rows;
  rows.reserve(in.size());
  for (const In& row : in) rows.push_back(convert(row));
  return rows;
}

}  // namespace

std::string ToJson(const Record& record) {
  Out out;
  out["schema_version"] = record.schema_version;
  out["complete"] = record.complete;
  out["run"] = RunOut(record.run);
  out["environment"] = EnvironmentOut(record.environment);
  out["image"]["name"] = record.image_name;
  out["image"]["digest"] = record.image_digest;
  out["drivers"] = Rows(record.drivers, DriverOut);
  out["conformance"] = Rows(record.conformance, ConformanceOut);
  out["workloads"] = Rows(record.workloads, WorkloadOut);
  out["measurements"] = Rows(record.measurements, MeasurementOut);
  out["gate"] = Rows(record.gate, GateOut);
  out["anchors"] = Rows(record.anchors, AnchorOut);
  out["findings"] = Out::array();
  out["samples"]["file"] = record.samples.file;
  out["samples"]["sha256"] = record.samples.sha256;
  out["warnings"] = record.warnings;
  return out.dump(2, ' ', false, Out::error_handler_t::replace) + "\n";
}

Result<Record> FromJson(const std::string& text) {
  const In in = In::parse(text, nullptr, /*allow_exceptions=*/false);
  if (in.is_discarded()) return InvalidArgument("not a JSON document");
  static const In schema = In::parse(SchemaJson());
  LM_TRY(ValidateJson(in, schema));
  Record record;
  record.schema_version = in["schema_version"];
  record.complete = in["complete"];
  record.run = RunIn(in["run"]);
  record.environment = EnvironmentIn(in["environment"]);
  record.image_name = in["image"]["name"];
  record.image_digest = in["image"]["digest"];
  record.drivers = RowsIn<DriverRow>(in["drivers"], DriverIn);
  record.conformance = RowsIn<ConformanceRow>(in["conformance"], ConformanceIn);
  record.workloads = RowsIn<WorkloadRow>(in["workloads"], WorkloadIn);
  record.measurements = RowsIn<Measurement>(in["measurements"], MeasurementIn);
  record.anchors = RowsIn<AnchorRow>(in["anchors"], AnchorIn);
  record.gate = RowsIn<GateRow>(in["gate"], GateIn);
  record.samples.file = in["samples"]["file"];
  record.samples.sha256 = in["samples"]["sha256"];
  record.warnings = in["warnings"].get<std::vector<std::string>>();
  return record;
}

}  // namespace layermark
