#include "inspect/root.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/sys/temp_tree.h"
#include "inspect/books.h"
#include "testing/bolt_file.h"
#include "testing/storage_root.h"

namespace layermark::inspect {
namespace {

using testing::BoltWriter;
using testing::StorageRoot;

class RootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(::testing::TempDir(), "root_test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(tree).value();
  }
  Root Read(const StorageRoot& storage) {
    EXPECT_TRUE(storage.status().ok()) << storage.status().ToString();
    Result<Root> root = ReadRoot(storage.path());
    EXPECT_TRUE(root.ok()) << root.status().ToString();
    return root.ok() ? *root : Root();
  }
  // "driver:name(parent's name):state directory" of each layer.
  static std::vector<std::string> Layers(const Root& root) {
    std::vector<std::string> all;
    for (const LayerRecord& layer : root.layers) {
      const std::string parent = layer.parent < 0 ? "" : root.layers[static_cast<size_t>(layer.parent)].name;
      all.push_back(layer.driver + ":" + layer.name + "(" + parent + "):" + layer.state + " " +
                    layer.directory);
    }
    return all;
  }

  TempTree tree_;
};

TEST_F(RootTest, WhatIsNoRootIsSaidToBeNone) {
  const Result<Root> root = ReadRoot(tree_.path());
  ASSERT_FALSE(root.ok());
  EXPECT_EQ(root.status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(root.status().message().starts_with(tree_.path() + ": not a known root"))
      << root.status().message();
  EXPECT_EQ(ReadRoot(tree_.path() + "/none").status().code(), Code::kNotFound);
  ASSERT_TRUE(WriteFile(tree_.path() + "/file", "").ok());
  EXPECT_EQ(ReadRoot(tree_.path() + "/file").status().error_number(), ENOTDIR);
}

TEST_F(RootTest, ReadsDockersBooks) {
  StorageRoot storage(tree_.path());
  const std::string base = storage.DockerLayer("overlay2", "base", "", Layer());
  const std::string top = storage.DockerLayer("overlay2", "top", base, Layer());
  storage.DockerImage("overlay2", "small", base);
  storage.DockerImage("overlay2", "large", top);
  storage.DockerContainer("overlay2", "box", top, Layer());
  storage.File("image/aufs/layerdb/x", "");
  const Root root = Read(storage);
  EXPECT_EQ(root.kind, "Docker");
  std::vector<std::string> expected = {
      "overlay2:" + base + "():committed overlay2/base/diff",
      "overlay2:" + top + "(" + base + "):committed overlay2/top/diff",
      "overlay2:container box (init)(" + top + "):active overlay2/box-init/diff",
      "overlay2:container box(container box (init)):active overlay2/box/diff"};
  EXPECT_EQ(Layers(root), expected);
  ASSERT_EQ(root.images.size(), 2u);
  for (const ImageRecord& image : root.images) {
    EXPECT_EQ(root.layers[static_cast<size_t>(image.top)].name, image.name == "small:latest" ? base : top);
  }
  EXPECT_EQ(root.notes.size(), 1u);  // of aufs
  EXPECT_EQ(Chain(root, 3), (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(RootTest, AnIdThatIsNoFileNameIsRefused) {
  StorageRoot storage(tree_.path());
  const std::string base = storage.DockerLayer("overlay2", "base", "", Layer());
  storage.File("image/overlay2/layerdb/sha256/" + base.substr(7) + "/cache-id", "../../../etc");
  EXPECT_EQ(ReadRoot(storage.path()).status().code(), Code::kDataLoss);
  StorageRoot other(tree_.path() + "/other");
  other.File("overlay-layers/layers.json", R"([{"id":"../../etc"}])");
  EXPECT_EQ(ReadRoot(other.path()).status().code(), Code::kDataLoss);
}

TEST_F(RootTest, ReadsTheBooksOfContainersStorage) {
  StorageRoot storage(tree_.path());
  storage.File(
      "overlay-layers/layers.json",
      R"([{"id":"l2","parent":"l1"},{"id":"l1"},{"id":"gone","parent":"l1"},{"id":"stray","parent":"gone"},)"
      R"({"id":"a","parent":"b"},{"id":"b","parent":"a"}])");
  storage.File("overlay-layers/volatile-layers.json", R"([{"id":"c1","parent":"l2"}])");
  storage.File("overlay-images/images.json",
               R"([{"id":"i1","names":["first:1","again:1"],"layer":"l2"},{"id":"i2","layer":"none"}])");
  storage.File("overlay-containers/containers.json", R"([{"id":"x","names":["box"],"layer":"c1"}])");
  for (const char* id : {"l1", "l2", "c1", "stray", "a", "b"}) {
    storage.Tree(std::string("overlay/") + id + "/diff", Layer());
  }
  const Root root = Read(storage);
  EXPECT_EQ(root.kind, "containers/storage");
  const std::vector<std::string> expected = {
      "overlay:l1():committed overlay/l1/diff",       "overlay:l2(l1):committed overlay/l2/diff",
      "overlay:stray():committed overlay/stray/diff", "overlay:b():committed overlay/b/diff",
      "overlay:a(b):committed overlay/a/diff",        "overlay:container box(l2):active overlay/c1/diff"};
  EXPECT_EQ(Layers(root), expected);
  ASSERT_EQ(root.images.size(), 2u);
  EXPECT_EQ(root.images[0].name, "first:1");
  EXPECT_EQ(root.images[0].top, 1);
  EXPECT_EQ(root.images[1].name, "i2");
  EXPECT_EQ(root.images[1].top, -1);
  EXPECT_EQ(root.notes.size(), 3u);  // gone, stray, and one of the circle
}

TEST_F(RootTest, ReadsContainerdsBooks) {
  StorageRoot storage(tree_.path());
  const std::vector<std::string> diff_ids = {Sha256("one"), Sha256("two")};
  const std::vector<std::string> chain = ChainIds(diff_ids);
  EXPECT_EQ(chain, (std::vector<std::string>{diff_ids[0], Sha256(diff_ids[0] + " " + diff_ids[1])}));
  const std::string manifest = storage.ContainerdManifest(diff_ids);
  const std::string index =
      nlohmann::json({{"manifests", {{{"digest", Sha256("of another platform")}}, {{"digest", manifest}}}}})
          .dump();
  storage.Blob(index);
  BoltBucket meta;
  BoltBucket& ns = meta.buckets["v1"].buckets["k8s.io"];
  ns.buckets["images"].buckets["repo/name:1"].buckets["target"].values["digest"] = Sha256(index);
  ns.buckets["images"].buckets["repo/name@" + Sha256(index)].buckets["target"].values["digest"] =
      Sha256(index);
  ns.buckets["images"].buckets[Sha256(index)].buckets["target"].values["digest"] = Sha256(index);
  ns.buckets["images"].buckets["not:fetched"].buckets["target"].values["digest"] = Sha256("nothing");
  for (const char* snapshotter : {"overlayfs", "btrfs"}) {
    BoltBucket snapshots;
    BoltBucket& all = snapshots.buckets["v1"].buckets["snapshots"];
    all.buckets["k8s.io/2/" + chain[0]].values = {{"id", std::string("\x81\x02")}, {"kind", "\x03"}};
    all.buckets["k8s.io/9/" + chain[1]].values = {
        {"id", "\x05"}, {"kind", "\x03"}, {"parent", "k8s.io/2/" + chain[0]}};
    all.buckets["k8s.io/11/box"].values = {
        {"id", "\x07"}, {"kind", "\x02"}, {"parent", "k8s.io/9/" + chain[1]}};
    for (const auto& [name, snapshot] : all.buckets) {
      ns.buckets["snapshots"]
          .buckets[snapshotter]
          .buckets[name.substr(name.find('/', 7) + 1)]
          .values["name"] = name;
    }
    storage.File(std::string("io.containerd.snapshotter.v1.") + snapshotter + "/metadata.db",
                 BoltWriter().Write(snapshots));
  }
  storage.File("io.containerd.metadata.v1.bolt/meta.db", BoltWriter().Write(meta));
  for (const char* directory :
       {"overlayfs/snapshots/257/fs", "overlayfs/snapshots/5/fs", "overlayfs/snapshots/7/fs",
        "btrfs/snapshots/257", "btrfs/snapshots/5", "btrfs/active/7"}) {
    storage.Tree(std::string("io.containerd.snapshotter.v1.") + directory, Layer());
  }
  storage.Tree("io.containerd.snapshotter.v1.zfs", Layer());
  const Root root = Read(storage);
  EXPECT_EQ(root.kind, "containerd");
  std::vector<std::string> expected;
  for (const char* driver : {"btrfs", "overlayfs"}) {
    const std::string d(driver), base = " io.containerd.snapshotter.v1." + d + "/";
    const bool whole = d == "btrfs";
    const char* end = whole ? "" : "/fs";
    expected.push_back(d + ":" + chain[0] + "():committed" + base + "snapshots/257" + end);
    expected.push_back(d + ":" + chain[1] + "(" + chain[0] + "):committed" + base + "snapshots/5" + end);
    expected.push_back(d + ":box(" + chain[1] + "):active" + base + (whole ? "active/7" : "snapshots/7/fs"));
  }
  std::vector<std::string> found = Layers(root);
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(found, expected);
  std::vector<std::string> images;
  for (const ImageRecord& image : root.images) {
    images.push_back(image.name + " " + image.driver + " " +
                     (image.top < 0 ? "-" : root.layers[static_cast<size_t>(image.top)].name));
  }
  std::sort(images.begin(), images.end());
  EXPECT_EQ(images,
            (std::vector<std::string>{"k8s.io: not:fetched  -", "k8s.io: repo/name:1 btrfs " + chain[1],
                                      "k8s.io: repo/name:1 overlayfs " + chain[1]}));
  EXPECT_EQ(root.notes.size(), 1u);  // of zfs
}

}  // namespace
}  // namespace layermark::inspect
