#include "core/oci/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "core/oci/layer_tar.h"
#include "core/sys/temp_tree.h"
#include "core/tree/manifest.h"

namespace layermark {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

#define ASSERT_OK(expr)                              \
  do {                                               \
    const auto status_ = internal::ToStatus((expr)); \
    ASSERT_TRUE(status_.ok()) << status_.ToString(); \
  } while (false)

std::string LayerBytes(const std::string& name) {
  TarEntry entry;
  entry.path = name;
  entry.data = std::string(5000, 'q') + name;
  return BuildTar({entry});
}

class ImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create("/tmp", "image");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    layout_ = tree_.path() + "/layout";
    config_.entrypoint = {"/bin/httpd"};
    config_.cmd = {"-D", "FOREGROUND"};
    config_.env = {"PATH=/bin"};
    config_.working_dir = "/srv";
    config_.user = "33:33";
    config_.exposed_ports = {"8080/tcp"};
    config_.labels = {{"k", "v"}};
  }
  Result<std::string> WriteTo(const std::string& dir, const std::string& ref, bool gzip) {
    std::vector<Fd> fds;
    std::vector<int> raw;
    for (const char* name : {"one", "two"}) {
      fds.emplace_back(memfd_create("layer", MFD_CLOEXEC));
      EXPECT_TRUE(PWriteAll(fds.back().get(), LayerBytes(name), 0).ok());
      raw.push_back(fds.back().get());
    }
    return WriteImageLayout(dir, ref, config_, raw, gzip);
  }
  Status OpenError(const std::string& reference) {
    const auto image = Image::Open(reference);
    EXPECT_FALSE(image.ok());
    const Status status = image.status();
    EXPECT_THAT(status.message(), AllOf(HasSubstr(reference), Not(HasSubstr("\n"))));
    return status;
  }
  std::string BlobFile(const std::string& digest) { return layout_ + "/blobs/sha256/" + digest.substr(7); }

  TempTree tree_;
  std::string layout_;
  ImageConfig config_;
};

TEST_F(ImageTest, ReadsBackWhatItWrites) {
  for (const bool gzip : {false, true}) {
    layout_ = tree_.path() + (gzip ? "/gz" : "/plain");
    const auto digest = WriteTo(layout_, "v1", gzip);
    ASSERT_OK(digest);
    const auto image = Image::Open("oci:" + layout_ + ":v1");
    ASSERT_OK(image);
    EXPECT_EQ(image->manifest_digest(), *digest);
    EXPECT_EQ(image->config().entrypoint, config_.entrypoint);
    EXPECT_EQ(image->config().cmd, config_.cmd);
    EXPECT_EQ(image->config().env, config_.env);
    EXPECT_EQ(image->config().working_dir, "/srv");
    EXPECT_EQ(image->config().user, "33:33");
    EXPECT_EQ(image->config().exposed_ports, config_.exposed_ports);
    EXPECT_EQ(image->config().labels, config_.labels);
    ASSERT_EQ(image->layers().size(), 2u);
    const std::string one = Sha256(LayerBytes("one")), two = Sha256(LayerBytes("two"));
    EXPECT_EQ(image->layers()[0].diff_id, one);
    EXPECT_EQ(image->ChainId(0), one);
    EXPECT_EQ(image->ChainId(1), Sha256(one + " " + two));
    ASSERT_OK(image->VerifyLayers());
    const auto layer = image->OpenLayer(1);
    ASSERT_OK(layer);
    EXPECT_EQ(*ReadAll(layer->get()), LayerBytes("two"));
    EXPECT_EQ(gzip, image->layers()[1].size_bytes < 1000);
  }
}

}  // namespace
}  // namespace layermark
