#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/oci/image.h"
#include "core/tree/manifest.h"
#include "testing/tar_test_util.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

class DockerArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create("/tmp", "archive");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    base_ = BuildTar({TarFile("base", "b")});
    top_ = BuildTar({TarFile("top", "t")});
    config_ = R"({"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/x"],"Entrypoint":null},)"
              R"("rootfs":{"type":"layers","diff_ids":[")" +
              Sha256(base_) + R"(",")" + Sha256(top_) + R"(",")" + Sha256(base_) + R"("]}})";
    config_name_ = Sha256(config_).substr(7) + ".json";
  }
  std::string Manifest(const std::string& tags) const {
    return R"({"Config":")" + config_name_ + R"(","RepoTags":)" + tags +
           R"(,"Layers":["1/layer.tar","2/layer.tar","3/layer.tar"]})";
  }
  // As `docker save` writes them: the third layer is the first again, told by a symlink.
  std::vector<TarEntry> Members() const {
    return {TarDir("1/"),
            TarFile("1/layer.tar", base_),
            TarFile("2/layer.tar", top_),
            TarPointing('2', "3/layer.tar", "../1/layer.tar"),
            TarFile(config_name_, config_),
            TarFile("manifest.json", "[" + Manifest(R"(["web:1","web:latest"])") + "]")};
  }
  std::string Save(const std::string& bytes) {
    const std::string file = tree_.path() + "/image.tar";
    EXPECT_TRUE(WriteFile(file, bytes).ok());
    return "docker-archive:" + file;
  }

  TempTree tree_;
  std::string base_, top_, config_, config_name_;
};

TEST_F(DockerArchiveTest, LayersAreReadWhereTheyLie) {
  const auto image = Image::Open(Save(BuildTar(Members())));
  ASSERT_OK(image);
  EXPECT_EQ(image->manifest_digest(), Sha256(config_));
  EXPECT_EQ(image->config().cmd, std::vector<std::string>{"/bin/x"});
  ASSERT_EQ(image->layers().size(), 3u);
  ASSERT_OK(image->VerifyLayers());
  for (const size_t i : {0, 1, 2}) {
    const auto layer = image->OpenLayer(i);
    ASSERT_OK(layer);
    EXPECT_EQ(*ReadAll(layer->get()), i == 1 ? top_ : base_);
  }
  EXPECT_FALSE(image->OpenLayer(3).ok());
}

TEST_F(DockerArchiveTest, RefsChoose) {
  std::vector<TarEntry> members = Members();
  members.back().data = "[" + Manifest(R"(["web:1"])") + "," + Manifest(R"(["web:2"])") + "]";
  const std::string reference = Save(BuildTar(members));
  EXPECT_TRUE(Image::Open(reference + ":web:2").ok());
  EXPECT_THAT(Image::Open(reference).status().message(), HasSubstr("web:1, web:2"));
  EXPECT_EQ(Image::Open(reference + ":web:3").status().code(), Code::kNotFound);
}

TEST_F(DockerArchiveTest, DamageIsNamed) {
  const std::string whole = BuildTar(Members());
  const auto message = [&](const std::string& bytes) {
    const auto image = Image::Open(Save(bytes));
    return image.ok() ? "opened" : image.status().ToString();
  };
  EXPECT_THAT(message(whole.substr(0, 2000)), HasSubstr("DATA_LOSS"));
  EXPECT_THAT(message(whole.substr(0, 2000)), HasSubstr("truncated"));
  EXPECT_THAT(message(std::string(4096, 'x')), HasSubstr("not a tar"));
  EXPECT_THAT(message("\x1f\x8b gzip"), HasSubstr("the archive is compressed"));
  EXPECT_THAT(message(BuildTar({TarFile("a")})), HasSubstr("member manifest.json is missing"));
  EXPECT_THAT(message(BuildTar({TarFile("manifest.json", "[{]")})), HasSubstr("malformed JSON"));
  EXPECT_THAT(message(BuildTar({TarFile("../manifest.json", "[]")})), HasSubstr("escapes the root"));
  std::vector<TarEntry> members = Members();
  members[4].data[0] = '[';
  EXPECT_THAT(message(BuildTar(members)), HasSubstr("wrong digest"));
  members = Members();
  members[3].link_target = "layer.tar";
  EXPECT_THAT(message(BuildTar(members)), HasSubstr("too many links"));
  members[3].link_target = "../../../etc/passwd";
  EXPECT_THAT(message(BuildTar(members)), HasSubstr("escapes the root"));
  // Content is checked when it is read.
  members = Members();
  members[1].data[600] ^= 1;
  const auto image = Image::Open(Save(BuildTar(members)));
  ASSERT_OK(image);
  EXPECT_EQ(image->OpenLayer(0).status().code(), Code::kDataLoss);
  EXPECT_TRUE(image->OpenLayer(1).ok());
}

}  // namespace
}  // namespace layermark
