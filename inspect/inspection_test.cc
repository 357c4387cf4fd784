#include "inspect/inspection.h"

#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "testing/scratch_file_system.h"
#include "testing/storage_root.h"

namespace layermark::inspect {

void PrintTo(const Amount& amount, std::ostream* out) {
  *out << amount.bytes << " bytes, " << amount.inodes << " inodes";
}

namespace {

using testing::StorageRoot;

constexpr int64_t kKiB = 1024;

std::string Text(char c, int64_t kib) {
  return std::string(static_cast<size_t>(kib * kKiB), c);
}

Inspection Look(const StorageRoot& storage) {
  EXPECT_TRUE(storage.status().ok()) << storage.status().ToString();
  Result<Inspection> found = Inspect(storage.path());
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  return found.ok() ? *found : Inspection();
}

const Figures& Layer_(const Inspection& found, const std::string& id) {
  for (const LayerFigures& layer : found.layers) {
    if (layer.record.id == id) return layer.figures;
  }
  ADD_FAILURE() << "no layer " << id;
  static const Figures none;
  return none;
}

const Figures& Image(const Inspection& found, const std::string& name) {
  for (const ImageFigures& image : found.images) {
    if (image.record.name == name + ":latest") return image.figures;
  }
  ADD_FAILURE() << "no image " << name;
  static const Figures none;
  return none;
}

// What du says.
int64_t Du(const std::string& path, const std::string& what) {
  Result<std::string> out = RunCommandOk({"du", "-s", what, path});
  EXPECT_TRUE(out.ok()) << out.status().ToString();
  return out.ok() ? std::stoll(*out) : -1;
}

int64_t Blocks(const StorageRoot& storage, const std::vector<std::string>& paths) {
  int64_t sum = 0;
  for (const std::string& path : paths) {
    struct stat st;
    EXPECT_EQ(lstat((storage.path() + "/" + path).c_str(), &st), 0) << path;
    sum += st.st_blocks * 512;
  }
  return sum;
}

void Reflink(const std::string& from, const std::string& to, int64_t kib = 0) {
  Result<Fd> source = Open(from, O_RDONLY);
  Result<Fd> target = Open(to, O_RDWR | O_CREAT, 0644);
  ASSERT_TRUE(source.ok() && target.ok());
  file_clone_range range = {source->get(), 0, static_cast<uint64_t>(kib * kKiB), 0};
  ASSERT_EQ(ioctl(target->get(), FICLONERANGE, &range), 0) << strerror(errno);
}

class InspectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(::testing::TempDir(), "inspection_test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(tree).value();
  }
  TempTree tree_;
};

// Runs `body` with the path of a fresh file system of that type.
void On(const std::string& type, const std::function<void(const std::string&)>& body) {
  Status status = testing::WithPrivateMounts([&] {
    Result<testing::ScratchFileSystem> fs = testing::ScratchFileSystem::Create(type, ::testing::TempDir());
    ASSERT_TRUE(fs.ok()) << fs.status().ToString();
    body(fs->path());
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

TEST_F(InspectionTest, WhatUpperLayersHideIsShadowed) {
  StorageRoot storage(tree_.path());
  const std::string base = storage.DockerLayer("overlay2", "base", "",
                                               Layer()
                                                   .File("changed", Text('a', 20))
                                                   .File("removed", Text('b', 40))
                                                   .File("kept", Text('c', 12))
                                                   .Dir("gone")
                                                   .File("gone/x", Text('d', 8))
                                                   .Dir("opaque")
                                                   .File("opaque/y", Text('e', 16))
                                                   .Dir("merged")
                                                   .File("merged/z", Text('f', 4))
                                                   .File("two_names", Text('g', 28))
                                                   .Link("other", "two_names")
                                                   .Dir("becomes_file")
                                                   .File("becomes_file/w", Text('h', 24))
                                                   .File("becomes_dir", Text('i', 32)));
  const std::string top = storage.DockerLayer("overlay2", "top", base,
                                              Layer()
                                                  .File("changed", Text('A', 20))
                                                  .Mknod("removed", S_IFCHR, makedev(0, 0))
                                                  .Mknod("gone", S_IFCHR, makedev(0, 0))
                                                  .Mknod("two_names", S_IFCHR, makedev(0, 0))
                                                  .Dir("opaque")
                                                  .SetXattr("opaque", "trusted.overlay.opaque", "y")
                                                  .Dir("merged")
                                                  .File("becomes_file", Text('H', 4))
                                                  .Dir("becomes_dir"));
  storage.DockerImage("overlay2", "image", top);
  const Inspection found = Look(storage);
  const std::string in = "overlay2/base/diff/";
  const std::vector<std::string> hidden = {"changed",      "removed",        "gone",
                                           "gone/x",       "opaque",         "opaque/y",
                                           "becomes_file", "becomes_file/w", "becomes_dir"};
  std::vector<std::string> paths;
  for (const std::string& name : hidden) paths.push_back(in + name);
  const Amount expected = {Blocks(storage, paths), static_cast<int64_t>(paths.size())};
  EXPECT_EQ(Image(found, "image").shadowed, expected);
  EXPECT_EQ(Layer_(found, "base").shadowed, expected);
  EXPECT_EQ(Layer_(found, "top").shadowed, Amount());
  EXPECT_EQ(Layer_(found, "top").whiteouts.inodes, 3);
  EXPECT_EQ(Layer_(found, "top").whiteout_names_count, 3);
  EXPECT_EQ(found.total.duplicate, Amount());
  EXPECT_EQ(found.total.du_bytes, Du(storage.path(), "-B1"));
  EXPECT_EQ(found.total.used.inodes, Du(storage.path(), "--inodes"));
  EXPECT_EQ(Layer_(found, "base").used, Layer_(found, "base").alone);
  EXPECT_EQ(found.wasted_files_count, 6);
  ASSERT_FALSE(found.wasted_files.empty());
  EXPECT_EQ(found.wasted_files[0].path, in + "removed");
}

TEST_F(InspectionTest, WhatOneImageHidesAnotherMayShow) {
  StorageRoot storage(tree_.path());
  const std::string base =
      storage.DockerLayer("overlay2", "base", "", Layer().File("f", Text('a', 20)).File("g", Text('b', 40)));
  const std::string one = storage.DockerLayer("overlay2", "one", base, Layer().File("f", Text('A', 4)));
  storage.DockerImage("overlay2", "base", base);
  storage.DockerImage("overlay2", "one", one);
  // A container hides it for itself, and its image still shows it.
  storage.DockerContainer("overlay2", "box", one, Layer().Mknod("g", S_IFCHR, makedev(0, 0)));
  const std::string left = storage.DockerLayer("overlay2", "left", base, Layer().File("h", Text('c', 8)));
  const Inspection found = Look(storage);
  EXPECT_EQ(Image(found, "one").shadowed, (Amount{Blocks(storage, {"overlay2/base/diff/f"}), 1}));
  EXPECT_EQ(Image(found, "base").shadowed, Amount());
  EXPECT_EQ(found.layers_total.shadowed, Amount());
  // `base` belongs to two images, `one` to a container as well, `left` to nobody.
  EXPECT_EQ(Image(found, "base").alone, Amount());
  EXPECT_EQ(Image(found, "one").alone, Amount());
  EXPECT_EQ(found.unused, (Amount{Blocks(storage, {"overlay2/left/diff", "overlay2/left/diff/h"}), 2}));
  EXPECT_EQ(left.size(), 71u);
}

TEST_F(InspectionTest, EqualBytesInTwoLayersAreDuplicateAndHardLinksAreNot) {
  StorageRoot storage(tree_.path());
  const std::string base = storage.DockerLayer(
      "overlay2", "base", "",
      Layer().File("a", Text('a', 20)).File("again", Text('a', 20)).File("b", Text('b', 20)));
  const std::string top = storage.DockerLayer(
      "overlay2", "top", base,
      Layer().File("copy", Text('a', 20)).File("like", Text('a', 19) + Text('b', 1)).File("empty", ""));
  // One inode in both layers, as a farm of hard links has.
  ASSERT_EQ(link((storage.path() + "/overlay2/base/diff/b").c_str(),
                 (storage.path() + "/overlay2/top/diff/linked").c_str()),
            0);
  storage.DockerImage("overlay2", "image", top);
  const Inspection found = Look(storage);
  EXPECT_EQ(Image(found, "image").duplicate, (Amount{Blocks(storage, {"overlay2/top/diff/copy"}), 1}));
  const Amount linked = {Blocks(storage, {"overlay2/base/diff/b"}), 1};
  EXPECT_EQ(Layer_(found, "base").shared(), linked);
  EXPECT_EQ(Layer_(found, "top").shared(), linked);
  EXPECT_EQ(found.total.du_bytes, Du(storage.path(), "-B1"));
  EXPECT_EQ(found.layers_total.used.bytes + linked.bytes,
            Layer_(found, "base").used.bytes + Layer_(found, "top").used.bytes);
}

// A file that was moved: the old one is shadowed, and the new one, all that is left of it, no duplicate.
TEST_F(InspectionTest, OneOfEachContentStaysLive) {
  StorageRoot storage(tree_.path());
  const std::string base = storage.DockerLayer("overlay2", "base", "", Layer().File("old", Text('a', 20)));
  const std::string top = storage.DockerLayer(
      "overlay2", "top", base, Layer().Mknod("old", S_IFCHR, makedev(0, 0)).File("new", Text('a', 20)));
  storage.DockerImage("overlay2", "image", top);
  const Inspection found = Look(storage);
  EXPECT_EQ(Image(found, "image").shadowed, (Amount{Blocks(storage, {"overlay2/base/diff/old"}), 1}));
  EXPECT_EQ(Image(found, "image").duplicate, Amount());
}

TEST_F(InspectionTest, OfWholeTreesEveryCopyIsDuplicate) {
  StorageRoot storage(tree_.path());
  const Layer tree =
      Layer().File("a", Text('a', 20)).Symlink("s", "a").Dir("d").File("d/e", "").File("b", Text('b', 8));
  const std::string base = storage.DockerLayer("vfs", "base", "", tree);
  Layer changed = tree;
  changed.Remove("b").File("a", Text('A', 20)).File("new", Text('n', 4));
  const std::string top = storage.DockerLayer("vfs", "top", base, changed);
  storage.DockerImage("vfs", "image", top);
  const Inspection found = Look(storage);
  EXPECT_EQ(Image(found, "image").shadowed,
            (Amount{Blocks(storage, {"vfs/dir/base/a", "vfs/dir/base/b"}), 2}));
  EXPECT_EQ(
      Image(found, "image").duplicate,
      (Amount{Blocks(storage, {"vfs/dir/top", "vfs/dir/top/s", "vfs/dir/top/d", "vfs/dir/top/d/e"}), 4}));
}

TEST_F(InspectionTest, MarkersOfOtherForms) {
  StorageRoot storage(tree_.path());
  storage.File("overlay-layers/layers.json",
               R"([{"id":"1"},{"id":"2","parent":"1"},{"id":"3","parent":"2"},{"id":"4","parent":"3"}])");
  storage.File("overlay-images/images.json", R"([{"id":"i","names":["image:latest"],"layer":"4"}])");
  storage.Tree("overlay/1/diff", Layer()
                                     .File("plain", Text('a', 4))
                                     .Dir("d")
                                     .File("d/x", Text('b', 8))
                                     .File("marked", Text('c', 12))
                                     .File("meta", Text('d', 16))
                                     .Dir("from")
                                     .File("from/y", Text('e', 20))
                                     .File("back", Text('f', 24)));
  // fuse-overlayfs without the right to make devices.
  storage.Tree("overlay/2/diff", Layer().File(".wh.plain", "").Dir("d").File("d/.wh..wh..opq", ""));
  // overlayfs's attribute form, and a file with another's data.
  storage.Tree("overlay/3/diff", Layer()
                                     .SetXattr("", "trusted.overlay.opaque", "x")
                                     .File("marked", "")
                                     .SetXattr("marked", "trusted.overlay.whiteout", "")
                                     .File("no_marker", "")
                                     .File("meta", "")
                                     .Truncate("meta", 16 * kKiB)
                                     .SetXattr("meta", "trusted.overlay.metacopy", ""));
  // A directory that was renamed: its old name is removed, and what it held is still shown.
  storage.Tree("overlay/4/diff", Layer()
                                     .Dir("to")
                                     .SetXattr("to", "trusted.overlay.redirect", "from")
                                     .Mknod("from", S_IFCHR, makedev(0, 0))
                                     .Mknod("back", S_IFCHR, makedev(0, 0)));
  const Inspection found = Look(storage);
  const std::string in = "overlay/1/diff/";
  EXPECT_EQ(Image(found, "image").shadowed,
            (Amount{Blocks(storage, {in + "plain", in + "d", in + "d/x", in + "marked", in + "back"}), 5}));
  EXPECT_EQ(Image(found, "image").whiteouts.inodes, 5);
  EXPECT_EQ(Image(found, "image").whiteout_names_count, 5);
}

// A file of a layer in the middle ends the merging of directories above and below it.
TEST_F(InspectionTest, AFileBetweenTwoDirectoriesHidesTheLower) {
  StorageRoot storage(tree_.path());
  const std::string one =
      storage.DockerLayer("overlay2", "1", "", Layer().Dir("p").File("p/low", Text('a', 4)));
  const std::string two = storage.DockerLayer("overlay2", "2", one, Layer().File("p", Text('b', 8)));
  const std::string three =
      storage.DockerLayer("overlay2", "3", two, Layer().Dir("p").File("p/high", Text('c', 12)));
  storage.DockerImage("overlay2", "image", three);
  EXPECT_EQ(
      Image(Look(storage), "image").shadowed,
      (Amount{Blocks(storage, {"overlay2/1/diff/p", "overlay2/1/diff/p/low", "overlay2/2/diff/p"}), 3}));
}

class ReflinkTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ReflinkTest, AnExtentOfSeveralFilesCountsOnce) {
  On(GetParam(), [](const std::string& path) {
    StorageRoot storage(path + "/root");
    const std::string base = storage.DockerLayer("vfs", "base", "", Layer().File("a", Text('a', 512)));
    storage.DockerImage("vfs", "image",
                        storage.DockerLayer("vfs", "top", base, Layer().File("own", Text('o', 64))));
    sync();
    const Inspection before = Look(storage);
    const std::string from = storage.path() + "/vfs/dir/base/a";
    Reflink(from, storage.path() + "/vfs/dir/top/a");
    Reflink(from, storage.path() + "/vfs/dir/top/half", 256);
    Reflink(from, storage.path() + "/vfs/dir/base/within");
    sync();
    const Inspection after = Look(storage);
    EXPECT_EQ(after.total.used.bytes, before.total.used.bytes);
    EXPECT_EQ(after.total.used.inodes, before.total.used.inodes + 3);
    EXPECT_EQ(after.total.du_bytes, before.total.du_bytes + (512 + 256 + 512) * kKiB);
    EXPECT_EQ(Layer_(after, "base").used.bytes, Layer_(before, "base").used.bytes);
    EXPECT_EQ(Layer_(after, "base").shared().bytes, 512 * kKiB);
    EXPECT_EQ(Layer_(after, "top").shared().bytes, 512 * kKiB);
    EXPECT_EQ(Layer_(after, "top").alone.bytes, Layer_(before, "top").alone.bytes);
    // The copy takes an inode and no bytes. (`half` has bytes of its own size.)
    EXPECT_EQ(Image(after, "image").duplicate.bytes, Image(before, "image").duplicate.bytes);
    EXPECT_EQ(Image(after, "image").duplicate.inodes, Image(before, "image").duplicate.inodes + 1);
    // Of files with the same extents one is read.
    EXPECT_EQ(after.bytes_read, 512 * kKiB);
    // A change of a part of the copy takes its own place: of the size in which XFS allocates for it.
    Result<Fd> file = Open(storage.path() + "/vfs/dir/top/a", O_RDWR);
    ASSERT_TRUE(file.ok() && PWriteAll(file->get(), Text('x', 128), 128 * kKiB).ok());
    sync();
    EXPECT_EQ(Look(storage).total.used.bytes, before.total.used.bytes + 128 * kKiB);
  });
}

INSTANTIATE_TEST_SUITE_P(FileSystems, ReflinkTest, ::testing::Values("xfs", "btrfs"));

TEST(InspectionBtrfsTest, SubvolumesAndCompressedExtentsCountOnce) {
  On("btrfs", [](const std::string& path) {
    ASSERT_TRUE(RunCommandOk({"mount", "-o", "remount,compress-force=zstd", path}).ok());
    StorageRoot storage(path + "/root");
    storage.Tree("btrfs/subvolumes", Layer());
    ASSERT_TRUE(
        RunCommandOk({"btrfs", "subvolume", "create", storage.path() + "/btrfs/subvolumes/base"}).ok());
    const std::string base = storage.DockerLayer(
        "btrfs", "base", "", Layer().File("a", Text('a', 1024)).File("b", Text('b', 512)));
    sync();
    ASSERT_TRUE(RunCommandOk({"btrfs", "subvolume", "snapshot", storage.path() + "/btrfs/subvolumes/base",
                              storage.path() + "/btrfs/subvolumes/top"})
                    .ok());
    storage.DockerImage("btrfs", "image",
                        storage.DockerLayer("btrfs", "top", base, Layer().File("c", Text('c', 256))));
    const Inspection found = Look(storage);
    EXPECT_EQ(found.total.du_bytes, Du(storage.path(), "-B1"));
    EXPECT_EQ(found.total.used.inodes, Du(storage.path(), "--inodes"));
    // Compressed extents lie closer together than they are long; none may be taken for a part of its
    // neighbour.
    EXPECT_EQ(Layer_(found, "base").used.bytes, (1024 + 512) * kKiB);
    EXPECT_EQ(Layer_(found, "top").used.bytes, (1024 + 512 + 256) * kKiB);
    EXPECT_EQ(Layer_(found, "top").alone.bytes, 256 * kKiB);
    EXPECT_EQ(found.layers_total.used.bytes, (1024 + 512 + 256) * kKiB);
    EXPECT_EQ(Image(found, "image").duplicate.bytes, 0);
    EXPECT_EQ(Image(found, "image").duplicate.inodes, 3);  // the directory and two files
  });
}

TEST(InspectionMountTest, WhatIsMountedWithinIsNotTheRootsUnlessLayersLieThere) {
  On("ext4", [](const std::string& path) {
    StorageRoot storage(path + "/root");
    storage.DockerImage(
        "overlay2", "image",
        storage.DockerLayer("overlay2", "base", "", Layer().Dir("d").File("d/a", Text('a', 64))));
    const int64_t bytes = Look(storage).total.du_bytes;
    const int64_t inodes = Look(storage).total.used.inodes;
    // A container's merged tree, and the same layer seen at a second place.
    for (const char* name : {"merged", "bound"}) storage.Tree(std::string("overlay2/base/") + name, Layer());
    ASSERT_TRUE(MountFilesystem("tmpfs", "tmpfs", storage.path() + "/overlay2/base/merged", {}).ok());
    storage.File("overlay2/base/merged/big", Text('m', 512));
    ASSERT_TRUE(BindMount(storage.path() + "/overlay2/base/diff", storage.path() + "/overlay2/base/bound",
                          false, false)
                    .ok());
    Inspection found = Look(storage);
    EXPECT_EQ(found.total.du_bytes, bytes);
    EXPECT_EQ(found.total.used.inodes, inodes);
    EXPECT_EQ(Layer_(found, "base").shared(), Amount());
    // A disk of its own under a driver's directory.
    storage.Tree("vfs", Layer());
    ASSERT_TRUE(MountFilesystem("tmpfs", "tmpfs", storage.path() + "/vfs", {}).ok());
    storage.DockerImage("vfs", "other",
                        storage.DockerLayer("vfs", "far", "", Layer().File("b", Text('b', 32))));
    found = Look(storage);
    EXPECT_EQ(Layer_(found, "far").used, (Amount{32 * kKiB, 2}));
    for (const char* name : {"/overlay2/base/bound", "/overlay2/base/merged", "/vfs"}) {
      EXPECT_TRUE(UnmountPath(storage.path() + name).ok());
    }
  });
}

TEST_F(InspectionTest, ALayerBehindASymlinkIsNotedAndNotFollowed) {
  StorageRoot storage(tree_.path() + "/root");
  storage.DockerImage("overlay2", "image",
                      storage.DockerLayer("overlay2", "base", "", Layer().File("f", Text('a', 20))));
  ASSERT_EQ(rename((storage.path() + "/overlay2").c_str(), (tree_.path() + "/elsewhere").c_str()), 0);
  ASSERT_EQ(symlink("../elsewhere", (storage.path() + "/overlay2").c_str()), 0);
  const Inspection found = Look(storage);
  EXPECT_EQ(Layer_(found, "base").used, Amount());
  ASSERT_EQ(found.notes.size(), 1u);
  EXPECT_NE(found.notes[0].find("behind a symlink"), std::string::npos) << found.notes[0];
}

TEST_F(InspectionTest, JsonSaysTheSame) {
  StorageRoot storage(tree_.path());
  const std::string base = storage.DockerLayer("overlay2", "base", "", Layer().File("f", Text('a', 20)));
  const std::string top = storage.DockerLayer("overlay2", "top", base, Layer().File("f", Text('b', 8)));
  storage.DockerImage("overlay2", "image", top);
  const Inspection found = Look(storage);
  const nlohmann::json json = nlohmann::json::parse(ToJson(found), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["kind"], "Docker");
  EXPECT_EQ(json["total"]["du_bytes"], found.total.du_bytes);
  ASSERT_EQ(json["layers"].size(), 2u);
  EXPECT_EQ(json["layers"][1]["parent"], "overlay2/base/diff");
  EXPECT_EQ(json["layers"][0]["parent"], nullptr);
  EXPECT_EQ(json["images"][0]["figures"]["shadowed"]["bytes"], Image(found, "image").shadowed.bytes);
  EXPECT_EQ(json["images"][0]["top"], "overlay2/top/diff");
  EXPECT_EQ(json["wasted_files"][0]["path"], "overlay2/base/diff/f");
  EXPECT_EQ(json["wasted_files"][0]["why"], "shadowed");
}

}  // namespace
}  // namespace layermark::inspect
