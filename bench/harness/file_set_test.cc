#include "bench/harness/file_set.h"

#include <gtest/gtest.h>

#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"

namespace layermark {
namespace {

TEST(FileSetTest, DescriptionsHaveTheirCountsAndSizes) {
  EXPECT_EQ(EqualFiles(10, 512).bytes(), 5120);
  const FileSet tree = LeafTree(5);
  EXPECT_EQ(tree.files.size(), 32U);
  EXPECT_EQ(tree.directories.size(), 63U);  // 1 + 2 + 4 + ... + 32, the leaves' own among them
  EXPECT_EQ(BigFiles(10, 1 << 20).bytes(), int64_t{1690} << 20);
  const FileSet wide = WideTree(45, 90, 1);
  EXPECT_EQ(wide.directories.size(), 45U);
  EXPECT_EQ(wide.directories[21], "d0/d1/d21");
  EXPECT_EQ(wide.files.size(), 90U);
}

TEST(FileSetTest, TheSameSetTwiceIsTheSameTreeAndOneByteMakesAnother) {
  const auto tree = TempTree::Create(testing::TempDir(), "file-set");
  ASSERT_TRUE(tree.ok()) << tree.status().ToString();
  const FileSet set = BigFiles(2, 3000);
  uint64_t sums[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    const std::string path = tree->path() + "/" + std::to_string(i);
    ASSERT_TRUE(MakeDirs(path).ok());
    const auto root = Open(path, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(root.ok());
    ASSERT_TRUE(WriteFileSet(set, root->get()).ok());
    ASSERT_TRUE(ReadEach(set, root->get(), &sums[i]).ok());
  }
  EXPECT_EQ(sums[0], sums[1]);
  const auto root = Open(tree->path() + "/1", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(root.ok());
  ASSERT_TRUE(AppendToEach(set, root->get(), "+").ok());
  EXPECT_EQ(ReadEach(set, root->get()).code(), Code::kDataLoss) << "the files are longer now";
  ASSERT_TRUE(CutEach(set, root->get()).ok());
  ASSERT_TRUE(ReadEach(set, root->get(), &sums[1]).ok());
  EXPECT_EQ(sums[0], sums[1]);
  const auto fd = OpenAt(root->get(), set.files.back().path, O_WRONLY);
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(PWriteAll(fd->get(), "\x01", 5).ok());
  ASSERT_TRUE(PWriteAll(fd->get(), "\x02", 5).ok());
  ASSERT_TRUE(ReadEach(set, root->get(), &sums[1]).ok());
  EXPECT_NE(sums[0], sums[1]);
}

}  // namespace
}  // namespace layermark
