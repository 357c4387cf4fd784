#include "scenario/image_room.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

TEST(ImageRoomTest, ADriverThatCopiesHoldsTheTreeOfEachLayer) {
  const Result<ImageSource> image = ImageSource::FromSpec(SmokeSpec());
  ASSERT_TRUE(image.ok()) << image.status().ToString();
  ASSERT_GT(image->layer_count(), 1u);
  int64_t tree = 0;
  int64_t stack = 0;
  for (size_t i = 0; i < image->layer_count(); ++i) stack += tree += image->layer_bytes(i);
  EXPECT_GE(RoomForImage(*image, {.stacks = 1}, false), stack);
  EXPECT_GE(RoomForImage(*image, {.stacks = 1, .trees = 10}, false), stack + 10 * tree);
  EXPECT_GE(RoomForImage(*image, {.stacks = 1, .trees = 10, .plain = 2}, false), stack + 12 * tree);
  EXPECT_EQ(RoomForImage(*image, {}, false), 0);
}

TEST(ImageRoomTest, ADriverThatSharesHoldsEachLayerOnce) {
  const Result<ImageSource> image = ImageSource::FromSpec(SmokeSpec());
  ASSERT_TRUE(image.ok()) << image.status().ToString();
  const int64_t one = RoomForImage(*image, {.stacks = 1}, true);
  EXPECT_LT(one, RoomForImage(*image, {.stacks = 1}, false));
  EXPECT_EQ(RoomForImage(*image, {.stacks = 1, .trees = 100}, true), one);
  EXPECT_EQ(RoomForImage(*image, {.stacks = 1, .plain = 1}, true), 2 * one);
}

}  // namespace
}  // namespace layermark
