#include "bench/harness/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layermark {
namespace {

using testing::ElementsAre;

TEST(ScheduleTest, TheMiddleChoiceOfEachWorkloadComesFirst) {
  WorkloadEntry mount;
  WorkloadEntry unpack;
  WorkloadEntry copy;
  const std::vector<WorkloadChoice> choices = {{&mount, {{"layers", "1"}}},  {&mount, {{"layers", "8"}}},
                                               {&mount, {{"layers", "32"}}}, {&unpack, {}},
                                               {&copy, {{"size", "4KiB"}}},  {&copy, {{"size", "1MiB"}}}};
  EXPECT_THAT(MiddleChoicesFirst(choices), ElementsAre(1, 3, 4, 0, 2, 5));
}

TEST(ScheduleTest, NothingStaysNothing) {
  EXPECT_TRUE(MiddleChoicesFirst({}).empty());
}

}  // namespace
}  // namespace layermark
