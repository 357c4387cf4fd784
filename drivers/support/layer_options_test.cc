#include "drivers/support/layer_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layermark {
namespace {

using ::testing::ElementsAre;

TEST(LayerOptionsTest, LayersAreTakenApartInOrder) {
  EXPECT_THAT(TakeLayersApart("overlay", {"ro", "lowerdir=/a:/b\\:c:/d", "upperdir=/u"}),
              ElementsAre("ro", "lowerdir=/a", "lowerdir=/b:c", "lowerdir=/d", "upperdir=/u"));
  EXPECT_THAT(TakeLayersApart("fuse3.fuse-overlayfs", {"lowerdir=/a:/b"}),
              ElementsAre("lowerdir=/a", "lowerdir=/b"));
  EXPECT_THAT(TakeLayersApart("btrfs", {"lowerdir=/a:/b"}), ElementsAre("lowerdir=/a:/b"));
}

TEST(LayerOptionsTest, JoinedLayersComeApartAgain) {
  const std::vector<std::string> apart = {"index=off", "lowerdir=/a:1", "lowerdir=/b,2", "workdir=/w",
                                          "lowerdir=/c\\3"};
  const std::vector<std::string> joined = JoinLayers(apart);
  EXPECT_THAT(joined, ElementsAre("index=off", "lowerdir=/a\\:1:/b\\,2:/c\\\\3", "workdir=/w"));
  EXPECT_THAT(TakeLayersApart("overlay", joined),
              ElementsAre("index=off", "lowerdir=/a:1", "lowerdir=/b,2", "lowerdir=/c\\3", "workdir=/w"));
  EXPECT_THAT(JoinLayers({"ro", "rbind"}), ElementsAre("ro", "rbind"));
}

}  // namespace
}  // namespace layermark
