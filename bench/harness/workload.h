// The declaration of a workload: one timed scenario, in one file.
//
//   LM_WORKLOAD(copy_up_open, {
//     .family = "copy_up",
//     .summary = "open a lower file for writing and change its first byte",
//     .source = "performance.md W13",
//     .params = {{"size", {.smoke = {"4KiB"}, .quick = {"0", "4KiB", "1MiB"}, .full = {...}}}},
//     .operation = "open O_WRONLY, pwrite of 1 byte, close",
//     .raw_twin = "the same on a file of the bare backing file system",
//   }, [](const WorkloadContext& context) -> Result<std::unique_ptr<Workload>> { ... });
//
// The engine (bench/harness/engine.h) makes one Workload for each instance and choice of parameters, in a
// worker process on a fresh backing. It calls SetUp once, then Verify: the operation is done once on the
// driver and its result compared with an oracle; only a right answer is counted and timed. Then each side's
// operation is done twice outside the timing, to count what it asks of the kernel and what it leaves
// (bench/harness/operation_counters.h), and then it runs pairs: the
// driver's operation and its raw twin in the same block, their order drawn from the seed, each wrapped in
// Before and After, which are not timed. At the end Account fills in space and inode counts.
#ifndef LAYERMARK_BENCH_HARNESS_WORKLOAD_H_
#define LAYERMARK_BENCH_HARNESS_WORKLOAD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/capability.h"
#include "core/result.h"
#include "results/record.h"
#include "scenario/backing.h"
#include "scenario/examine.h"
#include "scenario/image_room.h"
#include "scenario/image_source.h"
#include "scenario/subject.h"

namespace layermark {

// What a Workload may use. All of it outlives the Workload.
struct WorkloadContext {
  const ExaminedInstance* instance = nullptr;
  Backing* backing = nullptr;          // fresh, for this workload alone
  const ImageSource* image = nullptr;  // the run's image
  Params params;
  uint64_t seed = 1;
  std::string profile;  // "smoke" "quick" "full"

  // REQUIRES: the parameter is declared. "64KiB" -> 65536, "128" -> 128.
  int64_t Number(const std::string& param) const;
  const std::string& Text(const std::string& param) const;
};

// Durations of one operation, handed to the timed function. Stamps cost one clock_gettime each and allocate
// nothing.
class Stopwatch {
 public:
  // Ends the phase that began at the last stamp (or at the start of the operation) under this metric.
  void Phase(Metric metric);
  // The same, added to what the metric has of this operation: for a phase that comes many times in it.
  void Sum(Metric metric);
  // Starts the next phase here; what lies before belongs to none.
  void Skip();
  // The operation ends here: `latency` counts up to this stamp, and what follows in Run() is `teardown`,
  // whose phases are still recorded. At most once.
  void Stop();
  // For durations measured elsewhere (in a container's child).
  void Add(Metric metric, int64_t duration_ns);

 private:
  friend class Engine;
  static constexpr int kMaxPhases = 12;
  int count_ = 0;
  int64_t last_ns_ = 0;
  int64_t stopped_ns_ = 0;  // 0: Stop was not called
  Metric metrics_[kMaxPhases] = {};
  int64_t durations_ns_[kMaxPhases] = {};
};

// One of the two things that a pair compares.
class Side {
 public:
  virtual ~Side() = default;
  virtual Status Before() { return Status::Ok(); }  // not timed
  virtual Status Run(Stopwatch& watch) = 0;         // the operation, and nothing else
  virtual Status After() { return Status::Ok(); }   // not timed
};

// Exact or measured figures other than samples.
using Figures = std::map<Metric, double>;

class Workload {
 public:
  virtual ~Workload() = default;
  // Makes what both sides work on.
  virtual Status SetUp() = 0;
  // Does the driver's operation once and compares its effect with the oracle (plain, the model, the image's
  // own tars). Ok: right. kDataLoss or kFailedPrecondition with what differed: wrong; anything else: could
  // not be run.
  virtual Status Verify() = 0;
  // The driver's operation; null for a workload that only counts.
  virtual Side* driver() { return nullptr; }
  // Its raw twin; null where there is none.
  virtual Side* raw() { return nullptr; }
  // Space and inode figures, after the timing. Metrics not in the map were not measured.
  virtual Result<Figures> Account() { return Figures{}; }
  // Metrics that could not be measured here, and why; asked for after Account.
  virtual std::map<Metric, std::string> Missing() { return {}; }
  virtual Status TearDown() { return Status::Ok(); }
};

// The wrong answer of Verify.
Status WrongAnswer(const std::string& what);
bool IsWrongAnswer(const Status& status);

struct ParamValues {
  std::vector<std::string> smoke, quick, full;  // by --profile
};

// The smallest profile whose runs hold a workload of their own accord. One that a --filter names is run with
// any.
enum class From { kSmoke, kQuick, kFull };

// Which clock the gate reads. CPU time of the thread is the quieter one where the operation waits for a
// journal; it does not see a daemon, so that a driver with one is gated on wall time whatever is said here.
enum class GateClock { kWall, kCpu };

// What the gate makes of a workload (docs/gate.md). One that is gated has a short operation, and a set-up
// that is short too: each block of the gate makes it afresh.
struct GateDeclaration {
  std::vector<Params>
      choices{};  // the parameters that are gated; {{}}: gated, and has none; empty: not gated
  GateClock clock = GateClock::kWall;
  bool timed = true;    // false: a workload that only counts
  int max_pairs = 400;  // that one set-up has room for
};

struct WorkloadInfo {
  std::string family;    // the file's name: "copy_up"
  std::string summary;   // one line
  std::string source{};  // where the scenario comes from
  From from = From::kSmoke;
  std::map<std::string, ParamValues> params{};
  std::string operation{};          // what the timed region holds
  std::string raw_twin{};           // what it is compared with; empty: none, and why not in `summary`
  std::vector<Capability> needs{};  // not_run, with the probe's reason, where one is missing
  // A parameter choice can need more than the workload: {"layers", "500"} -> layers_500.
  std::map<std::pair<std::string, std::string>, Capability> param_needs{};
  // What no capability tells: a program, something of the kernel's, room on the backing. Asked in the worker,
  // before SetUp; what it answers is the reason of a not_run row, and no finding.
  std::optional<Lack> (*probe)(const WorkloadContext& context) = nullptr;
  int64_t backing_bytes =
      int64_t{1} << 30;  // of the fresh backing (sparse), or more where the image needs it
  // How much of the run's image the backing holds at once; not_run where the budget does not hold that.
  ImageCopies image{};
  std::string image_trees_param{};  // a parameter whose number is added to image.trees
  int64_t backing_inodes = 0;
  int min_pairs = 10, max_pairs = 400;  // the engine stops between them when the time share is used up
  double seconds_quick = 0.4;  // time share of one instance and parameter choice; smoke takes a quarter
                               // of it, full eight times
  // No new pair after this many seconds, even below min_pairs; 0: five times the share. For operations whose
  // length the image decides.
  double hard_seconds = 0;
  int deadline_seconds = 120;
  // Where the operation's counts differ from time to time (it polls, or several run at once): a parameter and
  // its value, or {"", ""} for always. Its exact metrics are then recorded as not exact.
  std::vector<std::pair<std::string, std::string>> inexact_counts{};
  GateDeclaration gate{};
  std::string name{};  // filled in by the registration
};

using WorkloadFactory = Result<std::unique_ptr<Workload>> (*)(const WorkloadContext& context);

struct WorkloadEntry {
  WorkloadInfo info;
  WorkloadFactory make = nullptr;
};
// "smoke quick full", "quick full" or "full".
std::string ProfilesOf(const WorkloadInfo& info);
// The values that a parameter takes with a profile.
const std::vector<std::string>& ValuesOf(const ParamValues& values, const std::string& profile);
// All registered workloads, sorted by family and name.
const std::vector<WorkloadEntry>& AllWorkloads();

namespace internal {
struct WorkloadRegistration {
  WorkloadRegistration(std::string name, WorkloadInfo info, WorkloadFactory make);
};
}  // namespace internal

}  // namespace layermark

// The factory is a captureless lambda; commas inside the braces are fine.
#define LM_WORKLOAD(name_, ...)                                                               \
  static const ::layermark::internal::WorkloadRegistration lm_workload_registration_##name_ { \
#name_, __VA_ARGS__                                                                       \
  }

#endif  // LAYERMARK_BENCH_HARNESS_WORKLOAD_H_
