#include "core/sys/mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/loop.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "testing/mount_test_util.h"

namespace layermark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(MountOptionTest, ReadsOptionsInOrder) {
  const Mount m{"overlay", "overlay", "", {"lowerdir=/a:b", "ro", "lowerdir=/c", "lowerdir+", "upperdir="}};
  EXPECT_EQ(MountOption(m, "lowerdir"), "/a:b");
  EXPECT_THAT(MountOptions(m, "lowerdir"), ElementsAre("/a:b", "/c"));
  EXPECT_EQ(MountOption(m, "workdir"), "");
  EXPECT_THAT(MountOptions(m, "upperdir"), ElementsAre(""));
  EXPECT_TRUE(HasMountFlag(m, "ro"));
  EXPECT_FALSE(HasMountFlag(m, "lowerdir"));
}

TEST(MountOptionTest, SplitsListsOfLayers) {
  EXPECT_THAT(SplitLayerList("/a:/b"), ElementsAre("/a", "/b"));
  EXPECT_THAT(SplitLayerList("/a\\:b:/c\\,d\\\\"), ElementsAre("/a:b", "/c,d\\"));
  EXPECT_THAT(SplitLayerList(""), IsEmpty());
}

class MountTest : public PrivateMountsTest, public testing::WithParamInterface<MountApi> {
 protected:
  Result<Mounted> Do(const std::vector<Mount>& mounts) { return MountAll(mounts, Path("m"), GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Api, MountTest, testing::Values(MountApi::kNew, MountApi::kOld),
                         [](const auto& row) { return row.param == MountApi::kNew ? "New" : "Old"; });

TEST_P(MountTest, TmpfsWithOptionsAndUnmount) {
  Result<Mounted> m = Do({{"tmpfs", "tmpfs", "", {"size=1m", "mode=0711", "noexec", "nosuid", "noatime"}}});
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  const MountInfo info = InfoOf(Path("m"));
  EXPECT_EQ(info.type, "tmpfs");
  EXPECT_EQ(info.mount_options, "rw,nosuid,noexec,noatime");
  EXPECT_THAT(info.super_options, HasSubstr("size=1024k"));
  struct stat st;
  ASSERT_EQ(stat(Path("m").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0711U);
  EXPECT_TRUE(*IsMountPoint(Path("m")));
  EXPECT_TRUE(m->Unmount().ok());
  EXPECT_FALSE(m->active());
  EXPECT_FALSE(*IsMountPoint(Path("m")));
}

TEST_P(MountTest, ReadOnlyFilesystem) {
  Result<Mounted> m = Do({{"tmpfs", "tmpfs", "", {"ro"}}});
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  EXPECT_EQ(WriteFile(Path("m/f"), "").error_number(), EROFS);
  EXPECT_THAT(InfoOf(Path("m")).super_options, testing::StartsWith("ro"));
}

// Every character that some parser on the way could take for its own.
TEST_P(MountTest, OverlayWithOddNames) {
  for (const std::string& odd : OddNames()) {
    for (const char* dir : {"lower1", "lower2", "upper", "work"}) MakeDir(std::string(dir) + "/" + odd);
    ASSERT_TRUE(WriteFile(Path("lower1/" + odd + "/one"), "1").ok());
    ASSERT_TRUE(WriteFile(Path("lower2/" + odd + "/two"), "2").ok());
    ASSERT_TRUE(WriteFile(Path("lower2/" + odd + "/one"), "hidden").ok());
    Result<Mounted> m = Do(
        {Overlay({Path("lower1/" + odd), Path("lower2/" + odd)}, Path("upper/" + odd), Path("work/" + odd))});
    ASSERT_TRUE(m.ok()) << odd << ": " << m.status().ToString();
    EXPECT_THAT(*ListDir(AT_FDCWD, Path("m")), ElementsAre("one", "two")) << odd;
    EXPECT_EQ(*ReadFile(Path("m/one")), "1") << odd;
    EXPECT_TRUE(WriteFile(Path("m/new"), "").ok());
    EXPECT_TRUE(m->Unmount().ok());
    EXPECT_TRUE(Exists(Path("upper/" + odd + "/new"))) << odd;
  }
}

TEST_P(MountTest, OverlayWithPathsLongerThanAParameter) {
  const std::string deep =
      std::string(200, 'x') + "/" + std::string(200, 'y') + "\\:/" + std::string(200, 'z');
  for (const char* dir : {"lower", "upper", "work"}) MakeDir(deep + "/" + dir);
  ASSERT_TRUE(WriteFile(Path(deep + "/lower/f"), "x").ok());
  Result<Mounted> m = Do({Overlay({Path(deep + "/lower")}, Path(deep + "/upper"), Path(deep + "/work"))});
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  EXPECT_TRUE(WriteFile(Path("m/g"), "").ok());
  EXPECT_TRUE(Exists(Path(deep + "/upper/g")));
}

TEST_P(MountTest, OverlayTakes500LayersAndSaysWhyNotMore) {
  // In memory: the disk under the temporary directory has other things to do.
  MakeDir("a-rather-long-name-for-a-layer");
  Result<Mounted> memory = MountAll({{"tmpfs", "t", "", {}}}, Path("a-rather-long-name-for-a-layer"));
  ASSERT_TRUE(memory.ok());
  std::vector<std::string> layers;
  for (int i = 0; i < 501; ++i) {
    const std::string name = "a-rather-long-name-for-a-layer/" + std::to_string(i);
    MakeDir(name);
    layers.push_back(Path(name));
    ASSERT_TRUE(WriteFile(Path(name + "/f" + std::to_string(i)), "").ok());
  }
  const Status too_many = Do({Overlay(layers)}).status();
  EXPECT_FALSE(too_many.ok());
  if (GetParam() == MountApi::kNew) {
    EXPECT_THAT(too_many.ToString(), HasSubstr("limit is 500"));
  }
  EXPECT_FALSE(*IsMountPoint(Path("m")));
  layers.pop_back();
  Result<Mounted> m = Do({Overlay(layers)});
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  EXPECT_EQ(ListDir(AT_FDCWD, Path("m"))->size(), 500U);
  EXPECT_TRUE(m->Unmount().ok());
}

TEST_P(MountTest, OverlayErrorNamesTheLayer) {
  MakeDir("lower");
  const Status s = Do({Overlay({Path("lower"), Path("absent")})}).status();
  EXPECT_EQ(s.code(), Code::kNotFound);
  if (GetParam() == MountApi::kNew) {
    EXPECT_THAT(s.ToString(), HasSubstr(Path("absent")));
    const Mount odd{"overlay", "overlay", "", {"lowerdir=" + Path("lower"), "nosuchoption=1"}};
    EXPECT_THAT(Do({odd}).status().ToString(), HasSubstr("Unknown parameter 'nosuchoption'"));
  }
}

TEST_P(MountTest, BindIsReadOnlyWhereAsked) {
  MakeDir("source");
  ASSERT_TRUE(WriteFile(Path("source/f"), "x").ok());
  {
    Result<Mounted> m = Do({{"bind", Path("source"), "", {"bind", "ro", "nodev"}}});
    ASSERT_TRUE(m.ok()) << m.status().ToString();
    EXPECT_EQ(*ReadFile(Path("m/f")), "x");
    EXPECT_EQ(WriteFile(Path("m/g"), "").error_number(), EROFS);
    EXPECT_THAT(InfoOf(Path("m")).mount_options, HasSubstr("ro,nodev"));
    EXPECT_TRUE(WriteFile(Path("source/g"), "").ok());
  }
  EXPECT_FALSE(*IsMountPoint(Path("m")));
  Result<Mounted> m = Do({{"bind", Path("source"), "", {"bind", "rw"}}});
  ASSERT_TRUE(m.ok());
  EXPECT_TRUE(WriteFile(Path("m/h"), "").ok());
}

TEST_P(MountTest, RecursiveBindTakesSubmountsAndMakesThemReadOnly) {
  MakeDir("source/sub");
  ASSERT_TRUE(MountFilesystem("tmpfs", "t", Path("source/sub"), {}).ok());
  ASSERT_TRUE(WriteFile(Path("source/sub/f"), "x").ok());
  {
    Result<Mounted> plain = Do({{"none", Path("source"), "", {"bind"}}});
    ASSERT_TRUE(plain.ok());
    EXPECT_FALSE(Exists(Path("m/sub/f")));
  }
  {
    Result<Mounted> m = Do({{"bind", Path("source"), "", {"rbind", "ro"}}});
    ASSERT_TRUE(m.ok()) << m.status().ToString();
    EXPECT_TRUE(Exists(Path("m/sub/f")));
    EXPECT_EQ(WriteFile(Path("m/sub/g"), "").error_number(), EROFS);
    EXPECT_TRUE(WriteFile(Path("source/sub/g"), "").ok());
    EXPECT_TRUE(m->Unmount().ok());
  }
  EXPECT_FALSE(*IsMountPoint(Path("m")));
  EXPECT_TRUE(UnmountPath(Path("source/sub")).ok());
}

// The shape of a btrfs driver: subvolumes of one mounted device, some of them read-only.
TEST_P(MountTest, SubvolumesOfAMountedDevice) {
  Result<Fd> image = Open(Path(""), O_TMPFILE | O_RDWR, 0600);
  ASSERT_TRUE(image.ok());
  ASSERT_EQ(ftruncate(image->get(), 256 << 20), 0);
  Result<LoopDevice> loop = LoopDevice::Attach(image->get(), false);
  ASSERT_TRUE(loop.ok()) << loop.status().ToString();
  ASSERT_TRUE(RunCommandOk({"mkfs.btrfs", "-q", loop->path()}).ok());
  MakeDir("pool");
  Result<Mounted> pool = MountAll({{"btrfs", loop->path(), "", {}}}, Path("pool"), GetParam());
  ASSERT_TRUE(pool.ok()) << pool.status().ToString();
  ASSERT_TRUE(RunCommandOk({"btrfs", "subvolume", "create", Path("pool/a,b")}).ok());
  ASSERT_TRUE(RunCommandOk({"btrfs", "subvolume", "create", Path("pool/one")}).ok());
  ASSERT_TRUE(WriteFile(Path("pool/one/f"), "x").ok());
  ASSERT_TRUE(WriteFile(Path("pool/a,b/g"), "x").ok());
  {
    Result<Mounted> view = Do({{"btrfs", loop->path(), "", {"ro", "subvol=one"}}});
    ASSERT_TRUE(view.ok()) << view.status().ToString();
    EXPECT_THAT(*ListDir(AT_FDCWD, Path("m")), ElementsAre("f"));
    EXPECT_EQ(WriteFile(Path("m/new"), "").error_number(), EROFS);
    EXPECT_TRUE(WriteFile(Path("pool/one/new"), "").ok());
    MakeDir("active");
    Result<Mounted> active =
        MountAll({{"btrfs", loop->path(), "", {"subvol=one"}}}, Path("active"), GetParam());
    ASSERT_TRUE(active.ok()) << active.status().ToString();
    EXPECT_TRUE(WriteFile(Path("active/newer"), "").ok());
    EXPECT_TRUE(Exists(Path("m/newer")));
  }
  const Mount comma{"btrfs", loop->path(), "", {"subvol=a,b"}};
  Result<Mounted> odd = Do({comma});
  if (GetParam() == MountApi::kNew) {
    ASSERT_TRUE(odd.ok()) << odd.status().ToString();
    EXPECT_THAT(*ListDir(AT_FDCWD, Path("m")), ElementsAre("g"));
    EXPECT_TRUE(odd->Unmount().ok());
  } else {
    EXPECT_EQ(odd.status().code(), Code::kInvalidArgument);
  }
  EXPECT_TRUE(pool->Unmount().ok());
}

TEST_P(MountTest, BindOfAFile) {
  ASSERT_TRUE(WriteFile(Path("source"), "content").ok());
  ASSERT_TRUE(WriteFile(Path("target"), "").ok());
  Result<Mounted> m = MountAll({{"bind", Path("source"), "", {"bind", "ro"}}}, Path("target"), GetParam());
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  EXPECT_EQ(*ReadFile(Path("target")), "content");
}

TEST_P(MountTest, SubPathsAreResolvedInsideTheMountPoint) {
  MakeDir("outside");
  Result<Mounted> m = Do({{"tmpfs", "t", "", {}}});
  ASSERT_TRUE(m.ok());
  ASSERT_TRUE(MakeDirs(Path("m/a/outside")).ok());
  ASSERT_EQ(symlink("../../../outside", Path("m/a/link").c_str()), 0);
  ASSERT_TRUE(MakeDirs(Path("m/outside")).ok());
  Result<Mounted> inner = Do({{"tmpfs", "inner", "a/link", {}}, {"tmpfs", "second", "/a/outside", {}}});
  ASSERT_TRUE(inner.ok()) << inner.status().ToString();
  EXPECT_EQ(InfoOf(Path("m/outside")).source, "inner");
  EXPECT_EQ(InfoOf(Path("m/a/outside")).source, "second");
  EXPECT_FALSE(*IsMountPoint(Path("outside")));
}

TEST_P(MountTest, NothingStaysMountedAfterAFailure) {
  const size_t before = ReadMountInfo()->size();
  const Status s = Do({{"tmpfs", "t", "", {}}, {"tmpfs", "t", "absent", {}}}).status();
  EXPECT_EQ(s.code(), Code::kNotFound);
  EXPECT_THAT(Do({{"nosuchfs", "x", "", {}}}).status().ToString(), HasSubstr("nosuchfs"));
  EXPECT_EQ(Do({{"none", "x", "", {}}}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Do({{"bind", "/", "", {"bind", "size=1"}}}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(ReadMountInfo()->size(), before);
}

TEST_P(MountTest, BusyIsAnErrorAndTheMountStaysOwned) {
  Result<Mounted> m = Do({{"tmpfs", "t", "", {}}});
  ASSERT_TRUE(m.ok());
  Result<Fd> user = Open(Path("m"), O_RDONLY);
  const Status s = m->Unmount();
  EXPECT_EQ(s.code(), Code::kFailedPrecondition);
  EXPECT_EQ(s.error_number(), EBUSY);
  EXPECT_TRUE(m->active());
  EXPECT_TRUE(m->UnmountLazily().ok());
  EXPECT_FALSE(*IsMountPoint(Path("m")));
}

TEST_P(MountTest, ReleasedMountsStay) {
  {
    Result<Mounted> m = Do({{"tmpfs", "t", "", {}}});
    ASSERT_TRUE(m.ok());
    m->Release();
  }
  EXPECT_TRUE(*IsMountPoint(Path("m")));
  EXPECT_TRUE(UnmountPath(Path("m")).ok());
}

TEST_P(MountTest, MountInfoIsUnescaped) {
  MakeDir("sp ace\n\\x");
  ASSERT_TRUE(MountFilesystem("tmpfs", "my source", Path("sp ace\n\\x"), {}, GetParam()).ok());
  EXPECT_EQ(InfoOf(Path("sp ace\n\\x")).source, "my source");
  EXPECT_TRUE(UnmountPath(Path("sp ace\n\\x")).ok());
}

}  // namespace
}  // namespace layermark
