#include "cli/session.h"

#include <fmt/core.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "bench/harness/engine.h"
#include "cli/commands.h"
#include "cli/new_record.h"
#include "cli/output.h"
#include "cli/terminal_progress.h"
#include "cli/unprivileged.h"
#include "conformance/support/harness.h"
#include "core/sys/namespaces.h"
#include "core/sys/outside.h"
#include "results/anchors.h"
#include "results/merge_shards.h"
#include "results/record.h"
#include "scenario/environment.h"
#include "scenario/examine.h"
#include "scenario/image_source.h"
#include "scenario/kernel_log.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

// Where conformance took all of a run's time, the workloads still have that much.
constexpr double kLeastForWorkloads = 60;

// What was checked before the work began.
struct Checked {
  std::vector<InstanceSpec> instances;
  size_t measured = 0;  // the first so many; those after them are for conformance alone
  std::vector<BackingSpec> backings;
  std::vector<const Case*> cases;
  std::vector<WorkloadChoice> choices;
  std::vector<ExpectedFailure> expected;
  std::optional<ImageSource> image;
  double budget_seconds = 0;  // 0: none
  std::string out;            // absolute; empty: no record
  Shard shard;
  std::string restriction;  // what the caller, who is not root, may not do; empty for root
};

Result<Checked> CheckPlan(const SessionPlan& plan) {
  const CommonOptions& o = plan.options;
  Checked checked;
  LM_ASSIGN(checked.instances, InstancesFor(o));
  checked.measured = checked.instances.size();
  if (plan.conformance) {
    for (InstanceSpec& further : FurtherCheckedInstances(o)) checked.instances.push_back(std::move(further));
  }
  for (const InstanceSpec& instance : checked.instances) {
    LM_ASSIGN(BackingSpec backing, BackingFor(o, instance));
    checked.backings.push_back(std::move(backing));
  }
  LM_ASSIGN(checked.shard, ShardFor(o.shard));
  if (!o.budget.empty()) {
    LM_ASSIGN(checked.budget_seconds, ParseDuration(o.budget));
  }
  LM_ASSIGN(checked.expected, LoadExpectedFailures(o.expected));
  if (plan.conformance) checked.cases = SelectCases(o.filters, checked.shard.index, checked.shard.count);
  if (plan.workloads)
    checked.choices = SelectWorkloads(o.filters, o.profile, checked.shard.index, checked.shard.count);
  for (const std::string& filter : o.filters) {
    const bool matches = (plan.conformance && !SelectCases({filter}).empty()) ||
                         (plan.workloads && !SelectWorkloads({filter}, o.profile).empty());
    if (matches) continue;
    const char* other = !plan.workloads && !SelectWorkloads({filter}, o.profile).empty()
                            ? "workloads; they are for bench"
                        : !plan.conformance && !SelectCases({filter}).empty() ? "cases; they are for check"
                                                                              : nullptr;
    return InvalidArgument(other != nullptr ? fmt::format("--filter {}: matches {}", filter, other)
                                            : fmt::format("--filter {}: matches nothing", filter));
  }
  if (checked.cases.empty() && checked.choices.empty()) {
    return InvalidArgument("nothing is left to run in this shard");
  }
  LM_ASSIGN(checked.image, OpenRunImage(o));
  const std::string out = o.out.empty() ? plan.default_out : o.out;
  if (!out.empty()) checked.out = std::filesystem::absolute(out).lexically_normal().string();
  return checked;
}

// The file or directory of "oci:DIR[:REF]" and "docker-archive:FILE[:REF]"; a reference name in it does no
// harm.
std::string ImagePath(const std::string& reference) {
  const size_t colon = reference.find(':');
  if (colon == std::string::npos) return "/";
  const std::string path = reference.substr(colon + 1);
  return std::filesystem::absolute(path.substr(0, path.find(':'))).string();
}

Record NewRecord(const SessionPlan& plan, const Checked& checked) {
  Record record = BeginRecord(plan.command, plan.options.seed, plan.options.profile);
  record.image_name = checked.image->name();
  record.image_digest = checked.image->digest();
  return record;
}

// The work, inside the namespaces.
class Session {
 public:
  Session(const SessionPlan& plan, Checked& checked)
      : plan_(plan), checked_(checked), record_(NewRecord(plan, checked)) {}

  int Run() {
    InstallInterruptHandler();
    if (Status s = SetUp(); !s.ok()) return UsageError(s);
    const auto began = began_ = std::chrono::steady_clock::now();
    int exit = Examine();
    if (exit == kExitPass && !plan_.benchmark_arguments.empty()) return GoogleBenchmark();
    if (exit != kExitUsage) {
      if (plan_.conformance) exit = WorseExit(exit, Conformance());
      if (plan_.workloads) exit = WorseExit(exit, Workloads());
    }
    Sweep();
    record_.environment.numbers["load_after"] = LoadAverage();
    record_.run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    record_.complete = !Interrupted() && exit != kExitUsage;
    if (Interrupted()) exit = WorseExit(exit, kExitInterrupted);
    return WorseExit(exit, Finish());
  }

 private:
  Status SetUp() {
    std::vector<std::string> needed = {std::filesystem::current_path().string()};
    if (!checked_.out.empty()) needed.push_back(checked_.out);
    for (const std::string& path : plan_.options.images) needed.push_back(ImagePath(path));
    for (const BackingSpec& backing : checked_.backings) {
      if (!backing.directory.empty()) needed.push_back(backing.directory);
    }
    for (const InstanceSpec& instance : checked_.instances) {
      const std::vector<std::string> named = instance.driver->NeededPaths(instance.options);
      needed.insert(needed.end(), named.begin(), named.end());
    }
    LM_TRY(CreateWorkspace(needed, RamBudgetBytes()));
    SetDiskDirectory(checked_.out.empty() ? std::filesystem::temp_directory_path().string() : checked_.out);
    record_.environment = CollectEnvironment();
    record_.warnings = EnvironmentWarnings(record_.environment);
    if (checked_.shard.count > 1) {
      record_.environment.text[kShardKey] =
          fmt::format("{}/{}", checked_.shard.index + 1, checked_.shard.count);
    }
    if (!checked_.restriction.empty()) {
      record_.environment.text["privilege"] = checked_.restriction;
      record_.warnings.push_back(checked_.restriction);
    }
    if (const Result<KernelLog> log = KernelLog::OpenAtEnd(); !log.ok()) {
      record_.warnings.push_back("the kernel log is not watched: " + log.status().ToString());
    }
    return Status::Ok();
  }

  int Examine() {
    int exit = kExitPass;
    for (size_t i = 0; i < checked_.instances.size(); ++i) {
      const auto look = Interrupted() ? Unreached : layermark::Examine;
      examined_.push_back(look(checked_.instances[i], checked_.backings[i]));
      const ExaminedInstance& e = examined_.back();
      record_.drivers.push_back(e.row());
      if (!e.reached) continue;
      if (e.available) {
        if (!e.reason.empty()) progress_.Note(fmt::format("{}: {}", e.instance.name(), e.reason));
        continue;
      }
      // A driver named on the command line must run; one of the default set may be missing, with the reason.
      progress_.Note(fmt::format("{} cannot run here: {}", e.instance.name(), e.reason));
      if (IsNamed(plan_.options, e.instance)) exit = kExitUsage;
    }
    const bool any =
        std::any_of(examined_.begin(), examined_.end(), [](const auto& e) { return e.available; });
    if (!any && !Interrupted()) return UsageError("no driver can run here");
    return exit;
  }

  int Conformance() {
    CheckOptions options;
    options.seed = plan_.options.seed;
    options.parallel = plan_.options.jobs > 0 ? plan_.options.jobs : get_nprocs();
    options.image = &*checked_.image;
    options.expected = checked_.expected;
    options.filters = plan_.options.filters;
    if (!plan_.options.images.empty()) options.reproduce_more = {"--image", plan_.options.images.front()};
    if (plan_.options.profile != "quick") {
      options.reproduce_more.insert(options.reproduce_more.end(), {"--profile", plan_.options.profile});
    }
    // A part that comes from a job's environment would be taken of the one case too.
    if (plan_.options.shard.empty() && checked_.shard.count > 1)
      options.reproduce_more.insert(options.reproduce_more.end(), {"--shard", "1/1"});
    for (const std::string& file : plan_.options.expected) {
      options.reproduce_more.insert(options.reproduce_more.end(), {"--expected", file});
    }
    int exit = kExitPass;
    for (const auto& [instance, status] :
         CheckInstances(examined_, checked_.cases, options, progress_, record_.conformance)) {
      if (status.code() == Code::kCancelled) continue;  // the whole run says so
      const std::string name = instance->instance.name();
      progress_.Note(fmt::format("{}: {}", name, status.ToString()));
      record_.warnings.push_back(fmt::format("conformance of {} ended early: {}", name, status.ToString()));
      exit = kExitUsage;  // the others went on
    }
    const bool finding =
        std::any_of(record_.conformance.begin(), record_.conformance.end(), [](const auto& row) {
          return row.verdict != Verdict::kPass && row.verdict != Verdict::kXfail &&
                 row.verdict != Verdict::kSkip;
        });
    return WorseExit(exit, finding ? kExitFinding : kExitPass);
  }

  // What this run, or one that was killed, left with a daemon. REQUIRES: no worker is started afterwards.
  void Sweep() {
    for (const ExaminedInstance& e : examined_) {
      if (!e.available) continue;
      const auto swept = e.instance.driver->Sweep(e.instance.options);
      if (swept.ok() || swept.status().code() == Code::kUnimplemented) continue;
      const std::string what =
          fmt::format("{}: what the run left there stays: {}", e.instance.name(), swept.status().ToString());
      progress_.Note(what);
      record_.warnings.push_back(what);
    }
  }

  BenchOptions MakeBenchOptions() const {
    BenchOptions options;
    options.filters = plan_.options.filters;
    options.profile = plan_.options.profile;
    options.seed = plan_.options.seed;
    options.image = &*checked_.image;
    if (checked_.budget_seconds > 0) {
      // The time shares are what can be scaled; set-up and verification come on top, about as long again.
      double shares = 0;
      for (const WorkloadChoice& choice : checked_.choices) shares += choice.entry->info.seconds_quick;
      shares *= 2.0 * static_cast<double>(checked_.measured);
      options.time_scale = std::clamp(checked_.budget_seconds / std::max(shares, 0.1), 0.05, 50.0);
      options.until = std::chrono::steady_clock::now() + Seconds(checked_.budget_seconds);
    } else if (plan_.whole_seconds > 0 && plan_.options.profile != "full" && plan_.options.images.empty()) {
      options.until = std::max(began_ + Seconds(plan_.whole_seconds),
                               std::chrono::steady_clock::now() + Seconds(kLeastForWorkloads));
    }
    return options;
  }

  int GoogleBenchmark() {
    return RunGoogleBenchmarkFront(examined_, checked_.choices, MakeBenchOptions(),
                                   plan_.benchmark_arguments);
  }

  int Workloads() {
    BenchResult result;
    const std::vector<ExaminedInstance> measured(
        examined_.begin(), examined_.begin() + static_cast<std::ptrdiff_t>(checked_.measured));
    const Status s = RunWorkloads(measured, checked_.choices, MakeBenchOptions(), progress_, result);
    record_.workloads = std::move(result.workloads);
    record_.measurements = std::move(result.measurements);
    samples_ = std::move(result.samples);
    if (!s.ok()) {
      record_.warnings.push_back(fmt::format("the workloads ended early: {}", s.ToString()));
      progress_.Note(s.ToString());
      return kExitUsage;
    }
    int exit = result.failed > 0 ? kExitFinding : kExitPass;
    for (WorkloadRow& row : record_.workloads) {
      if (row.verdict == WorkloadVerdict::kRight) {
        if (const ExpectedFailure* expected = ExpectedFor(row, "")) {
          row.reason = fmt::format("{}{}", kRightAgainstExpectation, expected->cause);
          exit = kExitFinding;
        }
        continue;
      }
      if (row.verdict != WorkloadVerdict::kWrong) continue;
      // A wrong answer never gets a time; one whose cause is known is no new finding.
      const ExpectedFailure* expected = ExpectedFor(row, row.reason);
      if (expected == nullptr) {
        exit = kExitFinding;
      } else {
        row.reason = fmt::format("known deviation: {}\n{}", expected->cause, row.reason);
      }
    }
    return exit;
  }

  // `reason`: of the wrong answer; "" asks for any entry that expects one.
  const ExpectedFailure* ExpectedFor(const WorkloadRow& row, const std::string& reason) const {
    for (const ExaminedInstance& e : examined_) {
      if (e.place() == row.place) {
        return FindExpected(checked_.expected, e.deviation_context(), row.workload, reason);
      }
    }
    return nullptr;
  }

  int Finish() {
    record_.anchors = EvaluateAnchors(record_);
    if (!checked_.out.empty()) {
      if (Status s = WriteRecord(checked_.out, record_, samples_); !s.ok()) return UsageError(s);
    }
    PrintRecord(record_, plan_.options.format);
    return kExitPass;
  }

  static std::chrono::steady_clock::duration Seconds(double seconds) {
    return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(seconds));
  }

  const SessionPlan& plan_;
  Checked& checked_;
  std::chrono::steady_clock::time_point began_;
  TerminalProgress progress_;
  Record record_;
  std::vector<ExaminedInstance> examined_;
  std::vector<SampleSeries> samples_;
};

}  // namespace

IsolationOptions IsolationFor(const std::vector<InstanceSpec>& instances) {
  IsolationOptions options;
  options.slave_mounts = std::any_of(instances.begin(), instances.end(), [](const InstanceSpec& instance) {
    return instance.driver->behind_a_daemon();
  });
  return options;
}

int UsageError(const std::string& message) {
  fmt::print(stderr, "layermark: {}\n", message);
  return kExitUsage;
}

int UsageError(const Status& status) {
  return UsageError(status.message());
}

int RunSession(const SessionPlan& plan) {
  Result<Checked> checked = CheckPlan(plan);
  if (!checked.ok()) return UsageError(checked.status());
  const bool restarts =
      std::any_of(checked->instances.begin(), checked->instances.end(),
                  [](const InstanceSpec& instance) { return instance.driver->behind_a_daemon(); });
  if (restarts) {
    if (const Status started = StartOutside(); !started.ok()) return UsageError(started);
  }
  Result<Restriction> restriction = BecomeAbleToRun(plan.options, checked->out, checked->backings);
  if (!restriction.ok()) return UsageError(restriction.status());
  checked->restriction = std::move(restriction->text);
  if (!checked->out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(checked->out, error);
    if (error) return UsageError(fmt::format("--out {}: {}", checked->out, error.message()));
  }
  Result<int> exit =
      RunIsolated(IsolationFor(checked->instances), [&] { return Session(plan, *checked).Run(); });
  if (!exit.ok()) return UsageError(exit.status());
  if (*exit > 128 && *exit != kExitInterrupted) {
    fmt::print(stderr, "layermark: the working process was killed by signal {}\n", *exit - 128);
    return kExitFinding;
  }
  if (plan.report && !checked->out.empty() && *exit != kExitUsage) {
    return WorseExit(*exit, MakeReport({checked->out}, checked->out));
  }
  return *exit;
}

}  // namespace layermark
