#include "core/sys/cached_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

TEST(CachedPagesTest, WhatWasReadIsCachedBothWaysAndWhatWasDroppedIsNot) {
  const auto tree = TempTree::Create(testing::TempDir(), "cached");
  ASSERT_TRUE(tree.ok()) << tree.status().ToString();
  const std::string path = tree->path() + "/f";
  constexpr size_t kBytes = size_t{64} << 12;
  ASSERT_TRUE(WriteFile(path, std::string(kBytes, 'c')).ok());
  const auto fd = Open(path, O_RDWR);
  ASSERT_TRUE(fd.ok());
  ASSERT_EQ(fsync(fd->get()), 0);
  for (const auto& count : {CachedBytes(fd->get()), CachedBytesByMincore(fd->get())}) {
    ASSERT_TRUE(count.ok()) << count.status().ToString();
    EXPECT_EQ(*count, static_cast<int64_t>(kBytes));
  }
  ASSERT_EQ(posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  const auto left = CachedBytes(fd->get());
  ASSERT_TRUE(left.ok());
  EXPECT_LT(*left, static_cast<int64_t>(kBytes)) << "a temporary directory in memory cannot drop pages";
}

TEST(CachedPagesTest, AnEmptyFileHoldsNothingAndADirectoryIsRefused) {
  const auto tree = TempTree::Create(testing::TempDir(), "cached");
  ASSERT_TRUE(tree.ok());
  ASSERT_TRUE(WriteFile(tree->path() + "/empty", "").ok());
  const auto fd = Open(tree->path() + "/empty", O_RDONLY);
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(CachedBytes(fd->get()).status().code(), Code::kOk);
  EXPECT_EQ(*CachedBytesByMincore(fd->get()), 0);
  EXPECT_FALSE(CachedBytesByMincore(-1).ok());
}

}  // namespace
}  // namespace layermark
