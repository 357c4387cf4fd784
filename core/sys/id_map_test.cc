#include "core/sys/id_map.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys/mount.h"
#include "testing/mount_test_util.h"

namespace layermark {
namespace {

class IdMapTest : public PrivateMountsTest {};

TEST_F(IdMapTest, FilesBelongToOthersOnTheMountAndStayOnDisk) {
  MakeDir("source");
  ASSERT_TRUE(WriteFile(Path("source/f"), "x").ok());
  ASSERT_EQ(chown(Path("source/f").c_str(), 5, 66), 0);
  const Status bound = BindIdMapped(Path("source"), Path("m"), 100'000);
  ASSERT_TRUE(bound.ok()) << bound.ToString();
  struct stat st = {};
  ASSERT_EQ(stat(Path("m/f").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 100'005U);
  EXPECT_EQ(st.st_gid, 100'066U);
  EXPECT_EQ(chown(Path("m/f").c_str(), 100'007, 100'000), 0);
  EXPECT_TRUE(UnmountPath(Path("m")).ok());
  ASSERT_EQ(stat(Path("source/f").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 7U);
  EXPECT_EQ(st.st_gid, 0U);
}

TEST_F(IdMapTest, AFileSystemWithoutThemIsInvalidArgument) {
  EXPECT_EQ(BindIdMapped("/proc/self", Path("m"), 100'000).error_number(), EINVAL);
  EXPECT_FALSE(*IsMountPoint(Path("m")));
}

}  // namespace
}  // namespace layermark
