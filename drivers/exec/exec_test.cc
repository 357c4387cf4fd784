// The driver exec against small shell programs: what they are asked, and what becomes of each way to
// misbehave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "drivers/breach.h"
#include "drivers/registry.h"

namespace layermark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ExecTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create(::testing::TempDir(), "exec-test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_.emplace(std::move(*tree));
    ASSERT_TRUE(MakeDirs(Path("root")).ok());
    (void)TakeBreach();
  }
  void TearDown() override { (void)TakeBreach(); }

  std::string Path(const std::string& name) const { return tree_->path() + "/" + name; }
  const Driver& driver() const { return *FindDriver("exec"); }
  // A program that answers "capabilities" with `words` and does `body` for every other verb ($1).
  DriverOptions Program(const std::string& body, const std::string& words = "") {
    const std::string text =
        "#!/bin/sh\nif [ \"$1\" = capabilities ]; then\n  echo '{\"protocol\":1,\"name\":\"t\","
        "\"version\":\"1\",\"capabilities\":[" +
        words + "]}'\n  exit 0\nfi\n" + body + "\n";
    EXPECT_TRUE(WriteFile(Path("program"), text).ok());
    EXPECT_EQ(chmod(Path("program").c_str(), 0755), 0);
    return {{"command", "'" + Path("program") + "'"}};
  }
  std::unique_ptr<Snapshotter> Open(const DriverOptions& options) {
    auto opened = driver().Open(options, Path("root"));
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  // What a Stat of a program with this body is noted as.
  Status BreachOf(const std::string& body) {
    auto store = Open(Program(body));
    const Status answer = store->Stat("a").status();
    const Status breach = TakeBreach();
    EXPECT_EQ(answer.ToString(), breach.ToString());
    EXPECT_TRUE(TakeBreach().ok());
    return breach;
  }
  std::string Text(const std::string& name) const {
    auto text = ReadFile(Path(name));
    return text.ok() ? *text : text.status().ToString();
  }

  std::optional<TempTree> tree_;
};

TEST_F(ExecTest, AsksInTheWordsOfTheProtocol) {
  ASSERT_EQ(setenv("LAYERMARK_EXEC_TEST", "passed on", 1), 0);
  auto store =
      Open(Program("cat >>asked; echo \" $# $1 $PWD $LAYERMARK_EXEC_TEST\" >>asked\n"
                   "echo '{\"info\":{\"name\":\"n\"}}'"));
  // Answers and gives back the request, after checking how the program was run.
  const auto asked = [&](const std::string& verb) {
    const std::string text = Text("root/asked");
    EXPECT_EQ(unlink(Path("root/asked").c_str()), 0);
    const size_t end = text.rfind('}') + 1;
    EXPECT_EQ(text.substr(end), " 1 " + verb + " " + Path("root") + " passed on\n");
    json request = json::parse(text.substr(0, end), nullptr, false);
    EXPECT_EQ(request["root"], Path("root"));
    request.erase("root");
    return request;
  };
  EXPECT_EQ(store->Stat("a \"'\n,")->name, "n");
  EXPECT_EQ(asked("stat"), (json{{"key", "a \"'\n,"}}));
  EXPECT_TRUE(store->GetUsage("a").ok());
  EXPECT_EQ(asked("usage"), (json{{"key", "a"}}));
  EXPECT_TRUE(store->Mounts("a").ok());
  EXPECT_EQ(asked("mounts"), (json{{"key", "a"}}));
  EXPECT_TRUE(store->Prepare("a", "p", {{"k", "v"}}).ok());
  EXPECT_EQ(asked("prepare"), (json{{"key", "a"}, {"parent", "p"}, {"labels", {{"k", "v"}}}}));
  EXPECT_TRUE(store->View("a", "").ok());
  EXPECT_EQ(asked("view"), (json{{"key", "a"}, {"parent", ""}, {"labels", json::object()}}));
  EXPECT_TRUE(store->Commit("n", "a", {{"k", "v"}}).ok());
  EXPECT_EQ(asked("commit"), (json{{"name", "n"}, {"key", "a"}, {"labels", {{"k", "v"}}}}));
  EXPECT_TRUE(store->Commit("n", "a", {}, "p").ok());
  EXPECT_EQ(asked("commit"),
            (json{{"name", "n"}, {"key", "a"}, {"labels", json::object()}, {"parent", "p"}}));
  EXPECT_TRUE(store->Remove("a").ok());
  EXPECT_EQ(asked("remove"), (json{{"key", "a"}}));
  EXPECT_TRUE(store->Cleanup().ok());
  EXPECT_EQ(asked("cleanup"), json::object());
  Info info{Kind::kActive, "a", "p", {{"x", "1"}}, 0, 1};
  EXPECT_TRUE(store->Update(info, {"labels.x", "labels.y,z"}).ok());
  const json update = asked("update");
  EXPECT_EQ(update["updatePaths"], (json{"labels.x", "labels.y,z"}));
  EXPECT_EQ(update["updateMask"], "labels.x,labels.y,z");
  EXPECT_EQ(update["info"], (json{{"name", "a"},
                                  {"parent", "p"},
                                  {"kind", "ACTIVE"},
                                  {"labels", {{"x", "1"}}},
                                  {"createdAt", "1970-01-01T00:00:00Z"},
                                  {"updatedAt", "1970-01-01T00:00:00.000000001Z"}}));
  EXPECT_TRUE(store->Close().ok());
  EXPECT_TRUE(store->Close().ok());
  EXPECT_TRUE(TakeBreach().ok());
}

TEST_F(ExecTest, WalkHandsOutEachAndStopsAtAnError) {
  auto store =
      Open(Program("cat >asked; echo '{\"info\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}'"));
  std::vector<std::string> seen;
  const Status status = store->Walk(
      [&](const Info& info) {
        seen.push_back(info.name);
        return info.name == "b" ? Status(Code::kAborted, "enough") : Status::Ok();
      },
      {"name==a", "kind"});
  EXPECT_EQ(status.code(), Code::kAborted);
  EXPECT_THAT(seen, ElementsAre("a", "b"));
  EXPECT_EQ(json::parse(Text("root/asked"))["filters"], (json{"name==a", "kind"}));
}

TEST_F(ExecTest, AnErrorOfTheProgramIsItsAnswer) {
  auto store =
      Open(Program("echo looked everywhere >&2\necho '{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no "
                   "a\"}}'\nexit 1"));
  const Status status = store->Remove("a");
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("remove: no a"), HasSubstr("looked everywhere")));
  EXPECT_TRUE(TakeBreach().ok());
}

TEST_F(ExecTest, EveryBreachIsNotedWithWhatWasSeen) {
  EXPECT_THAT(BreachOf("echo {}; echo because >&2; exit 3").message(),
              AllOf(HasSubstr("stat: exit status 3"), HasSubstr("because")));
  EXPECT_THAT(BreachOf("echo starting; echo '{\"info\":{}}'").message(),
              AllOf(HasSubstr("not one JSON object"), HasSubstr("starting")));
  EXPECT_THAT(BreachOf("true").message(), HasSubstr("nothing on standard output"));
  EXPECT_THAT(BreachOf("echo dying >&2; kill -SEGV $$").message(),
              AllOf(HasSubstr("SIGSEGV"), HasSubstr("dying")));
  EXPECT_THAT(BreachOf("echo '{\"error\":{\"code\":\"ENOENT\"}}'; exit 1").message(), HasSubstr("ENOENT"));
  EXPECT_THAT(BreachOf("echo '{\"info\":{\"kind\":\"Active\"}}'").message(), HasSubstr("\"Active\""));
  EXPECT_EQ(BreachOf("exec yes").code(), Code::kOutOfRange);
  EXPECT_EQ(BreachOf("exec yes >&2").code(), Code::kOutOfRange);
  // The end of a long trace is what counts.
  EXPECT_THAT(BreachOf("seq 100000 >&2; echo the cause >&2; exit 2").message(), HasSubstr("the cause"));
}

TEST_F(ExecTest, AProgramThatIsGoneIsNoMissingSnapshot) {
  auto store = Open(Program("true"));
  ASSERT_EQ(unlink(Path("program").c_str()), 0);
  const Status status = store->Stat("a").status();
  EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
  EXPECT_FALSE(TakeBreach().ok());
}

TEST_F(ExecTest, AHangIsKilledWithItsGroupAndNotAskedAgain) {
  DriverOptions options = Program("sleep 1000 & echo $! >child; echo waiting >&2; touch asked.$$; wait");
  options["deadline"] = "1";
  auto store = Open(options);
  const Status status = store->Stat("a").status();
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("no end after 1 s, killed"), HasSubstr("waiting")));
  EXPECT_EQ(TakeBreach().code(), Code::kDeadlineExceeded);
  const pid_t child = static_cast<pid_t>(std::stol(Text("root/child")));
  // Killed; as a zombie it may wait a moment for init.
  std::string state;
  for (int i = 0; i < 1000 && kill(child, 0) == 0; ++i) {
    state = *ReadFile("/proc/" + std::to_string(child) + "/stat");
    if (state.find(") Z ") != std::string::npos) break;
    usleep(10000);
  }
  EXPECT_TRUE(kill(child, 0) != 0 || state.find(") Z ") != std::string::npos) << state;

  EXPECT_THAT(store->Remove("a").message(), HasSubstr("not called"));
  EXPECT_EQ(TakeBreach().code(), Code::kDeadlineExceeded);
  auto names = ListDir(AT_FDCWD, Path("root"));
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(
      std::count_if(names->begin(), names->end(), [](const auto& n) { return n.starts_with("asked."); }), 1);
}

TEST_F(ExecTest, SerialProgramsAreAskedOneAtATime) {
  auto store = Open(Program("mkdir busy || exit 9; sleep 0.05; rmdir busy; echo {}", "\"serial\""));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { EXPECT_TRUE(store->Remove("a").ok()); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(TakeBreach().ok());
}

TEST_F(ExecTest, OthersAreAskedInParallel) {
  // Each waits for the other: one at a time would never end.
  DriverOptions options =
      Program("touch here.$$; while [ $(ls | grep -c ^here) -lt 2 ]; do sleep 0.01; done; echo {}");
  options["deadline"] = "30";
  auto store = Open(options);
  std::thread other([&] { EXPECT_TRUE(store->Remove("a").ok()); });
  EXPECT_TRUE(store->Remove("b").ok());
  other.join();
}

TEST_F(ExecTest, WhatIsNotUtf8CannotBeAsked) {
  auto store = Open(Program("echo '{\"info\":{}}'"));
  EXPECT_EQ(store->Stat("\xff").status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(TakeBreach().ok());
}

TEST_F(ExecTest, TheDeclarationIsTheProgramsAndAFloor) {
  const DriverOptions options = Program("exit 9", "\"cleanup\",\"acl\"");
  auto declared = driver().Declare(options, "ext4", Path("root"));
  ASSERT_TRUE(declared.ok()) << declared.status().ToString();
  EXPECT_EQ(declared->capabilities, (CapabilitySet{Capability::cleanup, Capability::acl}));
  EXPECT_FALSE(declared->complete);
  EXPECT_EQ(declared->version, "t 1");
  EXPECT_TRUE(declared->inode_formula.explanation.empty());

  ASSERT_TRUE(WriteFile(Path("program"), "#!/bin/sh\nexit 4\n").ok());
  EXPECT_THAT(driver().Declare(options, "ext4", Path("root")).status().message(), HasSubstr("exit status 4"));
  EXPECT_FALSE(TakeBreach().ok());
  EXPECT_FALSE(driver().Open(options, Path("root")).ok());
}

TEST_F(ExecTest, OptionsAreCheckedBeforeAnythingRuns) {
  EXPECT_THAT(driver().Probe({}, Path("root")).message(), HasSubstr("needs the option command=PROG"));
  EXPECT_THAT(ParseInstance("exec").status().message(), HasSubstr("needs the option command=...:"));
  EXPECT_THAT(ParseInstance("exec:deadline=5").status().message(), HasSubstr("command"));
  EXPECT_EQ(driver().Probe({{"command", "/no/such/program x"}}, Path("root")).code(), Code::kNotFound);
  for (const char* deadline : {"0", "-1", "1s", "", "3601"}) {
    EXPECT_EQ(driver().Probe({{"command", "sh"}, {"deadline", deadline}}, Path("root")).code(),
              Code::kInvalidArgument);
  }
  EXPECT_TRUE(driver().Probe({{"command", "sh -c 'exit 9'"}}, Path("root")).ok());
  EXPECT_EQ(driver().call_deadline({{"command", "sh"}}), std::chrono::seconds(60));
  EXPECT_EQ(driver().call_deadline({{"deadline", "5"}}), std::chrono::seconds(5));
  EXPECT_THAT(driver().NeededPaths({{"command", "python3 '/srv/my driver.py' --data=/media/d"}}),
              AllOf(Contains("/srv/my driver.py"), Contains("/media/d")));
}

}  // namespace
}  // namespace layermark
