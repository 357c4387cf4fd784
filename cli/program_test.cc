#include "cli/program.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/options.h"
#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

struct Outcome {
  int exit = -1;
  std::string out, errors;
};

Outcome Call(std::vector<const char*> words) {
  words.insert(words.begin(), "layermark");
  Outcome outcome;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  outcome.exit = RunProgram(static_cast<int>(words.size()), words.data());
  outcome.errors = ::testing::internal::GetCapturedStderr();
  outcome.out = ::testing::internal::GetCapturedStdout();
  return outcome;
}

// Refused before anything was done: status 2, nothing on standard output, one line that says what.
void Refused(const std::vector<const char*>& words, const std::string& what) {
  const Outcome outcome = Call(words);
  std::string line;
  for (const char* word : words) line += std::string(word) + " ";
  EXPECT_EQ(outcome.exit, kExitUsage) << line;
  EXPECT_EQ(outcome.out, "") << line;
  EXPECT_TRUE(outcome.errors.starts_with("layermark: ")) << line << outcome.errors;
  EXPECT_NE(outcome.errors.find(what), std::string::npos) << line << outcome.errors;
}

// With it a value that should have been refused runs nothing.
constexpr const char* kNothing = "no_such_thing";

TEST(ProgramTest, WithoutASubcommandThatExistsItIsRefused) {
  Refused({}, "subcommand");
  Refused({"chekc"}, "chekc");
  Refused({"check", "--nosuch"}, "--nosuch");
  Refused({"cases", "--driver", "vfs"}, "--driver");  // a flag of other subcommands
}

TEST(ProgramTest, ValuesThatNoFlagTakesAreRefused) {
  Refused({"check", "--filter", kNothing, "--driver", "nosuch"}, "nosuch");
  Refused({"check", "--filter", kNothing, "--driver", "overlay2:nosuch=1"}, "nosuch");
  Refused({"check", "--filter", kNothing, "--driver"}, "--driver");
  Refused({"check", "--filter", kNothing, "--backing", "ext5"}, "ext5");
  Refused({"check", "--filter", kNothing, "--backing", "dir=/nonexistent/place"}, "/nonexistent/place");
  Refused({"check", "--filter", kNothing, "--device", "tape"}, "tape");
  Refused({"check", "--filter", kNothing, "--profile", "huge"}, "huge");
  Refused({"check", "--filter", kNothing, "--format", "yaml"}, "yaml");
  Refused({"check", "--filter", kNothing, "--shard", "3/2"}, "3/2");
  Refused({"check", "--filter", kNothing, "--seed", "-1"}, "--seed");
  Refused({"check", "--filter", kNothing, "--jobs", "1000"}, "--jobs");
  Refused({"bench", "--filter", kNothing, "--budget", "soon"}, "soon");
  Refused({"bench", "--filter", kNothing, "--budget", "inf"}, "inf");
}

TEST(ProgramTest, ASelectionOfNothingIsRefused) {
  Refused({"check", "--filter", "no_such_area.*"}, "no_such_area.*");
  Refused({"bench", "--filter", "no_such_workload"}, "no_such_workload");
  Refused({"cases", "--filter", "no_such_area.*"}, "no_such_area.*");
  Refused({"workloads", "--filter", "no_such_workload"}, "no_such_workload");
}

TEST(ProgramTest, ImagesThatCannotBeUsedAreRefused) {
  Refused({"check", "--image", "oci:/nonexistent/layout"}, "/nonexistent/layout");
  Refused({"check", "--image", "docker-archive:/nonexistent/file"}, "/nonexistent/file");
  Refused({"check", "--image", "floppy:a"}, "floppy");
  Refused({"check", "--image", "synthetic", "--image", "synthetic"}, "--image");
}

TEST(ProgramTest, ExpectedFailuresAreReadBeforeAnythingRuns) {
  Refused({"check", "--expected", "/nonexistent/file"}, "/nonexistent/file");
  Result<TempTree> tree = TempTree::Create(::testing::TempDir(), "layermark_program");
  ASSERT_TRUE(tree.ok());
  const std::string file = tree->path() + "/expected.toml";
  ASSERT_TRUE(WriteFile(file, "[[expect]]\ncase = 'a.b'\ncause = 'c'\nwehn = 'x'\n").ok());
  Refused({"check", "--expected", file.c_str()}, file + ":4: unknown key \"wehn\"");
}

TEST(ProgramTest, OnlyBenchPassesFlagsOn) {
  Refused({"check", "--benchmark_filter=x"}, "--benchmark_filter=x");
  Refused({"cases", "--benchmark_filter=x"}, "--benchmark_filter=x");
}

TEST(ProgramTest, HelpAndVersionAreNoMistakes) {
  const Outcome help = Call({"--help"});
  EXPECT_EQ(help.exit, kExitPass);
  for (const char* command :
       {"run", "check", "bench", "report", "drivers", "cases", "workloads", "image", "130"}) {
    EXPECT_NE(help.out.find(command), std::string::npos) << command;
  }
  const Outcome version = Call({"--version"});
  EXPECT_EQ(version.exit, kExitPass);
  EXPECT_TRUE(version.out.starts_with("layermark ")) << version.out;
}

TEST(ProgramTest, BisectSkipsACommitThatCannotBeTried) {
  for (const char* command : {"run", "check", "bench"}) {
    EXPECT_EQ(Call({command, "--bisect", "--filter", kNothing}).exit, kExitCannotTell) << command;
    EXPECT_EQ(Call({command, "--filter", kNothing}).exit, kExitUsage) << command;
  }
  EXPECT_EQ(Call({"check", "--bisect", "--no-such-flag"}).exit, kExitCannotTell);
  EXPECT_EQ(Call({"check", "--bisect", "--driver", "no_such_driver"}).exit, kExitCannotTell);
}

TEST(ProgramTest, CasesAsJsonHaveClaimSourcesAndNeeds) {
  const Outcome outcome = Call({"cases", "--format", "json", "--filter", "acl.*", "--filter", "whiteout.*"});
  ASSERT_EQ(outcome.exit, kExitPass);
  const auto list = nlohmann::json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(list.is_array() && list.size() > 2) << outcome.out;
  bool needs = false;
  for (const auto& c : list) {
    EXPECT_TRUE(c["case"].get<std::string>().starts_with(c["area"].get<std::string>() + ".")) << c;
    EXPECT_FALSE(c["claim"].get<std::string>().empty()) << c;
    ASSERT_FALSE(c["sources"].empty()) << c;
    for (const auto& source : c["sources"])
      EXPECT_EQ(source.get<std::string>().find(';'), std::string::npos) << c;
    needs = needs || c["needs"] == nlohmann::json::array({"acl"});
  }
  EXPECT_TRUE(needs);
  Refused({"cases", "--format", "json", "--list"}, "--list");
}

TEST(ProgramTest, ListsWhatTheFilterSelects) {
  const Outcome cases = Call({"cases", "--filter", "whiteout.*"});
  EXPECT_EQ(cases.exit, kExitPass);
  EXPECT_NE(cases.out.find("whiteout.unlink_hides_lower_file"), std::string::npos) << cases.out;
  EXPECT_EQ(cases.out.find("rename."), std::string::npos) << cases.out;
  const Outcome workloads = Call({"workloads", "--filter", "container_start"});
  EXPECT_EQ(workloads.exit, kExitPass);
  EXPECT_NE(workloads.out.find("container_start"), std::string::npos) << workloads.out;
}

}  // namespace
}  // namespace layermark
