#include "bench/harness/pair_loop.h"

#include <time.h>

#include <algorithm>
#include <random>

#include "results/statistics.h"

namespace layermark {
namespace {

int64_t ThreadCpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

double CpuClockCostNs() {
  std::vector<double> costs;
  costs.reserve(256);
  for (int i = 0; i < 256; ++i) {
    const int64_t began = ThreadCpuNs();
    costs.push_back(static_cast<double>(ThreadCpuNs() - began));
  }
  return Median(std::move(costs));
}

// The only one that may start and read a Stopwatch.
class Engine {
 public:
  Engine(const PairPlan& plan, Samples& samples) : plan_(plan), samples_(samples) {
    if (plan_.cpu_time) cpu_cost_ns_ = CpuClockCostNs();
  }

  static int64_t NowNs() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
  }

  Status RunOne(Side& side, const std::string& name, bool keep) {
    LM_TRY(side.Before());
    Stopwatch watch;
    const int64_t cpu_began = plan_.cpu_time ? ThreadCpuNs() : 0;
    const int64_t began = NowNs();
    watch.last_ns_ = began;
    Status status = side.Run(watch);
    const int64_t ended = NowNs();
    const int64_t cpu_ended = plan_.cpu_time ? ThreadCpuNs() : 0;
    LM_TRY(status);
    LM_TRY(side.After());
    if (!keep) return Status::Ok();
    const int64_t stopped = watch.stopped_ns_ != 0 ? watch.stopped_ns_ : ended;
    samples_[{name, Metric::latency}].push_back(static_cast<double>(stopped - began));
    if (plan_.cpu_time) {
      const double cpu = static_cast<double>(cpu_ended - cpu_began) - cpu_cost_ns_;
      samples_[{name, Metric::cpu_time}].push_back(std::max(cpu, 0.0));
    }
    if (stopped != ended) samples_[{name, Metric::teardown}].push_back(static_cast<double>(ended - stopped));
    for (int i = 0; i < watch.count_; ++i) {
      samples_[{name, watch.metrics_[i]}].push_back(static_cast<double>(watch.durations_ns_[i]));
    }
    return Status::Ok();
  }

  Status Run(Side& driver, Side* raw) {
    std::mt19937_64 coin(plan_.seed);
    const int64_t began = NowNs();
    for (int pair = -1; pair < plan_.max_pairs; ++pair) {
      const double elapsed = static_cast<double>(NowNs() - began) / 1e9;
      if (pair >= plan_.min_pairs && elapsed > plan_.seconds) break;
      if (pair >= 1 && elapsed > plan_.hard_seconds) break;
      const bool keep = pair >= 0;  // the first pair warms up
      const bool raw_first = raw != nullptr && (coin() & 1) != 0;
      if (raw_first) LM_TRY(RunOne(*raw, "raw", keep));
      LM_TRY(RunOne(driver, "driver", keep));
      if (raw != nullptr && !raw_first) LM_TRY(RunOne(*raw, "raw", keep));
    }
    return Status::Ok();
  }

 private:
  const PairPlan& plan_;
  Samples& samples_;
  double cpu_cost_ns_ = 0;
};

Result<Samples> RunPairs(Side& driver, Side* raw, const PairPlan& plan) {
  Samples samples;
  // Room beforehand, so that keeping a sample does not disturb the next one.
  samples[{"driver", Metric::latency}].reserve(static_cast<size_t>(plan.max_pairs));
  if (raw != nullptr) samples[{"raw", Metric::latency}].reserve(static_cast<size_t>(plan.max_pairs));
  Engine engine(plan, samples);
  LM_TRY(engine.Run(driver, raw));
  return samples;
}

}  // namespace layermark
