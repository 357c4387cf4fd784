#include "drivers/exec/timestamp.h"

#include <gtest/gtest.h>

#include <limits>

namespace layermark {
namespace {

TEST(TimestampTest, ReadsWhatProtobufWrites) {
  EXPECT_EQ(ParseTimestamp("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseTimestamp("1970-01-02T00:00:01.5Z"), 86401500000000);
  EXPECT_EQ(ParseTimestamp("2026-11-23T21:15:29.000000001Z"), 1795468529000000001);
  EXPECT_EQ(ParseTimestamp("1969-12-31T23:59:59.999999999Z"), -1);
  EXPECT_EQ(ParseTimestamp("2000-02-29T12:00:00+02:00"), ParseTimestamp("2000-02-29T10:00:00Z"));
  EXPECT_EQ(ParseTimestamp("2000-02-29T12:00:00-02:30"), ParseTimestamp("2000-02-29T14:30:00z"));
}

TEST(TimestampTest, RefusesEverythingElse) {
  for (const char* text :
       {"", "now", "2026-11-23", "2026-11-23 21:15:29Z", "2026-11-23T21:15:29", "2026-11-23T21:15:29.Z",
        "2026-11-23T21:15:29.0000000001Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+0200", "2026-1-01T00:00:00Z", "2026-01-01T00:00:00Zx", "9999-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z", "-026-01-01T00:00:00Z"}) {
    EXPECT_EQ(ParseTimestamp(text), std::nullopt) << text;
  }
}

TEST(TimestampTest, WhatIsWrittenIsReadBack) {
  EXPECT_EQ(FormatTimestamp(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimestamp(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(FormatTimestamp(1795468529000000001), "2026-11-23T21:15:29.000000001Z");
  for (int64_t ns : {int64_t{1}, int64_t{-1500000000}, int64_t{1} << 62, std::numeric_limits<int64_t>::max(),
                     std::numeric_limits<int64_t>::min()}) {
    EXPECT_EQ(ParseTimestamp(FormatTimestamp(ns)), ns) << FormatTimestamp(ns);
  }
}

}  // namespace
}  // namespace layermark
