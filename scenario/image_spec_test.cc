#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "scenario/launcher.h"

namespace layermark {
namespace {

class SpecFromImageTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create("/tmp", "image_spec_test");
    ASSERT_TRUE(tree.ok());
    tree_ = std::move(*tree);
    ASSERT_TRUE(MakeDirs(tree_.path() + "/etc").ok());
    ASSERT_TRUE(WriteFile(tree_.path() + "/etc/passwd",
                          "root:x:0:0:root:/root:/bin/sh\n"
                          "broken line\n"
                          "web:x:33:44:web:/var/www:/bin/sh\n")
                    .ok());
    ASSERT_TRUE(WriteFile(tree_.path() + "/etc/group",
                          "root:x:0:\nwww:x:44:\nlogs:x:55:other,web\nextra:x:66:web\nnone:x:77:webmaster\n")
                    .ok());
    config_.cmd = {"httpd", "-X"};
  }

  Result<ContainerSpec> Spec() { return SpecFromImage(config_, tree_.path()); }
  // "uid:gid:groups" or the failure.
  std::string Ids(const std::string& user) {
    config_.user = user;
    Result<ContainerSpec> spec = Spec();
    if (!spec.ok()) return spec.status().ToString();
    std::string text = std::to_string(spec->uid) + ":" + std::to_string(spec->gid) + ":";
    for (uint32_t group : spec->groups) text += std::to_string(group) + ",";
    return text;
  }

  TempTree tree_;
  ImageConfig config_;
};

TEST_F(SpecFromImageTest, JoinsEntrypointAndCmd) {
  config_.entrypoint = {"/docker-entrypoint", "--"};
  Result<ContainerSpec> spec = Spec();
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->argv, (std::vector<std::string>{"/docker-entrypoint", "--", "httpd", "-X"}));
  EXPECT_EQ(spec->root, tree_.path());
  EXPECT_TRUE(spec->mount_proc && spec->new_network && spec->loopback);
  EXPECT_FALSE(spec->read_only_root);
}

TEST_F(SpecFromImageTest, AddsWhatIsMissingAndKeepsWhatIsGiven) {
  Result<ContainerSpec> bare = Spec();
  ASSERT_TRUE(bare.ok());
  EXPECT_EQ(bare->working_dir, "/");
  EXPECT_EQ(bare->env,
            (std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "HOME=/root"}));
  config_.env = {"HOME=/h", "PATHS=x", "PATH=/only"};
  config_.working_dir = "/usr/local/apache2";
  Result<ContainerSpec> full = Spec();
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->working_dir, "/usr/local/apache2");
  EXPECT_EQ(full->env, config_.env);
}

TEST_F(SpecFromImageTest, ResolvesEveryFormOfUser) {
  EXPECT_EQ(Ids(""), "0:0:");
  EXPECT_EQ(Ids("web"), "33:44:55,66,");
  EXPECT_EQ(Ids("33"), "33:44:55,66,");
  EXPECT_EQ(Ids("web:logs"), "33:55:");
  EXPECT_EQ(Ids("web:7"), "33:7:");
  EXPECT_EQ(Ids("4711"), "4711:0:");
  EXPECT_EQ(Ids("4711:4712"), "4711:4712:");
}

TEST_F(SpecFromImageTest, NamesWhatTheRootLacks) {
  EXPECT_EQ(Ids("ghost"), "FAILED_PRECONDITION: the image's User names ghost, which its /etc/passwd lacks");
  EXPECT_EQ(Ids("web:ghosts"),
            "FAILED_PRECONDITION: the image's User names group ghosts, which its /etc/group lacks");
  EXPECT_EQ(Ids("-1").substr(0, 19), "FAILED_PRECONDITION");
  config_.user = "";
  config_.cmd = {};
  EXPECT_EQ(Spec().status().code(), Code::kFailedPrecondition);
}

TEST_F(SpecFromImageTest, ReadsTablesInsideTheRootOnly) {
  // A link to the host's own file: "/etc/passwd" of the root is what it leads to from within.
  ASSERT_TRUE(RemoveTree(tree_.path() + "/etc/passwd").ok());
  ASSERT_EQ(symlink("/../../../../../../etc/host-passwd", (tree_.path() + "/etc/passwd").c_str()), 0);
  ASSERT_TRUE(WriteFile(tree_.path() + "/etc/host-passwd", "inner:x:9:9::/:\n").ok());
  EXPECT_EQ(Ids("inner"), "9:9:");
}

TEST_F(SpecFromImageTest, ARootWithoutTablesTakesNumbers) {
  ASSERT_TRUE(RemoveTree(tree_.path() + "/etc").ok());
  EXPECT_EQ(Ids(""), "0:0:");
  EXPECT_EQ(Ids("5:6"), "5:6:");
  EXPECT_EQ(Ids("web").substr(0, 19), "FAILED_PRECONDITION");
}

}  // namespace
}  // namespace layermark
