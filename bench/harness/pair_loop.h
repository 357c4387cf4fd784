// The pair loop: the timed heart of the engine, inside a worker process.
#ifndef LAYERMARK_BENCH_HARNESS_PAIR_LOOP_H_
#define LAYERMARK_BENCH_HARNESS_PAIR_LOOP_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness/workload.h"
#include "core/result.h"

namespace layermark {

struct PairPlan {
  int min_pairs = 10;
  int max_pairs = 400;
  double seconds = 0.6;      // no new pair after this, once min_pairs are done
  double hard_seconds = 60;  // no new pair after this whatever was done
  uint64_t seed = 1;         // of the coin that orders each pair
  // Keeps a series cpu_time as well: CPU time of the calling thread over each operation, less what reading it
  // costs (CpuClockCostNs). It is read outside the span that latency covers.
  bool cpu_time = false;
};

// What two readings of the thread's CPU clock, one after the other, differ by: the median of some hundred.
double CpuClockCostNs();

// Samples by side ("driver", "raw") and metric, in the order taken. Each side's latency series have one value
// a pair.
using Samples = std::map<std::pair<std::string, Metric>, std::vector<double>>;

// One pair as warm-up, then pairs as planned. A failing operation ends it with that Status.
Result<Samples> RunPairs(Side& driver, Side* raw, const PairPlan& plan);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_PAIR_LOOP_H_
