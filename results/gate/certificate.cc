#include "results/gate/certificate.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "results/gate/block_series.h"
#include "results/gate/gate_suite.h"

namespace layermark {
namespace {

using nlohmann::json;

bool Is(const CertificateSuite& suite, const std::string& kind, const std::string& name, double percent) {
  return suite.kind == kind && suite.name == name && suite.percent == percent;
}

// P(at most `hits` of n) with success probability p.
double BinomialCdf(int64_t hits, int64_t n, double p) {
  double sum = 0;
  const double trials = static_cast<double>(n);
  for (int64_t k = 0; k <= hits; ++k) {
    const double x = static_cast<double>(k);
    sum += std::exp(std::lgamma(trials + 1) - std::lgamma(x + 1) - std::lgamma(trials - x + 1) +
                    x * std::log(p) + (trials - x) * std::log1p(-p));
  }
  return sum;
}

}  // namespace

std::string ToLine(const CertificateSuite& suite) {
  json out;
  out["host_class"] = suite.host_class;
  out["kind"] = suite.kind;
  out["name"] = suite.name;
  out["percent"] = suite.percent;
  out["verdicts"] = suite.verdicts;
  out["blocks"] = suite.blocks;
  out["seconds"] = suite.seconds;
  out["started"] = suite.started;
  out["tool_version"] = suite.tool_version;
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<CertificateSuite> SuiteFromLine(const std::string& line) {
  try {
    const json in = json::parse(line);
    CertificateSuite suite;
    suite.host_class = in.at("host_class");
    suite.kind = in.at("kind");
    suite.name = in.at("name");
    suite.percent = in.at("percent");
    suite.verdicts = in.at("verdicts").get<std::map<std::string, std::string>>();
    suite.blocks = in.at("blocks").get<std::map<std::string, std::vector<double>>>();
    suite.seconds = in.at("seconds");
    suite.started = in.at("started");
    suite.tool_version = in.at("tool_version");
    return suite;
  } catch (const json::exception& e) {
    return InvalidArgument(std::string("not a suite of a certificate: ") + e.what());
  }
}

CertificateTally Tally(const std::vector<CertificateSuite>& suites, const std::string& kind,
                       const std::string& name, double percent) {
  CertificateTally tally;
  for (const CertificateSuite& suite : suites) {
    if (!Is(suite, kind, name, percent)) continue;
    ++tally.suites;
    bool alarm = false;
    for (const auto& [workload, verdict] : suite.verdicts) {
      ++tally.by_workload[workload][verdict];
      alarm = alarm || verdict == "regressed";
    }
    tally.with_alarm += alarm ? 1 : 0;
  }
  return tally;
}

CertificateTally Bootstrap(const std::vector<CertificateSuite>& recorded, const std::string& kind,
                           double percent, int64_t suites, const GatePlan& plan, uint64_t seed) {
  std::map<std::string, std::vector<double>> pools;
  for (const CertificateSuite& suite : recorded) {
    if (!Is(suite, kind, "", percent)) continue;
    for (const auto& [workload, blocks] : suite.blocks) {
      std::vector<double>& pool = pools[workload];
      pool.insert(pool.end(), blocks.begin(), blocks.end());
    }
  }
  std::erase_if(pools, [](const auto& pool) { return pool.second.size() < 12; });
  CertificateTally tally;
  if (pools.empty()) return tally;
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < suites; ++i) {
    GateSuite suite(plan, pools.size());
    while (!suite.Decided()) {
      size_t k = 0;
      for (const auto& [workload, pool] : pools) {
        std::uniform_int_distribution<size_t> pick(0, pool.size() - 1);
        while (suite.values(k).size() < suite.Wanted(k)) suite.Add(k, pool[pick(random)]);
        ++k;
      }
      suite.Look();
    }
    bool alarm = false;
    size_t k = 0;
    for (const auto& [workload, pool] : pools) {
      const GateVerdict verdict = *suite.result(k++).verdict;
      ++tally.by_workload[workload][std::string(VerdictName(verdict))];
      alarm = alarm || verdict == GateVerdict::kRegressed;
    }
    ++tally.suites;
    tally.with_alarm += alarm ? 1 : 0;
  }
  return tally;
}

std::map<std::string, double> BlockNoise(const std::vector<CertificateSuite>& recorded) {
  std::map<std::string, std::vector<double>> pools;
  for (const CertificateSuite& suite : recorded) {
    if (suite.kind != "aa") continue;
    for (const auto& [workload, blocks] : suite.blocks) {
      std::vector<double>& pool = pools[workload];
      pool.insert(pool.end(), blocks.begin(), blocks.end());
    }
  }
  std::map<std::string, double> noise;
  for (const auto& [workload, pool] : pools) {
    if (pool.size() >= 2) noise[workload] = StandardDeviation(pool);
  }
  return noise;
}

double ShareUpperBound(int64_t hits, int64_t n) {
  if (n <= 0 || hits >= n) return 1;
  double low = 0;
  double high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (BinomialCdf(hits, n, middle) > 0.05 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace layermark
