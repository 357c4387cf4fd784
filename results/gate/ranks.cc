#include "results/gate/ranks.h"

#include <algorithm>
#include <numeric>

namespace layermark {

std::vector<size_t> DoubledRanks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<size_t> ranks(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i + 1;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    // Ranks i+1 .. end: twice their mean is their first and last together.
    for (size_t k = i; k < end; ++k) ranks[order[k]] = i + 1 + end;
    i = end;
  }
  return ranks;
}

}  // namespace layermark
