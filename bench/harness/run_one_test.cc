#include "bench/harness/run_one.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <stdexcept>

#include "bench/harness/fixture.h"
#include "core/skip_code.h"
#include "core/sys/temp_tree.h"
#include "drivers/registry.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

// Does what the parameter "act" says at the step that it names.
class FakeWorkload : public Workload {
 public:
  explicit FakeWorkload(const WorkloadContext& context) : act_(context.Text("act")) {}
  Status SetUp() override {
    if (act_ == "die") std::abort();
    if (act_ == "throw") throw std::runtime_error("thrown");
    return At("set_up");
  }
  Status Verify() override { return act_ == "wrong" ? WrongAnswer("f is missing") : At("verify"); }
  Side* driver() override { return act_ == "count_only" ? nullptr : &driver_; }
  Side* raw() override { return &raw_; }
  Result<Figures> Account() override {
    if (Status s = At("account"); !s.ok()) return s;
    return Figures{{Metric::inodes, 42}};
  }
  std::map<Metric, std::string> Missing() override {
    return {{Metric::ratio_to_raw, "there is no clock"}, {Metric::inodes, "measured after all"}};
  }
  Status TearDown() override { return At("tear_down"); }

 private:
  Status At(const std::string& step) const {
    if (act_ == step) return FailedPrecondition("broken");
    if (act_ == "unsupported_" + step) return Unimplemented("no such call");
    if (act_ == "wrong_" + step) return WrongAnswer("late");
    return Status::Ok();
  }

  std::string act_;
  FunctionSide driver_{[this](Stopwatch& watch) {
    watch.Add(Metric::phase_mount, 7);
    return At("run");
  }};
  FunctionSide raw_{[](Stopwatch&) { return Status::Ok(); }};
};

WorkloadEntry Entry() {
  WorkloadEntry entry;
  entry.info.name = "made";
  entry.info.family = "made_up";
  entry.make = &MakeWorkload<FakeWorkload>;
  return entry;
}

class QuietProgress : public Progress {
 public:
  explicit QuietProgress(std::function<void()> at_step = {}) : at_step_(std::move(at_step)) {}
  void Begin(const std::string&, size_t) override {}
  void Step(const std::string&) override {
    if (at_step_) at_step_();
  }
  void Note(const std::string&) override {}
  void End(const std::string&) override {}

 private:
  std::function<void()> at_step_;
};

class RunOneTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(::testing::TempDir(), "layermark_run_one");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(tree).value();
    plan_.min_pairs = plan_.max_pairs = 3;
  }
  ExaminedInstance Here(const std::string& driver = "plain") const {
    ExaminedInstance instance;
    instance.instance = {FindDriver(driver), {}};
    instance.backing.kind = "dir";
    instance.backing.device = "disk";
    instance.backing.directory = tree_.path();
    instance.available = true;
    return instance;
  }
  WorkloadChoice Choice(const std::string& act) const { return {&entry_, {{"act", act}}}; }
  OneAnswer Run(const std::string& act) const {
    return ParseAnswer(RunOne(Here(), Choice(act), options_, plan_));
  }

  TempTree tree_;
  WorkloadEntry entry_ = Entry();
  BenchOptions options_;
  PairPlan plan_;
};

TEST_F(RunOneTest, ARightAnswerBringsSamplesAndFigures) {
  const OneAnswer answer = Run("nothing");
  EXPECT_EQ(answer.verdict, WorkloadVerdict::kRight);
  EXPECT_EQ(answer.reason, "");
  EXPECT_FALSE(answer.failed);
  EXPECT_EQ(answer.samples.at({"driver", Metric::latency}).size(), 3u);
  EXPECT_EQ(answer.samples.at({"raw", Metric::latency}).size(), 3u);
  EXPECT_EQ(answer.samples.at({"driver", Metric::phase_mount}), (std::vector<double>{7, 7, 7}));
  EXPECT_EQ(answer.figures, (Figures{{Metric::inodes, 42}}));
  std::set<std::pair<std::string, Metric>> counted;
  for (const OperationCount& count : answer.counts) {
    EXPECT_TRUE(counted.insert({count.side, count.metric}).second) << "each figure once";
    if (count.metric == Metric::syscalls) {
      EXPECT_EQ(count.value, 0) << count.reason;
    }
    if (count.metric == Metric::ratio_to_raw) {
      EXPECT_EQ(count.reason, "there is no clock");
    }
  }
  EXPECT_TRUE(counted.contains({"driver", Metric::syscalls}));
  EXPECT_TRUE(counted.contains({"raw", Metric::syscalls}));
  EXPECT_TRUE(counted.contains({"driver", Metric::ratio_to_raw})) << "Missing() is in the answer";
  EXPECT_FALSE(counted.contains({"driver", Metric::inodes})) << "what was measured is not missing";
}

TEST_F(RunOneTest, AWorkloadThatOnlyCountsHasNoSamples) {
  const OneAnswer answer = Run("count_only");
  EXPECT_EQ(answer.verdict, WorkloadVerdict::kRight);
  EXPECT_TRUE(answer.samples.empty());
  EXPECT_EQ(answer.figures, (Figures{{Metric::inodes, 42}}));
}

TEST_F(RunOneTest, AWrongAnswerHasNoNumbers) {
  for (const char* act :
       {"wrong", "verify", "unsupported_verify", "wrong_run", "wrong_account", "wrong_tear_down"}) {
    const OneAnswer answer = Run(act);
    EXPECT_EQ(answer.verdict, WorkloadVerdict::kWrong) << act;
    EXPECT_FALSE(answer.failed) << act;
    EXPECT_NE(answer.reason.find("wrong answer: "), std::string::npos) << answer.reason;
    EXPECT_TRUE(answer.samples.empty()) << act;
    EXPECT_TRUE(answer.figures.empty()) << act;
    EXPECT_TRUE(answer.counts.empty()) << act;
  }
}

TEST_F(RunOneTest, WhatBreaksIsNoVerdictAndAFindingThatNamesTheStep) {
  const std::map<std::string, std::string> steps = {{"set_up", "set-up"},
                                                    {"run", "counting"},
                                                    {"account", "accounting"},
                                                    {"tear_down", "tear-down"},
                                                    {"throw", "thrown"}};
  for (const auto& [act, word] : steps) {
    const OneAnswer answer = Run(act);
    EXPECT_EQ(answer.verdict, WorkloadVerdict::kNotRun) << act;
    EXPECT_TRUE(answer.failed) << act;
    EXPECT_NE(answer.reason.find(word), std::string::npos) << answer.reason;
    EXPECT_TRUE(answer.samples.empty()) << act;
    EXPECT_TRUE(answer.figures.empty()) << act;
  }
}

TEST_F(RunOneTest, ACallThatTheDriverRefusesIsAFinding) {
  const OneAnswer answer = Run("unsupported_set_up");
  EXPECT_EQ(answer.verdict, WorkloadVerdict::kNotRun);
  EXPECT_TRUE(answer.failed);
  EXPECT_NE(answer.reason.find("no such call"), std::string::npos) << answer.reason;
}

TEST_F(RunOneTest, WhatCannotBeDoneHereIsNoFinding) {
  ExaminedInstance homeless = Here();
  homeless.backing.directory += "/nowhere";
  const OneAnswer answer = ParseAnswer(RunOne(homeless, Choice("nothing"), options_, plan_));
  EXPECT_EQ(answer.verdict, WorkloadVerdict::kNotRun);
  EXPECT_FALSE(answer.failed);
  EXPECT_NE(answer.reason.find("/nowhere"), std::string::npos) << answer.reason;
}

TEST_F(RunOneTest, WhatItsProbeMissesIsNoFindingAndHasTheProbesCode) {
  entry_.info.probe = [](const WorkloadContext& context) -> std::optional<Lack> {
    if (context.Text("act") == "nothing") return std::nullopt;
    return Lack{SkipCodeName(SkipCode::tool_missing), "program crun is not on PATH"};
  };
  EXPECT_EQ(Run("nothing").verdict, WorkloadVerdict::kRight);
  const OneAnswer answer = Run("die");  // SetUp, which would end the process, is not reached
  EXPECT_EQ(answer.verdict, WorkloadVerdict::kNotRun);
  EXPECT_FALSE(answer.failed);
  EXPECT_EQ(answer.skip_code, "tool_missing");
  EXPECT_EQ(answer.reason, "program crun is not on PATH");
}

TEST_F(RunOneTest, LeavesNothingOnTheBacking) {
  for (const char* act : {"nothing", "wrong", "set_up"}) {
    (void)Run(act);
    Result<std::vector<std::string>> left = ListDir(AT_FDCWD, tree_.path());
    ASSERT_TRUE(left.ok());
    EXPECT_TRUE(left->empty()) << act << " left " << left->front();
  }
}

TEST(ParseAnswerTest, WhatIsNoAnswerIsAFinding) {
  for (const char* text :
       {"", "[]", "right", "{\"verdict\":", R"({"verdict":1})", R"({"verdict":"right","reason":[]})",
        R"({"verdict":"right","failed":"no"})", R"({"verdict":"right","samples":{}})",
        R"({"verdict":"right","samples":[1]})", R"({"verdict":"right","samples":[{"side":1}]})",
        R"({"verdict":"right","samples":[{"metric":"latency","values":["x"]}]})",
        R"({"verdict":"right","samples":[{"metric":"latency","values":null}]})",
        R"({"verdict":"right","figures":[1]})", R"({"verdict":"right","counts":{}})",
        R"({"verdict":"right","counts":[1]})", R"({"verdict":"right","counts":[{"metric":"beauty"}]})",
        R"({"verdict":"right","counts":[{"metric":"syscalls","breakdown":[]}]})",
        R"({"verdict":"right","counts":[{"metric":"syscalls","breakdown":{"openat":"1"}}]})"}) {
    const OneAnswer answer = ParseAnswer(text);
    EXPECT_EQ(answer.verdict, WorkloadVerdict::kNotRun) << text;
    EXPECT_TRUE(answer.failed) << text;
    EXPECT_FALSE(answer.reason.empty()) << text;
    EXPECT_EQ(answer.skip_code, "not_begun") << text;
    EXPECT_TRUE(answer.samples.empty()) << text;
  }
}

TEST(ParseAnswerTest, UnknownMetricsAndVerdictsAreNotTaken) {
  const OneAnswer answer =
      ParseAnswer(R"({"verdict":"splendid","figures":{"inodes":3,"beauty":5,"whiteouts":"x"},)"
                  R"("samples":[{"side":"driver","metric":"beauty","values":[1]}]})");
  EXPECT_EQ(answer.verdict, WorkloadVerdict::kNotRun);
  EXPECT_EQ(answer.figures, (Figures{{Metric::inodes, 3}}));
  EXPECT_TRUE(answer.samples.empty());
}

TEST_F(RunOneTest, TheProfileScalesTheShareAndTheDeadlineBoundsIt) {
  entry_.info.min_pairs = 10;
  entry_.info.max_pairs = 400;
  entry_.info.seconds_quick = 0.4;
  entry_.info.deadline_seconds = 120;
  options_.seed = 5;
  const auto plan = [&](const std::string& profile, double scale) {
    options_.profile = profile;
    options_.time_scale = scale;
    return PlanFor(Choice("nothing"), options_);
  };
  EXPECT_EQ(plan("quick", 1).seed, 5u);
  EXPECT_EQ(plan("smoke", 1).min_pairs, 3);
  EXPECT_EQ(plan("quick", 1).min_pairs, 10);
  EXPECT_EQ(plan("full", 1).min_pairs, 10);
  EXPECT_EQ(plan("quick", 1).max_pairs, 400);
  EXPECT_EQ(plan("full", 1).max_pairs, 3200);
  EXPECT_DOUBLE_EQ(plan("smoke", 1).seconds, 0.1);
  EXPECT_DOUBLE_EQ(plan("quick", 1).seconds, 0.4);
  EXPECT_DOUBLE_EQ(plan("full", 1).seconds, 3.2);
  EXPECT_DOUBLE_EQ(plan("quick", 10).seconds, 4);
  EXPECT_DOUBLE_EQ(plan("quick", 10).hard_seconds, 20);
  EXPECT_DOUBLE_EQ(plan("quick", 1000).hard_seconds, 60);  // half the deadline
  EXPECT_DOUBLE_EQ(plan("smoke", 1).hard_seconds, 1);
  entry_.info.hard_seconds = 30;
  EXPECT_DOUBLE_EQ(plan("smoke", 1).hard_seconds, 30);
}

class RunWorkloadsTest : public RunOneTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "workers that mount need root";
    RunOneTest::SetUp();
    options_.profile = "smoke";
  }
};

TEST_F(RunWorkloadsTest, OnlyARightWorkloadHasMeasurements) {
  ExaminedInstance without = Here("native");
  without.available = false;
  without.reason = "no such thing";
  QuietProgress progress;
  BenchResult result;
  ASSERT_TRUE(RunWorkloads({Here(), without}, {Choice("nothing"), Choice("wrong"), Choice("die")}, options_,
                           progress, result)
                  .ok());
  ASSERT_EQ(result.workloads.size(), 6u);
  EXPECT_EQ(result.workloads[0].verdict, WorkloadVerdict::kRight);
  EXPECT_EQ(result.workloads[2].verdict, WorkloadVerdict::kWrong);
  EXPECT_EQ(result.workloads[4].verdict, WorkloadVerdict::kNotRun);
  EXPECT_NE(result.workloads[4].reason.find("without an answer"), std::string::npos)
      << result.workloads[4].reason;
  for (size_t i : {1u, 3u, 5u}) {
    EXPECT_EQ(result.workloads[i].verdict, WorkloadVerdict::kNotRun);
    EXPECT_EQ(result.workloads[i].reason, "driver cannot run here: no such thing");
    EXPECT_EQ(result.workloads[i].skip_code, "driver_unavailable");
  }
  EXPECT_EQ(result.failed, 1);  // the one that died
  EXPECT_FALSE(result.measurements.empty());
  for (const Measurement& m : result.measurements) EXPECT_EQ(m.params.at("act"), "nothing");
  EXPECT_FALSE(result.samples.empty());
  for (const SampleSeries& s : result.samples) EXPECT_EQ(s.params.at("act"), "nothing");
}

TEST_F(RunWorkloadsTest, WhatFindsNoTimeLeftHasARowAndIsNoFinding) {
  QuietProgress progress;
  BenchResult result;
  options_.until = std::chrono::steady_clock::now();
  ASSERT_TRUE(RunWorkloads({Here()}, {Choice("nothing"), Choice("wrong")}, options_, progress, result).ok());
  ASSERT_EQ(result.workloads.size(), 2u);
  for (const WorkloadRow& row : result.workloads) {
    EXPECT_EQ(row.verdict, WorkloadVerdict::kNotRun);
    EXPECT_EQ(row.skip_code, "budget");
    EXPECT_NE(row.reason.find("--budget"), std::string::npos) << row.reason;
  }
  EXPECT_EQ(result.failed, 0);
}

TEST_F(RunWorkloadsTest, AMissingCapabilityIsTheReasonAndNoFinding) {
  entry_.info.param_needs = {{{"act", "nothing"}, Capability::reflink}};
  const OneAnswer needs = RunInWorker(Here(), Choice("nothing"), options_, plan_);
  EXPECT_EQ(needs.verdict, WorkloadVerdict::kNotRun);
  EXPECT_FALSE(needs.failed);
  EXPECT_TRUE(needs.reason.starts_with("missing capability reflink")) << needs.reason;
  EXPECT_EQ(needs.skip_code, "capability_missing");
  EXPECT_EQ(RunInWorker(Here(), Choice("count_only"), options_, plan_).verdict, WorkloadVerdict::kRight);
}

TEST_F(RunWorkloadsTest, WhatAnInterruptCameBeforeHasARow) {
  std::string text;
  const Status ran =
      RunWorkers({{[&] {
                   InstallInterruptHandler();
                   ExaminedInstance without = Here("native");
                   without.available = false;
                   without.reason = "no such thing";
                   QuietProgress progress([] { raise(SIGINT); });  // as soon as the first is done
                   BenchResult result;
                   (void)RunWorkloads(
                       {Here(), Here("vfs"), without, Unreached({FindDriver("exec"), {}}, Here().backing)},
                       {Choice("nothing"), Choice("count_only")}, options_, progress, result);
                   std::string all;
                   for (const WorkloadRow& row : result.workloads) {
                     all += row.place.instance + " " + row.params.at("act") + " " +
                            std::string(VerdictName(row.verdict)) + ": " + row.reason + "\n";
                   }
                   return all + std::to_string(result.failed) + " failed";
                 }}},
                 1, [&](const WorkerAnswer& answer) {
                   text = answer.status.success() ? answer.text : answer.status.ToString();
                   return true;
                 });
  ASSERT_TRUE(ran.ok()) << ran.ToString();
  EXPECT_EQ(text,
            "plain nothing right: \n"
            "vfs nothing not_run: interrupted before it ran\n"
            "native nothing not_run: driver cannot run here: no such thing\n"
            "exec nothing not_run: interrupted before it ran\n"
            "plain count_only not_run: interrupted before it ran\n"
            "vfs count_only not_run: interrupted before it ran\n"
            "native count_only not_run: driver cannot run here: no such thing\n"
            "exec count_only not_run: interrupted before it ran\n"
            "0 failed");
}

}  // namespace
}  // namespace layermark
