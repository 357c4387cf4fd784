// The gate on real drivers: planted faults turn it red by the counts alone; an unchanged driver does not.
#include "bench/gate/gate.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmath>
#include <functional>

#include "bench/gate/planted.h"
#include "drivers/registry.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

class SilentProgress : public Progress {
 public:
  void Begin(const std::string&, size_t) override {}
  void Step(const std::string&) override {}
  void Note(const std::string&) override {}
  void End(const std::string&) override {}
};

// Runs `body` in a world of its own and answers its text.
std::string InAWorld(const std::function<std::string()>& body) {
  std::string text;
  WorkerJob job{[&]() -> std::string {
                  if (Status s = CreateWorkspace({}, int64_t{512} << 20); !s.ok()) return s.ToString();
                  return body();
                },
                std::chrono::seconds(200)};
  const Status ran = RunWorkers({job}, 1, [&](const WorkerAnswer& answer) {
    text = answer.status.success() ? answer.text : answer.status.ToString();
    return true;
  });
  return ran.ok() ? text : ran.ToString();
}

GateSide SideOf(const Driver& driver) {
  const InstanceSpec spec{&driver, {}};
  return {Examine(spec, DefaultBacking(spec, "ram")), 0};
}

std::vector<WorkloadChoice> Choices(const std::vector<std::string>& names) {
  return GatedChoices(names);
}

GateResult Counted(const Driver& a, const Driver& b, const std::vector<std::string>& workloads) {
  GateOptions options;
  options.timing = false;
  options.bench.profile = "smoke";
  SilentProgress progress;
  return RunGate(SideOf(a), SideOf(b), Choices(workloads), options, progress);
}

// What regressed, one line each; and what else is no PASS.
std::string Red(const GateResult& result) {
  std::string text;
  for (const GateRow& row : result.rows) {
    if (row.verdict != "pass")
      text += row.verdict + " " + row.workload + " " + row.metric + ": " + row.reason + "\n";
  }
  return text;
}

class GateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  }
};

const std::vector<std::string> kFew = {"copy_up_chmod", "stack_commit", "whiteout_unlink"};

TEST_F(GateTest, CountsOfAnUnchangedDriverAgree) {
  for (const char* name : {"overlay2", "native"}) {
    const std::string text = InAWorld([&] {
      const Driver& driver = *FindDriver(name);
      const GateResult result = Counted(driver, driver, kFew);
      return Red(result) + std::string(VerdictName(result.verdict()));
    });
    EXPECT_EQ(text, "pass") << name;
  }
}

TEST_F(GateTest, EachPlantedFaultTurnsTheCountsRed) {
  const std::map<PlantedFault, std::string> shown_by = {
      {PlantedFault::kInodePerLayer, "setup.inodes"},
      {PlantedFault::kFsync, "operation.syscalls.fsync"},
      {PlantedFault::kCopyUp, "operation.inodes"},
      {PlantedFault::kMountPerLayer, "operation.mounts_left"}};
  for (const auto& [fault, metric] : shown_by) {
    const std::string text = InAWorld([&fault = fault] {
      const Driver& driver = *FindDriver("overlay2");
      return Red(Counted(driver, PlantedDriver(driver, fault), {"copy_up_append", "stack_commit"}));
    });
    EXPECT_NE(text.find("regressed"), std::string::npos) << PlantedName(fault) << ": " << text;
    if (fault == PlantedFault::kCopyUp)
      continue;  // seen by its calls: the operation would copy the same file up
    EXPECT_NE(text.find(metric), std::string::npos) << PlantedName(fault) << ": " << text;
    EXPECT_EQ(text.find("inconclusive"), std::string::npos) << PlantedName(fault) << ": " << text;
  }
}

TEST_F(GateTest, OneInodeLessIsRedToo) {
  const std::string text = InAWorld([] {
    const Driver& driver = *FindDriver("overlay2");
    return Red(Counted(PlantedDriver(driver, PlantedFault::kInodePerLayer), driver, {"copy_up_chmod"}));
  });
  EXPECT_NE(text.find("regressed copy_up_chmod setup.inodes"), std::string::npos) << text;
  EXPECT_NE(text.find("no-worse"), std::string::npos) << text;
}

TEST_F(GateTest, ABlockOfAPlantedSlowdownShowsIt) {
  // The operation's own time, once more on top: nothing that a loaded machine could hide.
  const std::string text = InAWorld([] {
    GateSide a = SideOf(*FindDriver("overlay2"));
    GateSide b = a;
    b.slowdown = 1;
    const WorkloadChoice choice = Choices({"whiteout_unlink"}).at(0);
    BenchOptions options;
    options.profile = "smoke";
    BlockPlan plan;
    plan.seconds = 0.1;
    double sum = 0;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      plan.seed = seed;
      const BlockAnswer answer = RunBlock(a, b, choice, options, plan);
      if (answer.state != BlockAnswer::State::kRight) return answer.reason;
      if (answer.pairs < plan.min_pairs) return std::string("too few pairs");
      if (answer.disturbance.canaries.size() != 2) return std::string("canaries are missing");
      sum += answer.log_ratio;
    }
    return std::string(sum / 5 > std::log(1.5) && sum / 5 < std::log(3) ? "shown" : std::to_string(sum / 5));
  });
  EXPECT_EQ(text, "shown");
}

TEST(JudgeCounts, ACountThatIsNotSteadyIsNoAlarm) {
  CountsAnswer a, b;
  a.state = b.state = BlockAnswer::State::kRight;
  a.counts = {{"setup.inodes", 10}, {"operation.mounts_left", 1}};
  b.counts = {{"setup.inodes", 11}, {"operation.mounts_left", 1}};
  CountsAnswer unsteady = a;
  unsteady.counts["setup.inodes"] = 12;
  const auto verdicts = [&](const CountsAnswer& again, CountRule rule, const CountsAnswer& first,
                            const CountsAnswer& second) {
    std::string text;
    for (const GateRow& row : JudgeCounts({}, first, second, &again, &second, rule))
      text += row.verdict + " ";
    return text;
  };
  EXPECT_EQ(verdicts(a, CountRule::kEqual, a, b), "regressed pass ");
  EXPECT_EQ(verdicts(unsteady, CountRule::kEqual, a, b), "inconclusive pass ");
  EXPECT_EQ(verdicts(a, CountRule::kShow, a, b), "pass pass ");
  EXPECT_EQ(verdicts(b, CountRule::kNoWorse, b, a), "pass pass ");
  EXPECT_EQ(verdicts(b, CountRule::kEqual, b, a), "regressed pass ");
}

TEST(JudgeCounts, AWrongAnswerOfBHasRegressedAndOneOfAIsNoGround) {
  CountsAnswer right, wrong;
  right.state = BlockAnswer::State::kRight;
  right.counts = {{"setup.inodes", 10}};
  wrong.state = BlockAnswer::State::kWrong;
  wrong.reason = "wrong answer: f is missing";
  EXPECT_EQ(JudgeCounts({}, right, wrong, nullptr, nullptr, CountRule::kEqual).at(0).verdict, "regressed");
  EXPECT_EQ(JudgeCounts({}, wrong, right, nullptr, nullptr, CountRule::kEqual).at(0).verdict, "inconclusive");
}

TEST(GatedChoices, EveryDeclaredChoiceIsOneOfTheParametersAndTwelveAreTimed) {
  size_t timed = 0;
  for (const WorkloadChoice& choice : GatedChoices({})) {
    for (const auto& [name, value] : choice.params)
      EXPECT_TRUE(choice.entry->info.params.contains(name)) << choice.entry->info.name << " " << name;
    EXPECT_EQ(choice.params.size(), choice.entry->info.params.size()) << choice.entry->info.name;
    timed += choice.entry->info.gate.timed ? 1 : 0;
  }
  EXPECT_GE(timed, 12u);
}

}  // namespace
}  // namespace layermark
