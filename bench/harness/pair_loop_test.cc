#include "bench/harness/pair_loop.h"

#include <gtest/gtest.h>
#include <time.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace layermark {
namespace {

const std::pair<std::string, Metric> kDriver = {"driver", Metric::latency};
const std::pair<std::string, Metric> kRaw = {"raw", Metric::latency};

int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Until the clock has moved on, so that no duration is nothing.
int64_t Later(int64_t than) {
  int64_t now = Now();
  while (now <= than) now = Now();
  return now;
}

// Writes down what is called, with `letter` for Run; `run` is the operation.
class FakeSide : public Side {
 public:
  FakeSide(char letter, std::string& log, std::function<Status(Stopwatch&)> run = {})
      : letter_(letter), log_(log), run_(std::move(run)) {}
  Status Before() override {
    log_ += '(';
    return before_;
  }
  Status Run(Stopwatch& watch) override {
    log_ += letter_;
    (void)Later(Now());
    return run_ ? run_(watch) : Status::Ok();
  }
  Status After() override {
    log_ += ')';
    return after_;
  }
  Status before_, after_;

 private:
  char letter_;
  std::string& log_;
  std::function<Status(Stopwatch&)> run_;
};

PairPlan Pairs(int count, uint64_t seed = 1) {
  PairPlan plan;
  plan.min_pairs = plan.max_pairs = count;
  plan.seed = seed;
  return plan;
}

// The order of all pairs, the warm-up's first: "dr" or "rd" each.
std::string Order(int pairs, uint64_t seed) {
  std::string log;
  FakeSide driver('d', log);
  FakeSide raw('r', log);
  const Result<Samples> samples = RunPairs(driver, &raw, Pairs(pairs, seed));
  EXPECT_TRUE(samples.ok());
  std::string order;
  for (char c : log) {
    if (c != '(' && c != ')') order += c;
  }
  return order;
}

TEST(PairLoopTest, EachPairHasBothSidesAndACoinSaysWhichComesFirst) {
  const std::string order = Order(63, 1);
  ASSERT_EQ(order.size(), 128u);  // with the warm-up
  int raw_first = 0;
  for (size_t i = 0; i < order.size(); i += 2) {
    EXPECT_NE(order[i], order[i + 1]) << "pair " << i / 2;
    raw_first += order[i] == 'r' ? 1 : 0;
  }
  EXPECT_GT(raw_first, 0);
  EXPECT_LT(raw_first, 64);
}

TEST(PairLoopTest, TheSeedIsTheCoin) {
  EXPECT_EQ(Order(63, 7), Order(63, 7));
  EXPECT_NE(Order(63, 7), Order(63, 8));
}

TEST(PairLoopTest, TheWarmUpPairIsRunAndNotKept) {
  std::string log;
  int calls = 0;
  FakeSide driver('d', log, [&](Stopwatch& watch) {
    watch.Add(Metric::phase_mount, ++calls);
    return Status::Ok();
  });
  FakeSide raw('r', log);
  const Result<Samples> samples = RunPairs(driver, &raw, Pairs(3));
  ASSERT_TRUE(samples.ok());
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(samples->at(kDriver).size(), 3u);
  EXPECT_EQ(samples->at(kRaw).size(), 3u);
  // The first call's duration is not among them, and the others are in the order taken.
  EXPECT_EQ(samples->at({"driver", Metric::phase_mount}), (std::vector<double>{2, 3, 4}));
  EXPECT_FALSE(samples->contains({"raw", Metric::phase_mount}));
}

TEST(PairLoopTest, WithoutARawTwinTheDriverRunsAlone) {
  std::string log;
  FakeSide driver('d', log);
  const Result<Samples> samples = RunPairs(driver, nullptr, Pairs(2));
  ASSERT_TRUE(samples.ok());
  EXPECT_EQ(log, "(d)(d)(d)");
  EXPECT_FALSE(samples->contains(kRaw));
}

TEST(PairLoopTest, EndsAtTheMostPairsHoweverMuchTimeIsLeft) {
  std::string log;
  FakeSide driver('d', log);
  PairPlan plan;
  plan.min_pairs = 1;
  plan.max_pairs = 5;
  plan.seconds = plan.hard_seconds = 1e6;
  const Result<Samples> samples = RunPairs(driver, nullptr, plan);
  ASSERT_TRUE(samples.ok());
  EXPECT_EQ(samples->at(kDriver).size(), 5u);
}

TEST(PairLoopTest, WithoutTimeTheFewestPairsAreDone) {
  std::string log;
  FakeSide driver('d', log);
  PairPlan plan;
  plan.min_pairs = 4;
  plan.max_pairs = 50;
  plan.seconds = 0;
  plan.hard_seconds = 1e6;
  const Result<Samples> samples = RunPairs(driver, nullptr, plan);
  ASSERT_TRUE(samples.ok());
  EXPECT_EQ(samples->at(kDriver).size(), 4u);
}

TEST(PairLoopTest, TheHardLimitEndsItBelowTheFewestPairsAndLeavesASample) {
  std::string log;
  FakeSide driver('d', log);
  PairPlan plan;
  plan.min_pairs = 10;
  plan.max_pairs = 50;
  plan.seconds = plan.hard_seconds = 0;
  const Result<Samples> samples = RunPairs(driver, nullptr, plan);
  ASSERT_TRUE(samples.ok());
  EXPECT_EQ(samples->at(kDriver).size(), 1u);
}

// Stamps of its own around what the engine has to tell apart.
TEST(PairLoopTest, StopDividesLatencyFromTeardown) {
  struct Stamps {
    int64_t run = 0, before_stop = 0, after_stop = 0, end = 0;
  };
  std::vector<Stamps> stamps;
  std::string log;
  FakeSide driver('d', log, [&](Stopwatch& watch) {
    Stamps s;
    s.run = Now();
    s.before_stop = Later(s.run);
    watch.Stop();
    s.after_stop = Later(Now());
    s.end = Later(s.after_stop);
    stamps.push_back(s);
    return Status::Ok();
  });
  const int64_t began = Now();
  const Result<Samples> samples = RunPairs(driver, nullptr, Pairs(3));
  const int64_t ended = Now();
  ASSERT_TRUE(samples.ok());
  const std::vector<double>& latency = samples->at(kDriver);
  const std::vector<double>& teardown = samples->at({"driver", Metric::teardown});
  ASSERT_EQ(stamps.size(), 4u);
  ASSERT_EQ(latency.size(), 3u);
  ASSERT_EQ(teardown.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const Stamps& s = stamps[i + 1];
    EXPECT_GE(latency[i], static_cast<double>(s.before_stop - s.run));
    EXPECT_LE(latency[i], static_cast<double>(s.after_stop - stamps[i].end));
    EXPECT_GE(teardown[i], static_cast<double>(s.end - s.after_stop));
    const int64_t next = i == 2 ? ended : stamps[i + 2].run;
    EXPECT_LE(teardown[i], static_cast<double>(next - s.before_stop));
  }
  EXPECT_LT(began, ended);
}

TEST(PairLoopTest, WithoutStopThereIsNoTeardown) {
  std::string log;
  FakeSide driver('d', log);
  const Result<Samples> samples = RunPairs(driver, nullptr, Pairs(2));
  ASSERT_TRUE(samples.ok());
  EXPECT_EQ(samples->size(), 1u);
}

TEST(PairLoopTest, PhasesFollowEachOtherAndSkippedTimeIsInNone) {
  int64_t skipped = 0;
  std::string log;
  FakeSide driver('d', log, [&](Stopwatch& watch) {
    (void)Later(Now());
    watch.Phase(Metric::phase_prepare);
    const int64_t from = Now();
    skipped = Later(from) - from;
    watch.Skip();
    (void)Later(Now());
    watch.Phase(Metric::phase_mount);
    return Status::Ok();
  });
  const Result<Samples> samples = RunPairs(driver, nullptr, Pairs(1));
  ASSERT_TRUE(samples.ok());
  const double prepare = samples->at({"driver", Metric::phase_prepare}).at(0);
  const double mount = samples->at({"driver", Metric::phase_mount}).at(0);
  EXPECT_GT(prepare, 0);
  EXPECT_GT(mount, 0);
  EXPECT_LE(prepare + mount + static_cast<double>(skipped), samples->at(kDriver).at(0));
}

TEST(PairLoopTest, MorePhasesThanThereIsRoomForAreLeftOut) {
  std::string log;
  FakeSide driver('d', log, [&](Stopwatch& watch) {
    for (int i = 0; i < 100; ++i) watch.Add(Metric::phase_exec, i);
    return Status::Ok();
  });
  const Result<Samples> samples = RunPairs(driver, nullptr, Pairs(1));
  ASSERT_TRUE(samples.ok());
  const std::vector<double>& kept = samples->at({"driver", Metric::phase_exec});
  ASSERT_LT(kept.size(), 100u);
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i], static_cast<double>(i));
}

TEST(PairLoopTest, AnErrorOfAnyStepEndsItAndIsTheAnswer) {
  struct Row {
    const char* step;
    const char* log;
  };
  for (const Row& row : {Row{"before", "("}, Row{"run", "(d"}, Row{"after", "(d)"}}) {
    const Status broken = NotFound(row.step);
    const std::string step = row.step;
    std::string log;
    FakeSide driver('d', log, [&](Stopwatch&) { return step == "run" ? broken : Status::Ok(); });
    if (step == "before") driver.before_ = broken;
    if (step == "after") driver.after_ = broken;
    const Result<Samples> samples = RunPairs(driver, nullptr, Pairs(5));
    ASSERT_FALSE(samples.ok()) << step;
    EXPECT_EQ(samples.status().code(), Code::kNotFound);
    EXPECT_EQ(samples.status().message(), step);
    EXPECT_EQ(log, row.log);
  }
}

TEST(PairLoopTest, AnErrorOfTheRawTwinEndsItToo) {
  std::string log;
  FakeSide driver('d', log);
  FakeSide raw('r', log, [](Stopwatch&) { return NotFound("raw"); });
  const Result<Samples> samples = RunPairs(driver, &raw, Pairs(5));
  ASSERT_FALSE(samples.ok());
  EXPECT_EQ(samples.status().message(), "raw");
  EXPECT_TRUE(log == "(r" || log == "(d)(r") << log;
}

}  // namespace
}  // namespace layermark
