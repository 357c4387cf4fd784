// The normal distribution, as far as planning a test needs it. Threads: pure functions.
#ifndef LAYERMARK_RESULTS_GATE_NORMAL_H_
#define LAYERMARK_RESULTS_GATE_NORMAL_H_

namespace layermark {

// P(Z > z). Relative error near that of the C library's erfc.
double NormalUpperTail(double z);
// The z with P(Z > z) = p. REQUIRES: 0 < p < 1.
double NormalUpperQuantile(double p);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_NORMAL_H_
