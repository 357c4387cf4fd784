// The engine: verify, then time, in interleaved pairs; and the front of Google Benchmark over it.
#ifndef LAYERMARK_BENCH_HARNESS_ENGINE_H_
#define LAYERMARK_BENCH_HARNESS_ENGINE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/harness/workload.h"
#include "core/result.h"
#include "results/record.h"
#include "scenario/examine.h"
#include "scenario/progress.h"

namespace layermark {

struct BenchOptions {
  std::vector<std::string> filters;  // globs over the workload's name and its family
  std::string profile = "quick";
  uint64_t seed = 1;
  double time_scale = 1;  // multiplies every time share (--budget)
  // Nothing more begins after that: what is left is not_run, with the code `budget`.
  std::optional<std::chrono::steady_clock::time_point> until;
  const ImageSource* image = nullptr;
};

// One workload with one choice of parameters.
struct WorkloadChoice {
  const WorkloadEntry* entry = nullptr;
  Params params;
};
// Without filters those that the profile holds; with filters all that one of them matches, in any profile.
std::vector<WorkloadChoice> SelectWorkloads(const std::vector<std::string>& filters,
                                            const std::string& profile, int shard = 0, int shards = 1);

struct BenchResult {
  std::vector<WorkloadRow> workloads;
  std::vector<Measurement> measurements;
  std::vector<SampleSeries> samples;
  int failed = 0;  // how many of the rows that are not_run broke while they ran; a finding
};

// Runs every choice on every instance (unavailable ones and missing capabilities give not_run with the
// reason), one worker at a time so that nothing else competes; the instances of one choice follow each other
// directly, and where there is an end one choice of each workload comes before the others. A worker that
// fails, hangs or dies is a row with the reason. An interrupt ends it early: what was measured stays, and
// what was not reached is not_run with that reason.
Status RunWorkloads(const std::vector<ExaminedInstance>& instances,
                    const std::vector<WorkloadChoice>& choices, const BenchOptions& options,
                    Progress& progress, BenchResult& result);

// Google Benchmark as a front: registers one benchmark with manual time per choice and instance, and hands
// the rest of the command line (--benchmark_*) to it. Its JSON and console output keep working. Returns its
// exit status.
int RunGoogleBenchmarkFront(const std::vector<ExaminedInstance>& instances,
                            const std::vector<WorkloadChoice>& choices, const BenchOptions& options,
                            const std::vector<std::string>& benchmark_arguments);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_ENGINE_H_
