#include "core/oci/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "core/oci/layer_tar.h"
#include "core/sys/temp_tree.h"
#include "core/tree/manifest.h"
#include "testing/tar_test_util.h"

namespace layermark {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

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
  // An untouched layout with one image, ref v1.
  void Fresh() {
    ASSERT_OK(RemoveTree(layout_));
    const auto digest = WriteTo(layout_, "v1", false);
    ASSERT_OK(digest);
    manifest_ = *digest;
    index_ = *ReadFile(layout_ + "/index.json");
  }
  // Replaces `from` in the text of a file of the layout.
  void Edit(const std::string& name, const std::string& from, const std::string& to) {
    std::string text = *ReadFile(layout_ + "/" + name);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << text;
    ASSERT_OK(WriteFile(layout_ + "/" + name, text.replace(at, from.size(), to)));
  }

  TempTree tree_;
  std::string layout_;
  ImageConfig config_;
  std::string manifest_, index_;
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

TEST_F(ImageTest, WritingIsDeterministicAndNeedsAnEmptyDirectory) {
  for (const bool gzip : {false, true}) {
    const auto a = WriteTo(tree_.path() + (gzip ? "/a1" : "/a0"), "v1", gzip);
    const auto b = WriteTo(tree_.path() + (gzip ? "/b1" : "/b0"), "v1", gzip);
    ASSERT_OK(a);
    ASSERT_OK(b);
    EXPECT_EQ(*a, *b);
  }
  EXPECT_EQ(WriteTo(tree_.path() + "/a0", "v1", false).status().code(), Code::kFailedPrecondition);
}

TEST_F(ImageTest, ReferencesThatLeadNowhere) {
  EXPECT_EQ(Image::Open("docker.io/httpd").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(OpenError("oci:/no/such/dir:v1").code(), Code::kNotFound);
  EXPECT_EQ(OpenError("oci:").code(), Code::kInvalidArgument);
  EXPECT_EQ(OpenError("oci:" + tree_.path()).code(), Code::kNotFound);  // no layout
  Fresh();
  const Status status = OpenError("oci:" + layout_ + ":v2");
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("no image with ref v2: it has v1"));
}

TEST_F(ImageTest, RefsAndPlatformsChoose) {
  Fresh();
  const std::string one = index_.substr(index_.find("[") + 1, index_.rfind("]") - index_.find("[") - 1);
  std::string two = one;
  two.replace(two.find("v1"), 2, "v2");
  ASSERT_OK(WriteFile(layout_ + "/index.json", "{\"manifests\":[" + one + "," + two + "]}"));
  EXPECT_TRUE(Image::Open("oci:" + layout_ + ":v2").ok());
  const Status status = OpenError("oci:" + layout_);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("holds 2 images"), HasSubstr("v1, v2")));
  // A nested index of two platforms.
  std::string arm = one;
  arm.replace(arm.find("amd64"), 5, "arm64");
  const std::string nested = "{\"manifests\":[" + arm + "," + one + "]}";
  ASSERT_OK(WriteFile(BlobFile(Sha256(nested)), nested));
  ASSERT_OK(WriteFile(layout_ + "/index.json", "{\"manifests\":[{\"digest\":\"" + Sha256(nested) +
                                                   "\",\"size\":" + std::to_string(nested.size()) + "}]}"));
  const auto image = Image::Open("oci:" + layout_);
  ASSERT_OK(image);
  EXPECT_EQ(image->manifest_digest(), manifest_);
}

TEST_F(ImageTest, DamageIsNamed) {
  struct Damage {
    const char* what;
    std::function<void()> make;
    Code code;
    std::string named;
  };
  Fresh();
  const auto intact = Image::Open("oci:" + layout_);
  ASSERT_OK(intact);
  const std::string layer = intact->layers()[0].digest;
  const std::string manifest_name = "blobs/sha256/" + manifest_.substr(7),
                    layer_name = "blobs/sha256/" + layer.substr(7);
  const std::vector<Damage> damages = {
      {"no index", [&] { unlink((layout_ + "/index.json").c_str()); }, Code::kNotFound, "index.json"},
      {"no JSON", [&] { Edit("index.json", "{", "{{"); }, Code::kInvalidArgument,
       "index.json: malformed JSON"},
      {"wrong types", [&] { Edit("index.json", "[{", "[7,{"); }, Code::kInvalidArgument, "index.json"},
      {"traversal", [&] { Edit("index.json", manifest_, "sha256:../../../etc/passwd"); },
       Code::kInvalidArgument, "is not a sha256 digest"},
      {"no manifest", [&] { unlink(BlobFile(manifest_).c_str()); }, Code::kNotFound, manifest_ + ": missing"},
      {"other manifest", [&] { Edit(manifest_name, "\"schemaVersion\":2", "\"schemaVersion\":3"); },
       Code::kDataLoss, "wrong digest"},
      {"short manifest", [&] { ASSERT_EQ(truncate(BlobFile(manifest_).c_str(), 100), 0); }, Code::kDataLoss,
       "truncated: 100 bytes"},
      {"no layer", [&] { unlink(BlobFile(layer).c_str()); }, Code::kNotFound, layer + ": missing"},
      {"short layer", [&] { ASSERT_EQ(truncate(BlobFile(layer).c_str(), 600), 0); }, Code::kDataLoss,
       "truncated: 600 bytes"},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.what);
    Fresh();
    damage.make();
    const Status status = OpenError("oci:" + layout_);
    EXPECT_EQ(status.code(), damage.code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(damage.named));
  }
  // A layer of the right size with other bytes is found when it is read.
  Fresh();
  Edit(layer_name, "qqq", "qqr");
  const auto image = Image::Open("oci:" + layout_);
  ASSERT_OK(image);
  const Status status = image->OpenLayer(0).status();
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("wrong digest: expected " + layer), HasSubstr(layer_name)));
  EXPECT_EQ(image->VerifyLayers().code(), Code::kDataLoss);
  EXPECT_TRUE(image->OpenLayer(1).ok());
}

TEST_F(ImageTest, DiffIdMustFitWhatABlobDecompressesTo) {
  ASSERT_OK(WriteTo(layout_, "v1", true));
  const auto image = Image::Open("oci:" + layout_);
  ASSERT_OK(image);
  // The second blob in the first one's place, with its own digest and size: only the diff ID can tell.
  const ImageLayer &one = image->layers()[0], &two = image->layers()[1];
  const std::string name = "blobs/sha256/" + image->manifest_digest().substr(7);
  std::string text = *ReadFile(layout_ + "/" + name);
  const size_t size = text.size();
  const size_t at = text.find(one.digest), size_at = text.find("\"size\":", at) + 7;
  text.replace(size_at, std::to_string(one.size_bytes).size(), std::to_string(two.size_bytes));
  text.replace(at, one.digest.size(), two.digest);
  const std::string digest = Sha256(text);
  ASSERT_OK(WriteFile(BlobFile(digest), text));
  Edit("index.json", image->manifest_digest(), digest);
  Edit("index.json", "\"size\":" + std::to_string(size), "\"size\":" + std::to_string(text.size()));
  const auto swapped = Image::Open("oci:" + layout_);
  ASSERT_OK(swapped);
  const Status status = swapped->VerifyLayers();
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("wrong diff ID: expected " + one.diff_id));
}

}  // namespace
}  // namespace layermark
