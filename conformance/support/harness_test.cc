#include "conformance/support/harness.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <stdexcept>

#include "core/sys/temp_tree.h"
#include "drivers/registry.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

// Runs `body` where it may mount and set signal handlers, and answers its text.
std::string InWorker(const std::function<std::string()>& body) {
  std::string text;
  const Status status = RunWorkers({{body}}, 1, [&](const WorkerAnswer& answer) {
    text = answer.status.success() ? answer.text : answer.status.ToString();
    return true;
  });
  return status.ok() ? text : status.ToString();
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

Case Made(const std::string& name, void (*body)(CaseContext&)) {
  Case made;
  made.info.area = "made";
  made.info.name = name;
  made.body = body;
  return made;
}

ExaminedInstance Here(const std::string& driver, const std::string& directory) {
  ExaminedInstance instance;
  instance.instance = {FindDriver(driver), {}};
  instance.backing.kind = "dir";
  instance.backing.device = "disk";
  instance.backing.directory = directory;
  instance.available = true;
  return instance;
}

// "INSTANCE CASE VERDICT: first line of the reason".
std::string Text(const std::vector<ConformanceRow>& rows) {
  std::string text;
  for (const ConformanceRow& row : rows) {
    // The log of the kernel is the whole machine's: what others provoke in it is not looked at here.
    if (row.case_name == "harness.kernel_log") continue;
    text += row.place.instance + " " + row.case_name + " " + std::string(VerdictName(row.verdict)) + ": " +
            row.reason.substr(0, row.reason.find('\n')) + "\n";
  }
  return text;
}

class HarnessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "workers that mount need root";
    Result<TempTree> tree = TempTree::Create(::testing::TempDir(), "layermark_harness");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_.emplace(std::move(tree).value());
  }
  std::optional<TempTree> tree_;
};

TEST_F(HarnessTest, EachOutcomeOfACaseIsItsVerdict) {
  std::vector<Case> cases = {
      Made("a_pass", [](CaseContext& t) { t.Check(true, "no"); }),
      Made("b_fail",
           [](CaseContext& t) {
             t.Check(false, "first");
             t.Fail("second");
           }),
      Made("c_skip", [](CaseContext& t) { t.Skip("not_applicable", "not here"); }),
      Made("d_error", [](CaseContext& t) { t.Error("no set-up"); }),
      Made("e_throw", [](CaseContext&) { throw std::runtime_error("thrown"); }),
      Made("f_die", [](CaseContext&) { std::abort(); }),
      Made("g_hang",
           [](CaseContext&) {
             for (;;) pause();
           }),
      Made("h_known", [](CaseContext& t) { t.Fail("known"); }),
      Made("i_mended", [](CaseContext&) {}),
      Made("j_needs", [](CaseContext& t) { t.Fail("was run"); }),
  };
  cases[6].info.deadline_seconds = 1;
  cases[9].info.needs = {Capability::reflink};
  CheckOptions options;
  for (const char* known : {"made.h_*", "made.i_*"}) {
    ExpectedFailure entry;
    entry.case_glob = known;
    entry.cause = "the cause";
    options.expected.push_back(entry);
  }
  std::vector<const Case*> selected;
  for (const Case& c : cases) selected.push_back(&c);
  QuietProgress progress;
  std::vector<ConformanceRow> rows;
  const Status ran = RunCases(Here("plain", tree_->path()), selected, options, progress, rows);
  ASSERT_TRUE(ran.ok()) << ran.ToString();
  const std::string text = Text(rows);
  for (const char* line :
       {"plain made.a_pass pass: \n", "plain made.b_fail fail: first\n", "plain made.c_skip skip: not here\n",
        "plain made.d_error error: no set-up\n", "plain made.e_throw error: thrown\n",
        "plain made.f_die error: the worker ended without an answer",
        "plain made.g_hang timeout: no answer after", "plain made.h_known xfail: the cause\n",
        "plain made.i_mended xpass: expected to fail and passes: the cause\n",
        "plain made.j_needs skip: missing capability reflink"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nis not in\n" << text;
  }
  EXPECT_EQ(rows[1].reason, "first\nsecond");
  EXPECT_EQ(rows[2].skip_code, "not_applicable");
  EXPECT_EQ(rows[9].skip_code, "capability_missing");
  for (const ConformanceRow& row : rows) EXPECT_EQ(row.skip_code.empty(), row.verdict != Verdict::kSkip);
}

TEST(Reproduce, EachWordOfTheCommandIsQuotedForAShell) {
  const Case one = Made("one", [](CaseContext&) {});
  ExaminedInstance instance = Here("exec", "/a dir/it's");
  instance.instance.options = {{"command", "python3 '/a b/d.py' --x=1,2"}};
  instance.available = false;
  CheckOptions options;
  options.seed = 7;
  options.reproduce_more = {"--image", "oci:/an image:v1"};
  std::vector<ConformanceRow> rows;
  SkipCases(instance, {&one}, options, rows);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(
      rows[0].reproduce,
      "./layermark check --driver 'exec:command=python3 '\\''/a b/d.py'\\'' --x=1\\,2' "
      "--backing 'dir=/a dir/it'\\''s' --device disk --seed 7 --image 'oci:/an image:v1' --filter made.one");
  EXPECT_EQ(rows[0].skip_code, "driver_unavailable");
}

TEST_F(HarnessTest, WhatAnInterruptCameBeforeHasARowOnEveryInstance) {
  const std::string text = InWorker([&] {
    InstallInterruptHandler();
    std::vector<Case> cases = {Made("one", [](CaseContext&) {}), Made("two", [](CaseContext&) {}),
                               Made("wants", [](CaseContext&) {})};
    cases[2].info.needs = {Capability::reflink};
    ExaminedInstance without = Here("native", tree_->path());
    without.available = false;
    without.reason = "no such thing";
    const ExaminedInstance here = Here("plain", tree_->path());
    const std::vector<ExaminedInstance> instances = {
        here, without, Here("vfs", tree_->path()),
        Unreached({FindDriver("exec"), {{"command", "x"}}}, here.backing)};
    CheckOptions options;
    options.parallel = 1;
    QuietProgress progress([] { raise(SIGINT); });  // as soon as the first case is done
    std::vector<ConformanceRow> rows;
    const auto ended = CheckInstances(instances, {&cases[0], &cases[1], &cases[2]}, options, progress, rows);
    std::string all = Text(rows);
    for (const InstanceStatus& e : ended) {
      all += e.instance->instance.name() + " " + std::string(CodeName(e.status.code())) + "\n";
    }
    return all;
  });
  const std::string missing = "skip: missing capability reflink: the driver does not offer it\n";
  EXPECT_EQ(text,
            "plain made.one pass: \n"
            "plain made.two error: interrupted before it ran\n"
            "plain made.wants " +
                missing +
                "native made.one skip: driver cannot run here: no such thing\n"
                "native made.two skip: driver cannot run here: no such thing\n"
                "native made.wants skip: driver cannot run here: no such thing\n"
                "vfs made.one error: interrupted before it ran\n"
                "vfs made.two error: interrupted before it ran\n"
                "vfs made.wants " +
                missing +
                "exec:command=x made.one error: interrupted before it ran\n"
                "exec:command=x made.two error: interrupted before it ran\n"
                "exec:command=x made.wants error: interrupted before it ran\n"
                "plain CANCELLED\n");
}

TEST_F(HarnessTest, WithoutABackingStoreEachRowSaysSoAndTheOthersGoOn) {
  std::vector<Case> cases = {Made("one", [](CaseContext&) {}), Made("wants", [](CaseContext&) {})};
  cases[1].info.needs = {Capability::reflink};
  const std::vector<ExaminedInstance> instances = {Here("plain", tree_->path() + "/nowhere"),
                                                   Here("vfs", tree_->path())};
  QuietProgress progress;
  std::vector<ConformanceRow> rows;
  const auto ended = CheckInstances(instances, {&cases[0], &cases[1]}, {}, progress, rows);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].instance, &instances[0]);
  ASSERT_GE(rows.size(), 4u);
  EXPECT_EQ(rows[0].verdict, Verdict::kError);
  EXPECT_TRUE(rows[0].reason.starts_with("not run: ")) << rows[0].reason;
  EXPECT_NE(rows[0].reason.find("no dir backing"), std::string::npos) << rows[0].reason;
  EXPECT_NE(rows[0].reason.find(tree_->path() + "/nowhere"), std::string::npos) << rows[0].reason;
  EXPECT_EQ(rows[0].reason.find("interrupted"), std::string::npos) << rows[0].reason;
  EXPECT_EQ(rows[1].verdict, Verdict::kSkip);
  EXPECT_EQ(rows[2].verdict, Verdict::kPass) << rows[2].reason;
}

TEST(SelectCasesTest, GlobsMatchNameAreaAndEachSource) {
  ASSERT_FALSE(AllCases().empty());
  EXPECT_EQ(SelectCases({}).size(), AllCases().size());
  EXPECT_TRUE(SelectCases({"no_such_area.*"}).empty());
  for (const Case* c : SelectCases({"whiteout.*"})) EXPECT_EQ(c->info.area, "whiteout");
  EXPECT_EQ(SelectCases({"whiteout"}).size(), SelectCases({"whiteout.*"}).size());
  const Case& first = AllCases().front();
  ASSERT_EQ(SelectCases({first.info.full_name()}).size(), 1u);
  EXPECT_EQ(SelectCases({first.info.full_name()}).front(), &first);
  const std::vector<const Case*> by_source = SelectCases({"ovl/003"});
  ASSERT_FALSE(by_source.empty());
  for (const Case* c : by_source) EXPECT_NE(c->info.source.find("ovl/003"), std::string::npos);
}

TEST(SelectCasesTest, ShardsShareTheCasesOut) {
  std::multiset<const Case*> seen;
  for (int i = 0; i < 3; ++i) {
    const std::vector<const Case*> part = SelectCases({"whiteout.*"}, i, 3);
    EXPECT_FALSE(part.empty());
    seen.insert(part.begin(), part.end());
  }
  const std::vector<const Case*> all = SelectCases({"whiteout.*"});
  EXPECT_EQ(seen, std::multiset<const Case*>(all.begin(), all.end()));
}

}  // namespace
}  // namespace layermark
