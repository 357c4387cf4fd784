#include "results/gate/multiple_tests.h"

#include <algorithm>
#include <numeric>

namespace layermark {
namespace {

std::vector<size_t> OrderOf(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

std::vector<double> HolmAdjusted(const std::vector<double>& p, size_t family) {
  family = std::max(family, p.size());
  std::vector<double> adjusted(p.size());
  double so_far = 0;
  size_t before = 0;
  for (const size_t i : OrderOf(p)) {
    so_far = std::max(so_far, std::min(1.0, static_cast<double>(family - before) * p[i]));
    adjusted[i] = so_far;
    ++before;
  }
  return adjusted;
}

std::vector<double> BenjaminiHochbergAdjusted(const std::vector<double>& p) {
  const std::vector<size_t> order = OrderOf(p);
  std::vector<double> adjusted(p.size());
  double so_far = 1;
  for (size_t rank = order.size(); rank-- > 0;) {
    const double scaled = p[order[rank]] * static_cast<double>(p.size()) / static_cast<double>(rank + 1);
    so_far = std::min(so_far, scaled);
    adjusted[order[rank]] = so_far;
  }
  return adjusted;
}

}  // namespace layermark
