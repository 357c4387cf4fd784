#include "results/gate/signed_rank.h"

#include <algorithm>
#include <cmath>

#include "results/gate/ranks.h"

namespace layermark {
namespace {

// The distribution of the sum of those `weights` whose coin shows heads: [s] = P(sum = s).
std::vector<double> CoinSums(const std::vector<size_t>& weights) {
  size_t total = 0;
  for (const size_t weight : weights) total += weight;
  std::vector<double> p(total + 1, 0.0);
  p[0] = 1;
  size_t reach = 0;
  for (const size_t weight : weights) {
    reach += weight;
    for (size_t s = reach + 1; s-- > 0;) {
      const double with = s >= weight ? p[s - weight] : 0;
      p[s] = 0.5 * (p[s] + with);
    }
  }
  return p;
}

// P(the sum of the ranks of positive signs is at least what it is); values have no zeros.
double UpperTail(const std::vector<double>& differences) {
  std::vector<double> sizes(differences.size());
  std::transform(differences.begin(), differences.end(), sizes.begin(),
                 [](double d) { return std::fabs(d); });
  const std::vector<size_t> ranks = DoubledRanks(sizes);
  size_t seen = 0;
  for (size_t i = 0; i < ranks.size(); ++i) seen += differences[i] > 0 ? ranks[i] : 0;
  const std::vector<double> p = CoinSums(ranks);
  double tail = 0;
  for (size_t s = p.size(); s-- > seen;) tail += p[s];  // from the small end, for precision
  return std::min(tail, 1.0);
}

double Tail(const std::vector<double>& values, double shift, double sign) {
  std::vector<double> differences;
  differences.reserve(values.size());
  for (const double value : values) {
    if (value != shift) differences.push_back(sign * (value - shift));
  }
  return differences.empty() ? 1.0 : UpperTail(differences);
}

std::vector<double> WalshAverages(const std::vector<double>& values) {
  std::vector<double> averages;
  averages.reserve(values.size() * (values.size() + 1) / 2);
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = i; j < values.size(); ++j) averages.push_back(0.5 * (values[i] + values[j]));
  }
  return averages;
}

}  // namespace

double SignedRankGreater(const std::vector<double>& values, double shift) {
  return Tail(values, shift, 1);
}

double SignedRankLess(const std::vector<double>& values, double shift) {
  return Tail(values, shift, -1);
}

std::vector<double> SignedRankCdf(size_t n) {
  std::vector<size_t> ranks(n);
  for (size_t i = 0; i < n; ++i) ranks[i] = i + 1;
  std::vector<double> cdf = CoinSums(ranks);
  for (size_t s = 1; s < cdf.size(); ++s) cdf[s] += cdf[s - 1];
  return cdf;
}

double HodgesLehmann(const std::vector<double>& values) {
  return Median(WalshAverages(values));
}

std::optional<Interval> HodgesLehmannInterval(const std::vector<double>& values, double confidence) {
  const double tail = 0.5 * (1 - confidence);
  const std::vector<double> cdf = SignedRankCdf(values.size());
  // The k-th smallest and the k-th largest of the averages, with the largest k for which P(W <= k-1) is
  // within the tail.
  size_t k = 0;
  while (k < cdf.size() && cdf[k] <= tail) ++k;
  if (k == 0 || values.empty()) return std::nullopt;
  std::vector<double> averages = WalshAverages(values);
  std::sort(averages.begin(), averages.end());
  return Interval{averages[k - 1], averages[averages.size() - k]};
}

}  // namespace layermark
