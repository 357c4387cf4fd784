// What is fuse_overlayfs's own: which program it runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/process.h"
#include "drivers/registry.h"
#include "testing/driver_world.h"

namespace layermark {
namespace {

using layermark::testing::DriverWorld;
using ::testing::HasSubstr;

const Driver& Subject() {
  return *FindDriver("fuse_overlayfs");
}

TEST(FuseOverlayfsTest, AMissingProgramIsNotFoundByName) {
  const DriverOptions options = {{"program", "/no/such/program"}};
  EXPECT_EQ(Subject().Version(options).status().code(), Code::kNotFound);
  const Status probe = Subject().Probe(options, ::testing::TempDir());
  EXPECT_EQ(probe.code(), Code::kNotFound);
  EXPECT_THAT(probe.ToString(), HasSubstr("/no/such/program"));
}

TEST(FuseOverlayfsTest, AProgramThatIsSomethingElseIsRefused) {
  EXPECT_EQ(Subject().Version({{"program", "true"}}).status().code(), Code::kDataLoss);
}

TEST(FuseOverlayfsTest, TheProgramOfTheOptionIsTheOneThatRuns) {
  const auto found = FindProgram("fuse-overlayfs");
  if (!found) GTEST_SKIP() << "fuse-overlayfs is not installed";
  auto tree = TempTree::Create(::testing::TempDir(), "program");
  ASSERT_TRUE(tree.ok());
  const std::string program = tree->path() + "/a program";
  ASSERT_EQ(symlink(found->c_str(), program.c_str()), 0);
  const DriverOptions options = {{"program", program}};
  auto world = DriverWorld::Create(Subject(), options, ::testing::TempDir());
  ASSERT_TRUE(world.ok()) << world.status().ToString();
  const Status probe = world->Probe();
  ASSERT_TRUE(probe.ok()) << probe.ToString();
  ASSERT_TRUE(world->Open().ok());
  ASSERT_TRUE(world->AddLayer("one", "", Layer().File("f", "1")).ok());
  auto mounts = world->store().Prepare("a", "one");
  ASSERT_TRUE(mounts.ok());
  EXPECT_EQ((*mounts)[0].source, program + "#overlay");
  auto mounted = MountAll(*mounts, world->Path("target"));
  ASSERT_TRUE(mounted.ok()) << mounted.status().ToString();
  ASSERT_EQ(mounted->daemon_pids().size(), 1u);
  auto command = ReadFile("/proc/" + std::to_string(mounted->daemon_pids()[0]) + "/cmdline");
  ASSERT_TRUE(command.ok());
  EXPECT_THAT(*command, HasSubstr(program));
  EXPECT_TRUE(mounted->Unmount().ok());
}

}  // namespace
}  // namespace layermark
