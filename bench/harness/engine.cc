#include "bench/harness/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "bench/harness/run_one.h"
#include "bench/harness/schedule.h"
#include "core/glob.h"
#include "core/skip_code.h"
#include "results/summarise.h"
#include "scenario/kernel_log.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

// Every combination of the parameters' values.
std::vector<Params> Combinations(const WorkloadInfo& info, const std::string& profile) {
  std::vector<Params> all = {{}};
  for (const auto& [name, values] : info.params) {
    std::vector<Params> next;
    for (const Params& so_far : all) {
      for (const std::string& value : ValuesOf(values, profile)) {
        Params params = so_far;
        params[name] = value;
        next.push_back(std::move(params));
      }
    }
    all = std::move(next);
  }
  return all;
}

bool CountsExactly(const WorkloadInfo& info, const Params& params) {
  return std::none_of(info.inexact_counts.begin(), info.inexact_counts.end(), [&](const auto& inexact) {
    const auto chosen = params.find(inexact.first);
    return inexact.first.empty() || (chosen != params.end() && chosen->second == inexact.second);
  });
}

bool Holds(const std::string& profile, const WorkloadInfo& info) {
  const From here = profile == "smoke" ? From::kSmoke : profile == "full" ? From::kFull : From::kQuick;
  return info.from <= here;
}

void Keep(const WorkloadChoice& choice, const Place& place, OneAnswer answer, BenchResult& result) {
  const WorkloadInfo& info = choice.entry->info;
  result.workloads.push_back({info.name, info.family, place, choice.params, answer.verdict, answer.reason,
                              answer.seconds,
                              answer.verdict == WorkloadVerdict::kNotRun ? answer.skip_code : std::string()});
  if (answer.verdict != WorkloadVerdict::kRight) return;
  std::map<std::pair<std::string, Metric>, SampleSeries> series;
  for (auto& [key, values] : answer.samples) {
    if (values.empty()) continue;
    SampleSeries s{info.name, place, choice.params, key.second, key.first, std::move(values)};
    result.measurements.push_back(Summarise(s));
    series[key] = std::move(s);
  }
  const auto driver = series.find({"driver", Metric::latency});
  const auto raw = series.find({"raw", Metric::latency});
  if (driver != series.end() && raw != series.end()) {
    result.measurements.push_back(SummariseRatio(driver->second, raw->second));
  }
  for (const auto& [metric, value] : answer.figures) {
    result.measurements.push_back(SingleValue(info.name, place, choice.params, metric, value));
  }
  for (OperationCount& count : answer.counts) {
    Measurement m =
        SingleValue(info.name, place, choice.params, count.metric, count.value.value_or(0), count.side);
    if (!count.value) {
      m.n = 0;
      m.value.reset();
    }
    m.exact = count.exact && CountsExactly(info, choice.params);
    m.breakdown = std::move(count.breakdown);
    m.reason = std::move(count.reason);
    result.measurements.push_back(std::move(m));
  }
  for (auto& [key, s] : series) result.samples.push_back(std::move(s));
}

bool TimeIsUp(const BenchOptions& options) {
  return options.until && std::chrono::steady_clock::now() >= *options.until;
}

OneAnswer NoTimeLeft() {
  OneAnswer answer;
  answer.skip_code = SkipCodeName(SkipCode::budget);
  answer.reason = "no time was left for it; --budget gives the workloads more, --filter gives it to this one";
  return answer;
}

// What the kernel complains about while a workload runs makes its answer a wrong one, and its times void.
void JudgeByKernelLog(KernelLog& log, const ExaminedInstance& instance, OneAnswer& answer) {
  const Result<std::vector<std::string>> problems = log.NewProblems({}, instance.acts_elsewhere());
  if (!problems.ok() || problems->empty()) return;
  std::string reason = "kernel log: " + problems->front();
  if (problems->size() > 1) reason += fmt::format(" (and {} more)", problems->size() - 1);
  if (answer.verdict != WorkloadVerdict::kRight) reason += "; " + answer.reason;
  answer.verdict = WorkloadVerdict::kWrong;
  answer.failed = false;  // that is said of what has no verdict
  answer.reason = std::move(reason);
}

}  // namespace

std::vector<WorkloadChoice> SelectWorkloads(const std::vector<std::string>& filters,
                                            const std::string& profile, int shard, int shards) {
  std::vector<WorkloadChoice> all;
  for (const WorkloadEntry& entry : AllWorkloads()) {
    if (filters.empty() ? !Holds(profile, entry.info)
                        : !AnyGlobMatch(filters, {entry.info.name, entry.info.family}))
      continue;
    for (Params& params : Combinations(entry.info, profile)) all.push_back({&entry, std::move(params)});
  }
  if (shards <= 1) return all;
  std::vector<WorkloadChoice> mine;
  for (size_t i = static_cast<size_t>(shard); i < all.size(); i += static_cast<size_t>(shards)) {
    mine.push_back(std::move(all[i]));
  }
  return mine;
}

Status RunWorkloads(const std::vector<ExaminedInstance>& instances,
                    const std::vector<WorkloadChoice>& choices, const BenchOptions& options,
                    Progress& progress, BenchResult& result) {
  progress.Begin("workloads", choices.size() * instances.size());
  size_t right = 0;
  size_t wrong = 0;
  size_t not_run = 0;
  Result<KernelLog> log = KernelLog::OpenAtEnd();
  std::vector<size_t> order(choices.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (options.until) order = MiddleChoicesFirst(choices);
  for (const size_t index : order) {
    const WorkloadChoice& choice = choices[index];
    const PairPlan plan = PlanFor(choice, options);
    const bool time_is_up = TimeIsUp(options);  // for all instances alike, so that they can be compared
    for (const ExaminedInstance& instance : instances) {
      const std::string what = fmt::format("{} {} {}", choice.entry->info.name, ParamsText(choice.params),
                                           instance.instance.name());
      const auto collect = [&log] {
        if (log.ok()) log->Collect();
      };
      OneAnswer answer = time_is_up ? NoTimeLeft() : RunInWorker(instance, choice, options, plan, collect);
      if (log.ok() && answer.seconds > 0) JudgeByKernelLog(*log, instance, answer);
      if (answer.verdict == WorkloadVerdict::kWrong)
        progress.Note(fmt::format("wrong: {}: {}", what, answer.reason));
      if (answer.failed) {
        progress.Note(fmt::format("failed: {}: {}", what, answer.reason));
        ++result.failed;
      }
      right += answer.verdict == WorkloadVerdict::kRight ? 1 : 0;
      wrong += answer.verdict == WorkloadVerdict::kWrong ? 1 : 0;
      not_run += answer.verdict == WorkloadVerdict::kNotRun ? 1 : 0;
      Keep(choice, instance.place(), std::move(answer), result);
      progress.Step(what);
    }
  }
  std::string summary = fmt::format("{} right, {} wrong, {} not run", right, wrong, not_run);
  if (result.failed > 0) summary += fmt::format(" ({} of them failed)", result.failed);
  progress.End(summary);
  return Status::Ok();
}

}  // namespace layermark
