// Mounts made of others, and file systems in files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "testing/mount_test_util.h"

namespace layermark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MountPartsTest : public PrivateMountsTest, public testing::WithParamInterface<MountApi> {
 protected:
  Result<Mounted> Do(const std::vector<Mount>& mounts) { return MountAll(mounts, Path("m"), GetParam()); }
  // A file system of 4 MiB in a file, with a directory "in".
  std::string Image(const std::string& name) const {
    EXPECT_TRUE(WriteFile(Path(name), "").ok());
    EXPECT_EQ(truncate(Path(name).c_str(), 4 << 20), 0);
    MakeDir("tree/in");
    EXPECT_TRUE(WriteFile(Path("tree/in/" + name), name).ok());
    const auto made = RunCommandOk({"mkfs.ext4", "-q", "-d", Path("tree"), Path(name)});
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    EXPECT_TRUE(RemoveTree(Path("tree")).ok());
    return Path(name);
  }
  size_t MountsBelowTarget() const {
    size_t count = 0;
    const std::vector<MountInfo> all = *ReadMountInfo();
    for (const MountInfo& info : all) count += info.mount_point.starts_with(Path("m"));
    return count;
  }
};

INSTANTIATE_TEST_SUITE_P(Api, MountPartsTest, testing::Values(MountApi::kNew, MountApi::kOld),
                         [](const auto& row) { return row.param == MountApi::kNew ? "New" : "Old"; });

TEST_P(MountPartsTest, AFileSystemInAFileIsMounted) {
  for (const bool loop : {false, true}) {
    Mount mount{"ext4", Image("image"), "", {"ro"}};
    if (loop) mount.options.emplace_back("loop");
    Result<Mounted> m = Do({mount});
    ASSERT_TRUE(m.ok()) << m.status().ToString();
    EXPECT_EQ(*ReadFile(Path("m/in/image")), "image");
    EXPECT_THAT(InfoOf(Path("m")).source, HasSubstr("/dev/loop"));
    EXPECT_TRUE(m->Unmount().ok());
  }
}

TEST_P(MountPartsTest, AnOverlayOverImagesIsOneMountToItsUser) {
  for (const char* dir : {"upper", "work"}) MakeDir(dir);
  const std::vector<Mount> mounts = {{"ext4", Image("a"), "", {"ro"}},
                                     {"ext4", Image("b"), "", {"ro"}},
                                     {"format/overlay",
                                      "overlay",
                                      "",
                                      {"lowerdir={{ mount 0 }}/in", "lowerdir={{ mount 1 }}/in",
                                       "upperdir=" + Path("upper"), "workdir=" + Path("work")}}};
  for (int times = 0; times < 2; ++times) {
    Result<Mounted> m = Do(mounts);
    ASSERT_TRUE(m.ok()) << m.status().ToString();
    EXPECT_THAT(*ListDir(AT_FDCWD, Path("m")), ElementsAre("a", "b"));
    EXPECT_EQ(InfoOf(Path("m")).type, "overlay");
    EXPECT_TRUE(WriteFile(Path("m/a"), "changed").ok());
    const Status unmounted = m->Unmount();
    EXPECT_TRUE(unmounted.ok()) << unmounted.ToString();
    EXPECT_EQ(MountsBelowTarget(), 0u);
    EXPECT_EQ(*ReadFile(Path("upper/a")), "changed");
    ASSERT_TRUE(unlink(Path("upper/a").c_str()) == 0);
  }
}

TEST_P(MountPartsTest, AFailureLeavesNoPartMounted) {
  const Mount good{"ext4", Image("a"), "", {"ro"}};
  const Mount bad{"ext4", Path("missing"), "", {"ro"}};
  const auto overlay = [](const std::string& lower) {
    return Mount{"format/overlay", "overlay", "", {"lowerdir=" + lower, "ro"}};
  };
  EXPECT_FALSE(Do({good, bad, overlay("{{ mount 0 }}")}).ok());
  EXPECT_FALSE(Do({good, overlay("{{ mount 0 }}/missing")}).ok());
  for (const char* lower : {"{{ mount 1 }}", "{{ mount x }}", "{{ mount 0", "{{ mount -1 }}"}) {
    const Result<Mounted> m = Do({good, overlay(lower)});
    EXPECT_EQ(m.status().code(), Code::kInvalidArgument) << lower << ": " << m.status().ToString();
  }
  EXPECT_EQ(MountsBelowTarget(), 0u);
}

TEST_P(MountPartsTest, ABusyMountKeepsItsParts) {
  const Mount overlay{"format/overlay", "overlay", "", {"lowerdir={{ mount 0 }}", "lowerdir={{ mount 1 }}"}};
  Result<Mounted> m = Do({{"ext4", Image("a"), "", {"ro"}}, {"ext4", Image("b"), "", {"ro"}}, overlay});
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  {
    const Fd held = Open(Path("m/in/a"), O_RDONLY).value();
    EXPECT_FALSE(m->Unmount().ok());
    EXPECT_EQ(*ReadAll(held.get()), "a");
    EXPECT_TRUE(m->active());
  }
  EXPECT_TRUE(m->Unmount().ok());
  EXPECT_EQ(MountsBelowTarget(), 0u);
}

}  // namespace
}  // namespace layermark
