// The result record: everything a run found, in one value, written as results.json (schema in
// results/schema.json). JUnit, KTAP, Markdown, Google Benchmark JSON and the page are exports of it. Field
// names are fixed; history joins on (case or workload, params, instance, backing, device).
#ifndef LAYERMARK_RESULTS_RECORD_H_
#define LAYERMARK_RESULTS_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/capability.h"
#include "core/result.h"

namespace layermark {

inline constexpr int kSchemaVersion = 1;

// Verdicts of a case.
enum class Verdict { kPass, kFail, kXfail, kXpass, kSkip, kError, kTimeout };
std::string_view VerdictName(Verdict verdict);  // "pass" "fail" "xfail" "xpass" "skip" "error" "timeout"
std::optional<Verdict> VerdictFromName(std::string_view name);

// Verdicts of a workload.
enum class WorkloadVerdict { kRight, kWrong, kNotRun };
std::string_view VerdictName(WorkloadVerdict verdict);  // "right" "wrong" "not_run"
std::optional<WorkloadVerdict> WorkloadVerdictFromName(std::string_view name);

// Where something ran: the key that cases, workloads and measurements share.
struct Place {
  std::string driver;    // "overlay2"
  std::string instance;  // "overlay2" or "overlay2:metacopy=on"
  std::string backing;   // "ext4" "xfs" "btrfs" "tmpfs" "dir"
  std::string device;    // "ram" "disk"
  auto operator<=>(const Place&) const = default;
};

// An instance as a segment of a test or benchmark name: "overlay2:metacopy=on" -> "overlay2__metacopy_on".
std::string InstanceSegment(std::string_view instance);

using Params = std::map<std::string, std::string>;  // {"layers": "8"}: text, so that they join exactly
std::string ParamsText(const Params& params);       // "layers=8,size=64KiB"

struct RunInfo {
  std::string id;       // time and random part, unique
  std::string started;  // RFC 3339, UTC
  double seconds = 0;
  std::string tool_version;  // "0.1.0+gHASH"
  std::string command;       // as typed, quoted for a shell
  uint64_t seed = 0;
  std::string profile;
};

struct DriverRow {
  Place place;
  std::map<std::string, std::string> options;
  bool available = false;
  std::string reason;  // why not: the probe's call and errno
  std::string version;
  std::vector<std::string> capabilities;
  std::string summary;
  std::string inode_formula;  // the sentence that explains its inode count
};

struct ConformanceRow {
  std::string case_name;  // "area.name"
  Place place;
  Verdict verdict = Verdict::kError;
  std::string reason;  // skip: "missing capability X: call: errno"; fail: what differed
  double seconds = 0;
  std::string source;       // the case's source ids, for the exports
  std::string reproduce;    // the command that runs just this again
  std::string skip_code{};  // of verdict skip: a word of core/skip_codes.def; else empty
};

struct WorkloadRow {
  std::string workload;
  std::string family;  // "container_start"
  Place place;
  Params params;
  WorkloadVerdict verdict = WorkloadVerdict::kNotRun;
  std::string reason;
  double seconds = 0;       // set-up, verification and timing together
  std::string skip_code{};  // of verdict not_run: a word of core/skip_codes.def; else empty
};

struct Measurement {
  std::string workload;
  Place place;
  Params params;
  Metric metric = Metric::latency;
  int64_t n = 0;                              // samples
  std::optional<double> value;                // counts and ratios; exact where the metric is
  std::optional<double> p50, p90, p99, max;   // a percentile only where n supports it
  std::optional<double> ci95_low, ci95_high;  // of p50, or of value for ratio_to_raw
  bool exact = false;
  std::string side = "driver";  // "driver" or "raw": the raw twin's own latency is a row as well
  std::map<std::string, int64_t> breakdown{};  // of a count: {"openat": 3}; empty where it has none
  std::string reason{};                        // without any number: why there is none
};

// One thing that a gate or a comparison looked at: a count, or the time of a workload.
struct GateRow {
  std::string workload;
  Params params;
  Place a, b;        // the two sides; `b` is the one that is judged
  std::string tier;  // "counts", "timing" (pairs, live) or "runs" (recorded runs)
  std::string
      metric;  // of core/metrics.def; in tier counts after "setup.", "operation.", "left.", "account."
  std::string verdict;                     // "regressed" "pass" "inconclusive" "not_run"
  std::string reason;                      // one sentence
  std::optional<double> a_value, b_value;  // counts, medians in the metric's unit
  double tolerance_ratio = 0;              // of tier counts: a difference up to this share is none
  // Of tiers timing and runs. Effects are shares: B / A - 1.
  std::optional<double> effect_ratio, ci95_low, ci95_high, noise_ratio, mde_ratio;
  std::optional<double> p_regressed, p_adjusted, p_pass;
  int64_t blocks = 0, discarded_blocks = 0, pairs = 0;  // tier runs: blocks are runs of the new side
  bool underpowered = false, improved = false;
};

// All samples of one measurement, in the order taken; written to samples.jsonl.
struct SampleSeries {
  std::string workload;
  Place place;
  Params params;
  Metric metric = Metric::latency;
  std::string side;
  std::vector<double> values;
};

// A published result, held against this run: how much more side A takes than side B.
struct AnchorSide {
  std::string instance;
  Params params;
};
struct AnchorRow {
  std::string id;
  std::string claim;  // one sentence
  std::string workload;
  Metric metric = Metric::latency;
  AnchorSide a, b;
  std::optional<double> published;  // the factor A / B; empty where only the direction was published
  double low = 0, high = 0;         // the band in which a factor counts as reproduced
  std::optional<double> factor;     // today's
  std::optional<double> ci95_low, ci95_high;  // of it
  std::string verdict;                        // "reproduced" "other_factor" "not_reproduced" "not_runnable"
  std::string reason;                         // of the last two
  std::string source;
  std::string doubt;  // why it may be false today
};

struct Environment {
  std::map<std::string, std::string> text;  // kernel, cpu, hypervisor, governor, distribution, ...
  std::map<std::string, double> numbers;    // memory_bytes, cpus, load_before, load_after, steal_fraction
};

struct SamplesFile {
  std::string file;  // relative to the record
  std::string sha256;
};

struct Record {
  int schema_version = kSchemaVersion;
  bool complete = false;
  RunInfo run;
  Environment environment;
  std::string image_name, image_digest;
  std::vector<DriverRow> drivers;
  std::vector<ConformanceRow> conformance;
  std::vector<WorkloadRow> workloads;
  std::vector<Measurement> measurements;
  std::vector<AnchorRow> anchors;
  std::vector<GateRow> gate;
  SamplesFile samples;
  std::vector<std::string> warnings;  // "load 7.2 at the start": things a reader must know
};

// JSON text of the record (two-space indent, keys in a fixed order; bytes that are not UTF-8 become U+FFFD),
// and back. FromJson refuses what the schema refuses, with the place that does not fit.
std::string ToJson(const Record& record);
Result<Record> FromJson(const std::string& text);
Result<Record> LoadRecord(const std::string& path);  // a results.json or a directory that holds one

// Writes DIR/results.json and DIR/samples.jsonl (through temporary names and rename, so that an interrupted
// write leaves the old files), with samples filled in. DIR is made where it does not exist. samples.jsonl has
// one series a line: workload, driver, instance, backing, device, params, metric, unit, side, values. Cost:
// linear; 100,000 samples take some tens of milliseconds.
Status WriteRecord(const std::string& dir, Record record, const std::vector<SampleSeries>& samples);
// The same with the lines of samples.jsonl as text.
Status WriteRecordText(const std::string& dir, Record record, const std::string& samples_text);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_RECORD_H_
