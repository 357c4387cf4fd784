#include "core/skip_code.h"

#include <gtest/gtest.h>

#include <set>

namespace layermark {
namespace {

TEST(SkipCodes, EachIsOneWordWithASentence) {
  std::set<std::string_view> names;
  for (const SkipCodeRow& row : AllSkipCodes()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string_view::npos)
        << row.name;
    EXPECT_FALSE(row.sentence.empty()) << row.name;
    EXPECT_EQ(SkipCodeName(row.id), row.name);
    EXPECT_TRUE(IsSkipCode(row.name));
  }
  for (const char* other : {"", "skip", "Budget", "capability_missing:"})
    EXPECT_FALSE(IsSkipCode(other)) << other;
}

}  // namespace
}  // namespace layermark
