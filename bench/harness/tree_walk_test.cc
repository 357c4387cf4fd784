#include "bench/harness/tree_walk.h"

#include <gtest/gtest.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/layer.h"

namespace layermark {
namespace {

TEST(TreeWalkTest, CountsEveryEntryAndSumsUpContentWhereAsked) {
  const auto tree = TempTree::Create(testing::TempDir(), "walk");
  ASSERT_TRUE(tree.ok());
  const auto root = Open(tree->path(), O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(root.ok());
  const Layer layer =
      Layer().Dir("a").Dir("a/b").File("a/b/f", "12345").File("g", "678").Symlink("loop", "a").Fifo("fifo");
  ASSERT_TRUE(ApplyLayer(layer, root->get()).ok());
  const auto attributes = WalkTree(root->get());
  ASSERT_TRUE(attributes.ok()) << attributes.status().ToString();
  EXPECT_EQ(attributes->entries, 6);
  EXPECT_EQ(attributes->file_bytes, 8);
  EXPECT_EQ(attributes->sum, 0U);
  const auto before = WalkTree(root->get(), Walk::kChecksum);
  ASSERT_TRUE(before.ok());
  ASSERT_TRUE(WriteFileAt(root->get(), "g", "679").ok());
  const auto after = WalkTree(root->get(), Walk::kChecksum);
  ASSERT_TRUE(after.ok());
  EXPECT_NE(before->sum, after->sum);
  EXPECT_EQ(before->entries, after->entries);
}

TEST(TreeWalkTest, WhatIsNoDirectoryIsAnError) {
  EXPECT_FALSE(WalkTree(-1).ok());
}

}  // namespace
}  // namespace layermark
