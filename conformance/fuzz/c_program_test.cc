#include "conformance/fuzz/c_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "conformance/fuzz/generator.h"
#include "conformance/fuzz/program_text.h"
#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

// Every operation of the language stands in it.
FuzzProgram Everything() {
  FuzzRandom random(3);
  FuzzProgram program;
  for (int i = 0; i < 6; ++i) program.layers.push_back(GenerateLayers(random).back());
  const OriginModel model(program.layers);
  const Coverage coverage;
  for (int i = 0; i < 600; ++i) program.steps.push_back(GenerateStep(random, model, coverage));
  for (const FuzzOpRow& row : AllFuzzOps()) {
    FuzzStep step;
    step.op = row.op;
    step.path = step.target = "p";
    step.name = "user.n";
    program.steps.push_back(step);
  }
  return program;
}

class FuzzCProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create("/tmp", "fuzz_c");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
  }
  // Compiles; answers the path of the program.
  std::string Compile(const std::string& text) {
    const std::string source = tree_.path() + "/p.c";
    const std::string program = tree_.path() + "/p";
    EXPECT_TRUE(WriteFile(source, text).ok());
    const Result<std::string> said = RunCommandOk({"cc", "-Wall", "-Werror", "-o", program, source});
    EXPECT_TRUE(said.ok()) << said.status().ToString();
    return program;
  }
  TempTree tree_;
};

TEST_F(FuzzCProgramTest, EveryOperationCompiles) {
  for (const UnionMount::Kind kind : {UnionMount::Kind::kOverlay, UnionMount::Kind::kFuseOverlay,
                                      UnionMount::Kind::kBranches, UnionMount::Kind::kNone}) {
    Compile(ToC(Everything(), {kind, "a-union", {"dev", "x=y"}}, "a comment with */ in it"));
  }
}

TEST_F(FuzzCProgramTest, PrintsWhatDiffersAndNothingElse) {
  const auto program = [](const std::string& steps) {
    const auto parsed = ParseFuzzProgram(
        "layermark-fuzz 1\nlayer\n  dir path=\"d\" mode=0755\n  file path=\"d/f\" data=\"x\" "
        "mode=0644\nsteps\n" +
        steps);
    EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
    return *parsed;
  };
  const UnionMount overlay{UnionMount::Kind::kOverlay, "", {"redirect_dir=off"}};
  // A directory of a lower layer is not renamed without redirect_dir.
  const std::string differs =
      Compile(ToC(program("  rename path=\"d\" target=\"e\" flags=0\n  check\n"), overlay, "EXDEV"));
  auto run = RunCommand({differs});
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  if (run->status.code == 2)
    GTEST_SKIP() << "overlay cannot be mounted here: " << run->standard_output << run->standard_error;
  EXPECT_EQ(run->status.code, 1) << run->standard_output << run->standard_error;
  EXPECT_NE(run->standard_output.find("EXDEV"), std::string::npos)
      << run->standard_output << run->standard_error;
  const std::string same =
      Compile(ToC(program("  append path=\"d/f\" data=\"y\"\n  chmod path=\"d/f\" mode=0600\n  remount\n  "
                          "commit\n  unlink path=\"d/f\"\n  check\n"),
                  overlay, "nothing"));
  run = RunCommand({same});
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->status.code, 0) << run->standard_output << run->standard_error;
}

TEST(FuzzUnionMount, IsReadOutOfTheMounts) {
  UnionMount mount =
      UnionMountOf({{"overlay", "overlay", "", {"lowerdir=/b:/a", "upperdir=/u", "workdir=/w", "xino=on"}}});
  EXPECT_EQ(mount.kind, UnionMount::Kind::kOverlay);
  EXPECT_EQ(mount.options, std::vector<std::string>{"xino=on"});
  mount =
      UnionMountOf({{"fuse3.fuse-overlayfs", "/opt/it#overlay", "", {"lowerdir=/a", "upperdir=/u", "dev"}}});
  EXPECT_EQ(mount.kind, UnionMount::Kind::kFuseOverlay);
  EXPECT_EQ(mount.program, "/opt/it");
  mount = UnionMountOf({{"fuse.unionfs", "/u=RW:/a=RO", "", {"cow"}}});
  EXPECT_EQ(mount.kind, UnionMount::Kind::kBranches);
  EXPECT_EQ(mount.program, "unionfs");
  mount = UnionMountOf({{"fuse.unionfs", "none", "", {"cow", "dirs=/u=RW:/a=RO"}}});
  EXPECT_EQ(mount.kind, UnionMount::Kind::kBranches);
  EXPECT_EQ(mount.options, std::vector<std::string>{"cow"});
  EXPECT_TRUE(mount.branches_as_option);
  EXPECT_EQ(UnionMountOf({{"bind", "/a", "", {"rbind"}}}).kind, UnionMount::Kind::kNone);
}

}  // namespace
}  // namespace layermark
