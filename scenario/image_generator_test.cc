#include "scenario/image_generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>

#include "core/oci/layer_tar.h"
#include "core/sys/temp_tree.h"
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

TEST(ImageGeneratorTest, TheSameSpecGivesTheSameBytes) {
  const auto a = GenerateImage(SmokeSpec()), b = GenerateImage(SmokeSpec()),
             other = GenerateImage(SmokeSpec(2));
  ASSERT_OK(a);
  ASSERT_OK(b);
  ASSERT_OK(other);
  EXPECT_EQ(a->diff_ids, b->diff_ids);
  EXPECT_EQ(a->digest, b->digest);
  EXPECT_NE(a->digest, other->digest);
  for (size_t i = 0; i < a->layer_tars.size(); ++i)
    EXPECT_EQ(*Sha256File(a->layer_tars[i].get()), a->diff_ids[i]);
  // Pinned: images named in published records must stay what they are.
  EXPECT_EQ(a->digest, "sha256:4f9981afe50edb10771c185c9c0769d2ad98f97c9a60a61c64c2838d7b5e21bf");
}

TEST(ImageGeneratorTest, HoldsWhatItPromises) {
  const auto image = ImageSource::FromSpec(QuickSpec());
  ASSERT_OK(image);
  std::map<char, int> types;
  int64_t bytes = 0, whiteouts = 0, opaques = 0, with_capability = 0, with_user = 0;
  std::set<uid_t> owners;
  std::set<mode_t> modes;
  for (size_t i = 0; i < image->layer_count(); ++i) {
    const auto tar = image->OpenLayer(i);
    ASSERT_OK(tar);
    const auto list = ListTar(tar->get());
    ASSERT_OK(list);
    std::set<std::string> seen;
    for (const TarListEntry& item : *list) {
      std::string path = item.entry.path;
      if (path.ends_with('/')) path.pop_back();
      EXPECT_TRUE(seen.insert(path).second) << "twice: " << path;  // L1
      const size_t slash = path.rfind('/');
      if (path != ".") {
        EXPECT_TRUE(seen.contains(slash == std::string::npos ? "." : path.substr(0, slash))) << path;  // L32
      }
      const std::string base = path.substr(slash == std::string::npos ? 0 : slash + 1);
      if (base == ".wh..wh..opq") {
        ++opaques;
      } else if (base.starts_with(".wh.")) {
        ++whiteouts;
      } else {
        ++types[item.entry.typeflag];
        bytes += item.size_bytes;
        owners.insert(item.entry.uid);
        modes.insert(item.entry.mode);
      }
      for (const Xattr& xattr : item.entry.xattrs) {
        with_capability += xattr.name == "security.capability";
        with_user += xattr.name.starts_with("user.");
      }
    }
  }
  const ImageSpec spec = QuickSpec();
  EXPECT_GE(types['0'], spec.files);
  EXPECT_GT(types['1'], 0);
  EXPECT_GT(types['2'], 0);
  EXPECT_GE(types['5'], spec.directories);
  EXPECT_GT(whiteouts, 0);
  EXPECT_GT(opaques, 0);
  EXPECT_GE(with_capability, 1);
  EXPECT_GT(with_user, 5);
  EXPECT_GE(owners.size(), 3u);
  EXPECT_GE(modes.size(), 6u);
  // Rewritten files come on top.
  EXPECT_GE(bytes, spec.total_bytes - spec.files);
  EXPECT_LE(bytes, spec.total_bytes * 2);
}

TEST(ImageGeneratorTest, SwitchesTakeTheirPartAway) {
  ImageSpec spec = SmokeSpec();
  spec.whiteouts = spec.links = spec.xattrs = false;
  const auto image = ImageSource::FromSpec(spec);
  ASSERT_OK(image);
  for (size_t i = 0; i < image->layer_count(); ++i) {
    const auto tar = image->OpenLayer(i);
    ASSERT_OK(tar);
    const auto list = ListTar(tar->get());
    ASSERT_OK(list);
    for (const TarListEntry& item : *list) {
      EXPECT_THAT(item.entry.typeflag, testing::AnyOf('0', '5')) << item.entry.path;
      EXPECT_TRUE(item.entry.xattrs.empty());
      EXPECT_EQ(item.entry.path.find(".wh."), std::string::npos);
    }
  }
}

TEST(ImageGeneratorTest, ExtremesWork) {
  for (const ImageSpec& spec :
       {ImageSpec{.layers = 1, .directories = 1, .files = 1, .total_bytes = 0},
        ImageSpec{.layers = 40, .directories = 3, .files = 5, .total_bytes = 10},
        ImageSpec{.layers = 3, .directories = 200, .files = 2, .total_bytes = 4096}}) {
    const auto image = ImageSource::FromSpec(spec);
    ASSERT_OK(image);
    EXPECT_EQ(image->layer_count(), static_cast<size_t>(spec.layers));
    EXPECT_TRUE(TakeCensus(*image).ok());
  }
  EXPECT_EQ(GenerateImage({.layers = 0}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(GenerateImage({.files = -1}).status().code(), Code::kInvalidArgument);
}

// What an application of the layers leaves on a file system is what the census counts from the tars.
TEST(ImageCensusTest, AgreesWithTheTreeThatTheLayersMake) {
  for (const ImageSpec& spec : {SmokeSpec(3), QuickSpec(4)}) {
    const auto image = ImageSource::FromSpec(spec);
    ASSERT_OK(image);
    const auto census = TakeCensus(*image);
    ASSERT_OK(census);
    auto tree = TempTree::Create("/tmp", "census");
    ASSERT_OK(tree);
    const auto root = Open(tree->path(), O_RDONLY | O_DIRECTORY);
    ASSERT_OK(root);
    for (size_t i = 0; i < image->layer_count(); ++i) {
      const auto tar = image->OpenLayer(i);
      ASSERT_OK(tar);
      const auto applied = ApplyLayerTar(tar->get(), root->get());
      ASSERT_OK(applied);
      const auto manifest = ReadManifest(root->get());
      ASSERT_OK(manifest);
      const LayerCensus& row = (*census)[i];
      EXPECT_EQ(row.tree_inodes, InodeCount(*manifest));
      EXPECT_EQ(row.whiteouts, applied->whiteouts);
      EXPECT_EQ(row.opaques, applied->opaques);
      int64_t bytes = 0;
      for (const auto& [path, entry] : manifest->entries) {
        const bool counts = entry.link_group.empty() || entry.link_group == path;
        if (entry.type == FileType::kRegular && counts) bytes += entry.size_bytes;
      }
      EXPECT_EQ(row.tree_bytes, bytes);
    }
  }
}

}  // namespace
}  // namespace layermark
