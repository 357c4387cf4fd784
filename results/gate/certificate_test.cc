#include "results/gate/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace layermark {
namespace {

using ::testing::HasSubstr;

CertificateSuite Suite(const std::string& kind, double percent, double sigma, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(std::log1p(percent / 100), sigma);
  CertificateSuite suite;
  suite.host_class = "here";
  suite.kind = kind;
  suite.percent = percent;
  suite.seconds = 100;
  suite.started = "2025-01-01T00:00:00Z";
  suite.tool_version = "0.1.0";
  for (const char* workload : {"one", "two size=64KiB"}) {
    suite.verdicts[workload] = percent >= 5 ? "regressed" : "pass";
    for (int i = 0; i < 16; ++i) suite.blocks[workload].push_back(noise(random));
  }
  return suite;
}

TEST(Certificate, ALineReadsBackAndWhatIsNoneIsRefused) {
  const CertificateSuite suite = Suite("slow", 5, 0.01, 1);
  const Result<CertificateSuite> back = SuiteFromLine(ToLine(suite));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(ToLine(*back), ToLine(suite));
  for (const char* line : {"", "{}", "[1]", "{\"kind\":3}"}) EXPECT_FALSE(SuiteFromLine(line).ok()) << line;
}

TEST(Certificate, TheBootstrapFindsWhatIsPlantedAndNothingElse) {
  std::vector<CertificateSuite> suites;
  for (uint64_t i = 0; i < 5; ++i) {
    suites.push_back(Suite("aa", 0, 0.01, i));
    suites.push_back(Suite("slow", 5, 0.01, 100 + i));
  }
  const CertificateTally unchanged = Bootstrap(suites, "aa", 0, 100, {}, 1);
  EXPECT_EQ(unchanged.suites, 100);
  EXPECT_EQ(unchanged.with_alarm, 0);
  const CertificateTally slowed = Bootstrap(suites, "slow", 5, 100, {}, 1);
  EXPECT_GE(slowed.by_workload.at("one").at("regressed"), 95);
  EXPECT_EQ(Bootstrap(suites, "slow", 3, 100, {}, 1).suites, 0);  // none recorded
}

TEST(Certificate, LiveAndBootstrappedAreCountedApart) {
  const std::vector<CertificateSuite> suites = {Suite("aa", 0, 0.01, 1), Suite("slow", 5, 0.01, 2)};
  CertificateSuite fault;
  fault.kind = "fault";
  fault.name = "fsync";
  fault.verdicts = {{"one operation.syscalls.fsync", "regressed"}};
  std::vector<CertificateSuite> all = suites;
  all.push_back(fault);
  const std::string page = CertificateMarkdown({"here", "command", "0.1.0", "2025-01-01"}, all, {});
  EXPECT_THAT(page, HasSubstr("- live: 0 of 1 suites raised an alarm"));
  EXPECT_THAT(page, HasSubstr("- bootstrapped from the blocks of these: 0 of 300"));
  EXPECT_THAT(page, HasSubstr("| two size=64KiB |"));
  EXPECT_THAT(page, HasSubstr("| fsync | yes | 1 |"));
  EXPECT_THAT(page, HasSubstr("beside"));
  EXPECT_THAT(CertificateSentence({"here", "", "", ""}, all, {}),
              HasSubstr("0 alarms in 1 live and 0 in 300"));
}

TEST(Certificate, TheBoundOfAShareIsTheBinomialOne) {
  EXPECT_NEAR(ShareUpperBound(0, 299), 0.01, 1e-4);  // 1 - .05^(1/299)
  EXPECT_NEAR(ShareUpperBound(0, 20), 1 - std::pow(0.05, 1.0 / 20), 1e-9);
  EXPECT_NEAR(ShareUpperBound(1, 473), 0.01, 1e-4);
  EXPECT_EQ(ShareUpperBound(3, 3), 1);
  EXPECT_EQ(ShareUpperBound(0, 0), 1);
}

}  // namespace
}  // namespace layermark
