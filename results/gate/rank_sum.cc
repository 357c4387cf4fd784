#include "results/gate/rank_sum.h"

#include <algorithm>
#include <cstddef>

#include "results/gate/ranks.h"
#include "results/statistics.h"

namespace layermark {
namespace {

// P(the ranks of a random choice of `chosen` among `ranks` sum to at least `seen`).
double UpperTail(const std::vector<size_t>& ranks, size_t chosen, size_t seen) {
  size_t total = 0;
  for (const size_t rank : ranks) total += rank;
  // p[k][s]: of the ways to look at the items so far, the share with k chosen and the sum s. Going item by
  // item, item i of n is chosen with probability (left to choose) / (left to look at).
  std::vector<std::vector<double>> p(chosen + 1, std::vector<double>(total + 1, 0.0));
  p[0][0] = 1;
  for (size_t i = 0; i < ranks.size(); ++i) {
    const double left = static_cast<double>(ranks.size() - i);
    for (size_t k = std::min(chosen, i + 1) + 1; k-- > 0;) {
      const double stay = k <= i ? 1 - static_cast<double>(chosen - k) / left : 0;
      const double take = k > 0 ? static_cast<double>(chosen - (k - 1)) / left : 0;
      for (size_t s = total + 1; s-- > 0;) {
        const double taken = k > 0 && s >= ranks[i] ? p[k - 1][s - ranks[i]] * take : 0;
        p[k][s] = p[k][s] * std::max(stay, 0.0) + taken;
      }
    }
  }
  double tail = 0;
  for (size_t s = total + 1; s-- > seen;) tail += p[chosen][s];
  return std::min(tail, 1.0);
}

double Tail(const std::vector<double>& a, const std::vector<double>& b, double shift, double sign) {
  if (a.empty() || b.empty()) return 1;
  std::vector<double> all;
  for (const double value : b) all.push_back(sign * (value - shift));
  for (const double value : a) all.push_back(sign * value);
  const std::vector<size_t> ranks = DoubledRanks(all);
  size_t seen = 0;
  for (size_t i = 0; i < b.size(); ++i) seen += ranks[i];
  return UpperTail(ranks, b.size(), seen);
}

}  // namespace

double RankSumGreater(const std::vector<double>& a, const std::vector<double>& b, double shift) {
  return Tail(a, b, shift, 1);
}

double RankSumLess(const std::vector<double>& a, const std::vector<double>& b, double shift) {
  return Tail(a, b, shift, -1);
}

double ShiftEstimate(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> differences;
  differences.reserve(a.size() * b.size());
  for (const double x : a) {
    for (const double y : b) differences.push_back(y - x);
  }
  return Median(std::move(differences));
}

}  // namespace layermark
