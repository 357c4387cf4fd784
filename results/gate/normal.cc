#include "results/gate/normal.h"

#include <cmath>

namespace layermark {

double NormalUpperTail(double z) {
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

double NormalUpperQuantile(double p) {
  // The tail falls steadily, so that halving finds it; 40 covers every p that a double can hold.
  double low = -40;
  double high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (NormalUpperTail(middle) > p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace layermark
