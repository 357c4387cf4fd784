#include "results/kernel_counters.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "testing/mount_test_util.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

TEST(ParseBlockStat, TakesSectorsAndFlushes) {
  const auto counters = ParseBlockStat("  10 0 16 1  20 3 2048 5  0 9 9  0 0 0 0  7 2\n");
  ASSERT_TRUE(counters.ok()) << counters.status().ToString();
  EXPECT_EQ(counters->read_bytes, 16 * 512);
  EXPECT_EQ(counters->written_bytes, 2048 * 512);
  EXPECT_EQ(counters->flushes, 7);
}

TEST(ParseBlockStat, SaysWhereThereAreNoFlushes) {
  EXPECT_EQ(ParseBlockStat("1 2 3 4 5 6 7 8 9 10 11").status().code(), Code::kUnimplemented);
  EXPECT_EQ(ParseBlockStat("").status().code(), Code::kUnimplemented);
  EXPECT_EQ(ParseBlockStat("1 2 x 4 5 6 7 8 9 10 11 12 13 14 15 16 17").status().code(),
            Code::kInvalidArgument);
}

TEST(ParseSlabInfo, KeepsTheCachesOfFileSystems) {
  const auto slabs = ParseSlabInfo(
      "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> <objperslab> : tunables\n"
      "ovl_inode 10 12 700 23 4 : tunables 0 0 0 : slabdata 1 1 0\n"
      "kmalloc-64 99 99 64 64 1 : tunables 0 0 0 : slabdata 1 1 0\n"
      "dentry 100 210 192 21 1 : tunables 0 0 0 : slabdata 1 1 0\n"
      "mnt_cache 3 25 320 25 2 : tunables 0 0 0 : slabdata 1 1 0\n");
  ASSERT_TRUE(slabs.ok()) << slabs.status().ToString();
  EXPECT_EQ(*slabs, (SlabBytes{{"dentry", 19200}, {"mnt_cache", 960}, {"ovl_inode", 7000}}));
  EXPECT_FALSE(ParseSlabInfo("slabinfo - version: 3.0\n").ok());
  EXPECT_FALSE(ParseSlabInfo("").ok());
}

TEST(Growth, HasWhatCameAndWhatWent) {
  EXPECT_EQ(Growth({{"a", 1}, {"b", 5}, {"c", 7}}, {{"a", 4}, {"c", 7}, {"d", 2}}),
            (SlabBytes{{"a", 3}, {"b", -5}, {"d", 2}}));
  EXPECT_EQ(Sum({{"a", 3}, {"b", -5}}), -2);
}

TEST(ParseDentryState, TakesTheFirstNumber) {
  EXPECT_EQ(ParseDentryState("12345\t6\t45\t0\t7\t0\n").value(), 12345);
  EXPECT_FALSE(ParseDentryState("").ok());
  EXPECT_FALSE(ParseDentryState("x 1").ok());
}

TEST(KernelCounters, CanBeReadHere) {
  const auto slabs = ReadSlabs();
  ASSERT_TRUE(slabs.ok()) << slabs.status().ToString();
  EXPECT_GT(slabs->at("dentry"), 0);
  EXPECT_GT(ReadDentries().value(), 0);
}

using DeviceTest = PrivateMountsTest;

TEST_F(DeviceTest, CountsWhatIsWrittenAndFlushed) {
  auto fs = testing::ScratchFileSystem::Create("ext4", Path("m"));
  ASSERT_TRUE(fs.ok()) << fs.status().ToString();
  const auto before = ReadDevice(fs->path());
  ASSERT_TRUE(before.ok()) << before.status().ToString();
  const Fd file = Open(fs->path() + "/f", O_CREAT | O_WRONLY, 0600).value();
  ASSERT_TRUE(WriteAll(file.get(), std::string(size_t{1} << 20, 'x')).ok());
  ASSERT_EQ(fsync(file.get()), 0);
  const auto after = ReadDevice(fs->path());
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  EXPECT_GE(after->written_bytes - before->written_bytes, 1 << 20);
  EXPECT_GE(after->flushes - before->flushes, 1);
}

TEST_F(DeviceTest, RefusesWhatIsNotItsOwn) {
  ASSERT_TRUE(MountFilesystem("tmpfs", "made", Path("m"), {}).ok());
  const auto device = ReadDevice(Path("m"));
  EXPECT_EQ(device.status().code(), Code::kFailedPrecondition);
  EXPECT_NE(device.status().ToString().find("made"), std::string::npos);
  ASSERT_TRUE(UnmountPath(Path("m")).ok());
}

}  // namespace
}  // namespace layermark
