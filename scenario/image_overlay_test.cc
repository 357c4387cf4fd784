// The layers of a synthetic image on a real overlay: applied through the mounted union and as bare upper
// directories, and counted as the census counts them.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/oci/layer_tar.h"
#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "core/tree/manifest.h"
#include "scenario/image_census.h"
#include "scenario/image_source.h"

namespace layermark {
namespace {

#define ASSERT_OK(expr)                              \
  do {                                               \
    const auto status_ = internal::ToStatus((expr)); \
    ASSERT_TRUE(status_.ok()) << status_.ToString(); \
  } while (false)

class ImageOverlayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "needs CAP_SYS_ADMIN";
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    auto tree = TempTree::Create(::testing::TempDir(), "image_overlay");
    ASSERT_OK(tree);
    tree_ = std::move(*tree);
    auto tmpfs = MountAll({Mount{"tmpfs", "tmpfs", "", {}}}, tree_.path());
    ASSERT_OK(tmpfs);
    tmpfs_ = std::move(*tmpfs);
    for (const char* name : {"plain", "merged", "empty"}) ASSERT_OK(MakeDirs(Path(name)));
    auto image = ImageSource::FromSpec(QuickSpec(5));
    ASSERT_OK(image);
    image_ = std::make_unique<ImageSource>(*image);
  }
  std::string Path(const std::string& name) const { return tree_.path() + "/" + name; }
  void ApplyTo(size_t layer, const std::string& dir, WhiteoutStyle style) {
    const auto tar = image_->OpenLayer(layer);
    ASSERT_OK(tar);
    const auto root = Open(dir, O_RDONLY | O_DIRECTORY);
    ASSERT_OK(root);
    ApplyOptions options;
    options.whiteouts = style;
    ASSERT_OK(ApplyLayerTar(tar->get(), root->get(), options));
  }
  // The union of uppers 0..last, with `last` writable if `writable`.
  Result<Mounted> MountUnion(size_t last, bool writable) {
    Mount m{"overlay", "overlay", "", {}};
    if (writable) {
      m.options = {"upperdir=" + Path("upper" + std::to_string(last)),
                   "workdir=" + Path("work" + std::to_string(last))};
    } else {
      m.options.push_back("lowerdir=" + Path("upper" + std::to_string(last)));
    }
    for (size_t i = last; i-- > 0;) m.options.push_back("lowerdir=" + Path("upper" + std::to_string(i)));
    m.options.push_back("lowerdir=" + Path("empty"));
    return MountAll({m}, Path("merged"));
  }
  void ExpectSameAsPlain(size_t layer) {
    ApplyTo(layer, Path("plain"), WhiteoutStyle::kRemove);
    const auto want = ReadManifest(Path("plain")), have = ReadManifest(Path("merged"));
    ASSERT_OK(want);
    ASSERT_OK(have);
    CompareOptions options;
    options.hard_links = true;
    const auto differences = Compare(*want, *have, options);
    EXPECT_TRUE(differences.empty()) << "layer " << layer << "\n" << Describe(differences);
  }

  TempTree tree_;
  Mounted tmpfs_;
  std::unique_ptr<ImageSource> image_;
};

TEST_F(ImageOverlayTest, AppliedThroughTheUnionTheUpperHoldsWhatTheCensusCounts) {
  const auto census = TakeCensus(*image_);
  ASSERT_OK(census);
  for (size_t i = 0; i < image_->layer_count(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_OK(MakeDirs(Path("upper" + std::to_string(i))));
    ASSERT_OK(MakeDirs(Path("work" + std::to_string(i))));
    auto mounted = MountUnion(i, /*writable=*/true);
    ASSERT_OK(mounted);
    ApplyTo(i, Path("merged"), WhiteoutStyle::kRemove);
    ExpectSameAsPlain(i);
    ASSERT_OK(mounted->Unmount());
    const auto upper = ReadManifest(Path("upper" + std::to_string(i)));
    ASSERT_OK(upper);
    std::set<ino_t> inodes;
    int64_t whiteouts = 0;
    for (const auto& [path, entry] : upper->entries) {
      if (entry.type == FileType::kCharDevice && entry.rdev == 0) {
        ++whiteouts;
      } else {
        inodes.insert(entry.ino);
      }
    }
    EXPECT_EQ(static_cast<int64_t>(inodes.size()), (*census)[i].layer_inodes);
    EXPECT_EQ(whiteouts, (*census)[i].hidden_names);
  }
}

TEST_F(ImageOverlayTest, AppliedToBareUppersTheUnionIsTheSame) {
  for (size_t i = 0; i < image_->layer_count(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_OK(MakeDirs(Path("upper" + std::to_string(i))));
    ApplyTo(i, Path("upper" + std::to_string(i)), WhiteoutStyle::kOverlay);
    auto mounted = MountUnion(i, /*writable=*/false);
    ASSERT_OK(mounted);
    ExpectSameAsPlain(i);
    ASSERT_OK(mounted->Unmount());
  }
}

}  // namespace
}  // namespace layermark
