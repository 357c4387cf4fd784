#include "core/sys/kernel_names.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/syscall.h>

namespace layermark {
namespace {

TEST(KernelNames, AreThoseOfTheHeaders) {
  EXPECT_EQ(SyscallName(SYS_openat), "openat");
  EXPECT_EQ(SyscallName(SYS_prctl), "prctl");
  EXPECT_EQ(SyscallName(SYS_newfstatat), "newfstatat");
  EXPECT_EQ(SyscallName(SYS_move_mount), "move_mount");
  EXPECT_EQ(FuseOpcodeName(FUSE_LOOKUP), "LOOKUP");
  EXPECT_EQ(FuseOpcodeName(FUSE_SYNCFS), "SYNCFS");
}

TEST(KernelNames, KnowCallsYoungerThanTheHeaders) {
  EXPECT_EQ(SyscallName(451), "cachestat");
  EXPECT_EQ(SyscallName(457), "statmount");
}

TEST(KernelNames, GiveANumberWhereThereIsNoName) {
  EXPECT_EQ(SyscallName(99999), "syscall_99999");
  EXPECT_EQ(SyscallName(UINT64_MAX), "syscall_18446744073709551615");
  EXPECT_EQ(FuseOpcodeName(9999), "opcode_9999");
}

}  // namespace
}  // namespace layermark
