// Google Benchmark as a front over the pair loop, with manual time.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include "bench/harness/engine.h"
#include "bench/harness/run_one.h"
#include "results/statistics.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

void RunAsBenchmark(benchmark::State& state, const ExaminedInstance& instance, const WorkloadChoice& choice,
                    const BenchOptions& options, bool& all_right) {
  // As many pairs as Google Benchmark asks iterations for: it finds that number itself.
  PairPlan plan = PlanFor(choice, options);
  // Some operations can be done only so often in one set-up (each unlink needs a file): then samples serve
  // more than one iteration.
  const int most = choice.entry->info.max_pairs;
  const int pairs = static_cast<int>(std::min<benchmark::IterationCount>(state.max_iterations, most));
  plan.min_pairs = plan.max_pairs = pairs;
  plan.hard_seconds = 1e9;
  OneAnswer answer = RunInWorker(instance, choice, options, plan);
  if (answer.verdict != WorkloadVerdict::kRight) {
    all_right = false;
    state.SkipWithError(answer.reason.c_str());
    return;
  }
  const std::vector<double>& driver = answer.samples[{"driver", Metric::latency}];
  const std::vector<double>& raw = answer.samples[{"raw", Metric::latency}];
  size_t i = 0;
  for (auto _ : state) {
    state.SetIterationTime(driver.empty() ? 0 : driver[i++ % driver.size()] / 1e9);
  }
  if (!driver.empty()) state.counters["p50_ns"] = Median(driver);
  if (!raw.empty() && raw.size() == driver.size())
    state.counters["ratio_to_raw"] = PairedRatio(driver, raw).median;
  for (const auto& [metric, value] : answer.figures) state.counters[std::string(Row(metric).name)] = value;
}

}  // namespace

int RunGoogleBenchmarkFront(const std::vector<ExaminedInstance>& instances,
                            const std::vector<WorkloadChoice>& choices, const BenchOptions& options,
                            const std::vector<std::string>& benchmark_arguments) {
  std::vector<std::string> words = {"layermark"};
  words.insert(words.end(), benchmark_arguments.begin(), benchmark_arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size());
  for (std::string& word : words) argv.push_back(word.data());
  int argc = static_cast<int>(argv.size());
  benchmark::Initialize(&argc, argv.data());
  if (benchmark::ReportUnrecognizedArguments(argc, argv.data())) return 2;
  bool all_right = true;
  for (const WorkloadChoice& choice : choices) {
    for (const ExaminedInstance& instance : instances) {
      std::string name = fmt::format("{}/{}", choice.entry->info.name, instance.instance.test_name());
      for (const auto& [param, value] : choice.params) name += fmt::format("/{}:{}", param, value);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [&instance, &choice, &options, &all_right](benchmark::State& state) {
                                     RunAsBenchmark(state, instance, choice, options, all_right);
                                   })
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return Interrupted() ? 130 : all_right ? 0 : 1;
}

}  // namespace layermark
