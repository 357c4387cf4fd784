// Wilcoxon's signed-rank test, exact, and the estimate that belongs to it (Hodges and Lehmann's).
//
// The null distribution is that of the ranks at hand (ties share the mean of their ranks), with each sign
// tossed by a fair coin: no approximation at any n. Values equal to the shift carry no sign and are left out.
// Threads: pure functions. Cost: O(n^3) for the test, O(n^2 log n) for the estimate; n is a number of blocks.
#ifndef LAYERMARK_RESULTS_GATE_SIGNED_RANK_H_
#define LAYERMARK_RESULTS_GATE_SIGNED_RANK_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "results/statistics.h"

namespace layermark {

// p of "the centre of `values` is not above `shift`" (greater) or "not below it" (less). 1 where nothing is
// left that has a sign.
double SignedRankGreater(const std::vector<double>& values, double shift);
double SignedRankLess(const std::vector<double>& values, double shift);

// P(W <= w) for the sum of the ranks 1..n with a positive sign, without ties. [0]..[n(n+1)/2].
std::vector<double> SignedRankCdf(size_t n);

// Median of the means of all pairs of values, each with itself too. REQUIRES: not empty.
double HodgesLehmann(const std::vector<double>& values);
// The exact interval of the centre at this confidence or more, by inverting the test; nullopt where n is too
// small for it (n < 6 at 0.95).
std::optional<Interval> HodgesLehmannInterval(const std::vector<double>& values, double confidence);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_SIGNED_RANK_H_
