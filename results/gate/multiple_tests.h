// Corrections for many tests at once. Threads: pure functions. Cost: O(n log n).
#ifndef LAYERMARK_RESULTS_GATE_MULTIPLE_TESTS_H_
#define LAYERMARK_RESULTS_GATE_MULTIPLE_TESTS_H_

#include <cstddef>
#include <vector>

namespace layermark {

// Holm's adjusted p-values, in the order of `p`: with `adjusted <= level` rejected, the chance of any false
// rejection is at most `level`. `family` counts the hypotheses where more stand than have a p here (those
// count as p = 1); at least p.size().
std::vector<double> HolmAdjusted(const std::vector<double>& p, size_t family = 0);
// Benjamini and Hochberg's adjusted p-values: the expected share of false ones among the rejected.
std::vector<double> BenjaminiHochbergAdjusted(const std::vector<double>& p);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_MULTIPLE_TESTS_H_
