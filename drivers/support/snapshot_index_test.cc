#include "drivers/support/snapshot_index.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

TEST(SnapshotIndexTest, FindsByNameAndFollowsParents) {
  SnapshotIndex index;
  index.Put("base", {1, 0, Kind::kCommitted});
  index.Put("middle", {2, 1, Kind::kCommitted});
  index.Put("top", {7, 2, Kind::kActive});
  ASSERT_TRUE(index.Find("middle").has_value());
  EXPECT_EQ(index.Find("middle")->id, 2);
  EXPECT_EQ(index.Find("middle")->kind, Kind::kCommitted);
  EXPECT_FALSE(index.Find("none").has_value());
  EXPECT_EQ(index.Chain(7), (std::vector<int64_t>{7, 2, 1}));
  EXPECT_TRUE(index.Chain(8).empty());
  EXPECT_TRUE(index.HasChildren(1));
  EXPECT_FALSE(index.HasChildren(7));
}

TEST(SnapshotIndexTest, ACommitChangesNameKindAndParentAtOnce) {
  SnapshotIndex index;
  index.Put("base", {1, 0, Kind::kCommitted});
  index.Put("active", {2, 0, Kind::kActive});
  EXPECT_FALSE(index.HasChildren(1));
  index.Put("layer", {2, 1, Kind::kCommitted});
  EXPECT_FALSE(index.Find("active").has_value());
  EXPECT_EQ(index.Find("layer")->parent_id, 1);
  EXPECT_EQ(index.Chain(2), (std::vector<int64_t>{2, 1}));
  EXPECT_TRUE(index.HasChildren(1));
}

TEST(SnapshotIndexTest, TheLastChildThatGoesFreesItsParent) {
  SnapshotIndex index;
  index.Put("base", {1, 0, Kind::kCommitted});
  index.Put("a", {2, 1, Kind::kActive});
  index.Put("b", {3, 1, Kind::kActive});
  index.Erase(2);
  EXPECT_TRUE(index.HasChildren(1));
  index.Erase(3);
  EXPECT_FALSE(index.HasChildren(1));
  index.Erase(3);  // once is enough
  EXPECT_FALSE(index.Find("b").has_value());
  index.Put("b", {4, 1, Kind::kActive});
  EXPECT_EQ(index.Find("b")->id, 4);
}

}  // namespace
}  // namespace layermark
