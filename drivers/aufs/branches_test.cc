// What the driver tells the kernel, against aufs(5): no kernel of a distribution has aufs any more.
#include "drivers/aufs/branches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/registry.h"

namespace layermark::aufs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(AufsBranchesTest, AWritableBranchStandsAboveReadOnlyOnes) {
  const StackSpec spec{{"/l/2", "/l/1"}, "/u", "/w", {}};
  EXPECT_THAT(*MountOptionsOf(spec), ElementsAre("br=/u=rw", "append=/l/2=ro+wh", "append=/l/1=ro+wh",
                                                 "xino=/u.xino", "dio", "dirperm1"));
}

TEST(AufsBranchesTest, WithoutAWritableBranchTheMountIsReadOnly) {
  const StackSpec spec{{"/l/2", "/l/1"}, "", "", {"udba=none"}};
  EXPECT_THAT(*MountOptionsOf(spec), ElementsAre("br=/l/2=ro+wh", "append=/l/1=ro+wh", "xino=/l/2.xino",
                                                 "dio", "dirperm1", "ro", "udba=none"));
}

TEST(AufsBranchesTest, PathsThatTheSyntaxCannotStateAreRefused) {
  for (const char* path : {"/a:b", "/a=rw", "/a,b"}) {
    const auto lower = MountOptionsOf({{path}, "/u", "", {}});
    EXPECT_EQ(lower.status().code(), Code::kInvalidArgument) << path;
    EXPECT_THAT(lower.status().ToString(), HasSubstr(path));
    EXPECT_FALSE(MountOptionsOf({{"/l"}, path, "", {}}).ok()) << path;
  }
  EXPECT_EQ(MountOptionsOf({}).status().code(), Code::kInvalidArgument);
}

TEST(AufsBranchesTest, TheBranchLimitIsAClearError) {
  StackSpec spec{std::vector<std::string>(126, "/l"), "/u", "", {}};
  EXPECT_TRUE(MountOptionsOf(spec).ok());
  spec.lowers.emplace_back("/l");
  const auto refused = MountOptionsOf(spec);
  EXPECT_EQ(refused.status().code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.status().ToString(), HasSubstr("128 branches"));
  EXPECT_THAT(refused.status().ToString(), HasSubstr("CONFIG_AUFS_BRANCH_MAX"));
  EXPECT_TRUE(MountOptionsOf(spec, 511).ok());
}

TEST(AufsBranchesTest, BaseFilesAreNoEntriesAndMarkersAre) {
  for (const char* name : {".wh..wh.aufs", ".wh..wh.plnk", ".wh..wh.orph"}) EXPECT_TRUE(IsBaseFile(name));
  for (const char* name : {".wh..wh..opq", ".wh.gone", "file"}) EXPECT_FALSE(IsBaseFile(name));
}

TEST(AufsDriverTest, WithoutAufsInTheKernelTheProbeSaysSo) {
  const Status probe = FindDriver("aufs")->Probe({}, ::testing::TempDir());
  if (probe.ok()) GTEST_SKIP() << "this kernel has aufs";
  EXPECT_EQ(probe.error_number(), ENODEV) << probe.ToString();
  EXPECT_THAT(probe.ToString(), HasSubstr("aufs"));
}

TEST(AufsDriverTest, TheBranchesOptionRaisesTheLimit) {
  const StackSpec spec{std::vector<std::string>(200, "/l"), "/u", "", {}};
  EXPECT_FALSE(FindDriver("aufs")->StackMounts({}, spec).ok());
  auto mounts = FindDriver("aufs")->StackMounts({{"branches", "511"}}, spec);
  ASSERT_TRUE(mounts.ok()) << mounts.status().ToString();
  EXPECT_EQ(mounts->front().type, "aufs");
  EXPECT_EQ(MountOptions(mounts->front(), "append").size(), 200u);
}

}  // namespace
}  // namespace layermark::aufs
