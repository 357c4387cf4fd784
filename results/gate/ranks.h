// Ranks with ties, doubled so that they stay whole numbers. Threads: pure functions.
#ifndef LAYERMARK_RESULTS_GATE_RANKS_H_
#define LAYERMARK_RESULTS_GATE_RANKS_H_

#include <cstddef>
#include <vector>

namespace layermark {

// Twice the rank of each value, counted from 1; equal values share the mean of their ranks.
std::vector<size_t> DoubledRanks(const std::vector<double>& values);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_RANKS_H_
