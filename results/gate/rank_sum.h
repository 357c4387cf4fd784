// The rank-sum test of Mann, Whitney and Wilcoxon for two independent samples, exact. For comparing runs,
// where the run is the unit. Threads: pure functions. Cost: O(n m (n + m)^2) for samples of n and m; tens.
#ifndef LAYERMARK_RESULTS_GATE_RANK_SUM_H_
#define LAYERMARK_RESULTS_GATE_RANK_SUM_H_

#include <vector>

namespace layermark {

// p of "`b` is not above `a` shifted by `shift`", given the ranks at hand (ties share their mean). 1 where a
// side is empty.
double RankSumGreater(const std::vector<double>& a, const std::vector<double>& b, double shift);
double RankSumLess(const std::vector<double>& a, const std::vector<double>& b, double shift);
// Median of all differences b - a. REQUIRES: neither is empty.
double ShiftEstimate(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_RANK_SUM_H_
