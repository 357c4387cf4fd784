#include "drivers/support/link_farm.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <string>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

constexpr char kPrefix[] = "trusted.overlay.";

void Apply(const Layer& layer, const std::string& directory) {
  Fd fd = Open(directory, O_RDONLY | O_DIRECTORY).value();
  const Status applied = ApplyLayer(layer, fd.get());
  ASSERT_TRUE(applied.ok()) << applied.ToString();
}

ino_t InodeOf(const std::string& path) {
  struct stat st = {};
  EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
  return st.st_ino;
}

Layer Base() {
  Layer base;
  base.Dir("d", 0750).File("d/f", "f").Link("d/g", "d/f").Symlink("d/s", "f").Fifo("d/p");
  base.Dir("gone").File("gone/x", "x").Dir("anew").File("anew/old", "old").Dir("anew/sub");
  base.Dir("to_file").File("to_file/x", "x").File("to_dir", "x").File("removed", "x").File("kept", "kept");
  return base.SetXattr("d", "user.k", "v").Chown("d", 5, 6).Chmod("d", 02770);
}

Layer Change() {
  Layer change;
  change.Write("d/f", 0, "F").RemoveAll("gone").RemoveAll("anew").Dir("anew", 0700).File("anew/new", "new");
  change.RemoveAll("to_file").File("to_file", "file").Remove("to_dir").Dir("to_dir").File("to_dir/in", "in");
  change.Remove("removed").Chmod("", 0711).SetXattr("", "user.root", "r").RemoveXattr("d", "user.k");
  return change.Remove("d/p").Dir("d/deep").Dir("d/deep/er").File("d/deep/er/f", "x");
}

// Directories lower, upper, work, merged, root on a file system of its own, in a mount namespace of its own.
void OnExt4(const std::function<void(const std::string& at)>& body) {
  const Status status = testing::WithPrivateMounts([&] {
    testing::ScratchFileSystem fs = testing::ScratchFileSystem::Create("ext4", ::testing::TempDir()).value();
    for (const char* name : {"lower", "upper", "work", "merged", "root"})
      ASSERT_TRUE(MakeDirs(fs.path() + "/" + name).ok());
    body(fs.path());
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

TEST(LinkFarmTest, ShowsTheSameAndMakesDirectoriesAlone) {
  OnExt4([](const std::string& at) {
    Apply(Base(), at + "/lower");
    const Status linked = LinkTree(at + "/lower", at + "/root");
    ASSERT_TRUE(linked.ok()) << linked.ToString();
    const auto differences = Compare(*ReadManifest(at + "/lower"), *ReadManifest(at + "/root"), {});
    EXPECT_TRUE(differences.empty()) << Describe(differences);
    for (const char* file : {"/d/f", "/d/s", "/d/p", "/kept"})
      EXPECT_EQ(InodeOf(at + "/lower" + file), InodeOf(at + "/root" + file)) << file;
    EXPECT_NE(InodeOf(at + "/lower/d"), InodeOf(at + "/root/d"));
  });
}

TEST(LinkFarmTest, AnUpperDirectoryLaidOverShowsWhatTheMountShowed) {
  OnExt4([](const std::string& at) {
    Apply(Base(), at + "/lower");
    Manifest shown;
    {
      auto mounted = MountAll({{"overlay",
                                "overlay",
                                "",
                                {"lowerdir=" + at + "/lower", "upperdir=" + at + "/upper",
                                 "workdir=" + at + "/work", "redirect_dir=nofollow", "metacopy=off"}}},
                              at + "/merged");
      ASSERT_TRUE(mounted.ok()) << mounted.status().ToString();
      Apply(Change(), at + "/merged");
      shown = *ReadManifest(at + "/merged");
      ASSERT_TRUE(mounted->Unmount().ok());
    }
    const Manifest lower = *ReadManifest(at + "/lower");
    ASSERT_TRUE(LinkTree(at + "/lower", at + "/root").ok());
    for (int times = 1; times <= 2; ++times) {
      const Status laid = LayUpperOver(at + "/upper", at + "/root", kPrefix);
      ASSERT_TRUE(laid.ok()) << laid.ToString();
      const auto differences = Compare(shown, *ReadManifest(at + "/root"), {});
      EXPECT_TRUE(differences.empty()) << times << ": " << Describe(differences);
    }
    const auto touched = Compare(lower, *ReadManifest(at + "/lower"), {});
    EXPECT_TRUE(touched.empty()) << Describe(touched);
    EXPECT_EQ(InodeOf(at + "/root/kept"), InodeOf(at + "/lower/kept"));
    EXPECT_EQ(InodeOf(at + "/root/d/f"), InodeOf(at + "/upper/d/f"));
    for (const char* path : {"", "/d", "/d/f", "/anew"}) {
      const std::vector<std::string> names = *ListXattrNamesAt(AT_FDCWD, at + "/root" + path);
      for (const std::string& name : names) EXPECT_FALSE(name.starts_with(kPrefix)) << path << ": " << name;
    }
  });
}

TEST(LinkFarmTest, TheUsageBesideTheParentCountsDirectoriesAndOwnFiles) {
  OnExt4([](const std::string& at) {
    Apply(Base(), at + "/lower");
    ASSERT_TRUE(LinkTree(at + "/lower", at + "/root").ok());
    const Usage fresh = *UsageBeside(at + "/lower", at + "/root");
    EXPECT_EQ(fresh.inodes, 6);  // the root, d, gone, anew, anew/sub, to_file
    Apply(Layer().File("own", std::string(100000, 'x')).Link("own2", "own"), at + "/root");
    const Usage more = *UsageBeside(at + "/lower", at + "/root");
    EXPECT_EQ(more.inodes, fresh.inodes + 1);
    EXPECT_GE(more.size_bytes, fresh.size_bytes + 100000);
  });
}

TEST(LinkFarmTest, AnotherFileSystemIsRefused) {
  OnExt4([](const std::string& at) {
    auto elsewhere = TempTree::Create(::testing::TempDir(), "link_farm");
    ASSERT_TRUE(elsewhere.ok());
    Apply(Layer().File("f", "x"), elsewhere->path());
    const Status linked = LinkTree(elsewhere->path(), at + "/root");
    EXPECT_EQ(linked.error_number(), EXDEV) << linked.ToString();
  });
}

}  // namespace
}  // namespace layermark
