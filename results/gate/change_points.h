// Change points of a series over many runs, by the energy distance (E-divisive), each tested by permutation.
//
// The best split is the one with the largest energy statistic; it stands if fewer than `level` of the random
// reorderings of the series have one as large. Then both halves are searched. The permutations come from a
// seed, so that one history always gives one answer. Threads: pure. Cost: O(permutations * n^2) a segment:
// a second for 100 runs and 1999 permutations.
#ifndef LAYERMARK_RESULTS_GATE_CHANGE_POINTS_H_
#define LAYERMARK_RESULTS_GATE_CHANGE_POINTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace layermark {

struct ChangePoint {
  size_t index = 0;   // the first value after the change
  double p = 1;       // by permutation; the smallest possible is 1 / (permutations + 1)
  double before = 0;  // medians of the segments on both sides, between neighbouring change points
  double after = 0;
};

struct ChangePointOptions {
  double level = 0.001;
  size_t permutations = 1999;
  size_t min_segment = 5;       // values on each side
  double min_magnitude = 0.02;  // |after / before - 1|; smaller ones are left out
  uint64_t seed = 1;
};

// In order of their place.
std::vector<ChangePoint> ChangePoints(const std::vector<double>& series,
                                      const ChangePointOptions& options = {});

// n m / (n + m) times the squared energy distance of the two parts of series[0, split) and the rest.
// REQUIRES: 0 < split < size.
double EnergyStatistic(const std::vector<double>& series, size_t split);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_CHANGE_POINTS_H_
