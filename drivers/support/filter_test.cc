#include "drivers/support/filter.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

Info Sample() {
  Info info;
  info.kind = Kind::kActive;
  info.name = "web-1";
  info.parent = "base";
  info.labels = {{"team", "red"}, {"a.b/c", "d e"}, {"dotted.key", "x"}};
  return info;
}

bool Passes(const std::string& text, const Info& info = Sample()) {
  auto filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status().ToString();
  return filter.ok() && filter->Matches(info);
}

TEST(FilterTest, FieldsCompare) {
  EXPECT_TRUE(Passes("name==web-1"));
  EXPECT_FALSE(Passes("name==web"));
  EXPECT_TRUE(Passes("name!=web"));
  EXPECT_TRUE(Passes("kind==active"));
  EXPECT_FALSE(Passes("kind==Active"));
  EXPECT_TRUE(Passes("parent == base"));
  EXPECT_TRUE(Passes(""));
  EXPECT_TRUE(Passes("  "));
}

TEST(FilterTest, ClausesAreAnded) {
  EXPECT_TRUE(Passes("name==web-1,kind==active,labels.team==red"));
  EXPECT_FALSE(Passes("name==web-1,kind==view"));
  EXPECT_TRUE(Passes("parent , labels.team"));
}

TEST(FilterTest, PresenceAndAbsence) {
  Info orphan = Sample();
  orphan.parent = "";
  EXPECT_TRUE(Passes("parent"));
  EXPECT_FALSE(Passes("parent", orphan));
  EXPECT_TRUE(Passes("parent!=base", orphan));
  EXPECT_FALSE(Passes("labels.none"));
  EXPECT_FALSE(Passes("labels.none==x"));
  EXPECT_TRUE(Passes("labels.none!=x"));
  EXPECT_FALSE(Passes("labels.none~=.*"));
  EXPECT_FALSE(Passes("unknown"));
}

TEST(FilterTest, Quoting) {
  EXPECT_TRUE(Passes("labels.\"a.b/c\"==\"d e\""));
  EXPECT_TRUE(Passes("labels.dotted.key==x"));
  EXPECT_TRUE(Passes("name==\"web\\\\1\"") == false);
  Info quoted = Sample();
  quoted.name = "a\"b\n";
  EXPECT_TRUE(Passes("name==\"a\\\"b\\n\"", quoted));
}

TEST(FilterTest, RegularExpressions) {
  EXPECT_TRUE(Passes("name~=^web-[0-9]+$"));
  EXPECT_FALSE(Passes("name~=^eb"));
  EXPECT_TRUE(Passes("labels.\"a.b/c\"~=/^d e$/"));
  EXPECT_TRUE(Passes("name~=|web/*|"));
  EXPECT_TRUE(Passes("name~=\"w.b\""));
}

TEST(FilterTest, MalformedFiltersAreInvalidArguments) {
  for (const char* text :
       {"name=", "name=x", "name==", "==x", "name==x,", ",name", "name x", "name==\"x", "\"name", "name~=[",
        "labels.", "labels..x", "name==x y", "name==\"x\"y", "name==\"\\q\"", "9name"}) {
    auto filter = Filter::Parse(text);
    ASSERT_FALSE(filter.ok()) << text;
    EXPECT_EQ(filter.status().code(), Code::kInvalidArgument) << text;
    EXPECT_NE(filter.status().message().find(text), std::string::npos) << filter.status().ToString();
  }
}

TEST(FilterTest, ASetIsAnOr) {
  auto set = FilterSet::Parse({"name==other", "kind==active"});
  ASSERT_TRUE(set.ok());
  EXPECT_TRUE(set->Matches(Sample()));
  auto none = FilterSet::Parse({"name==other", "kind==view"});
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->Matches(Sample()));
  EXPECT_TRUE(FilterSet::Parse({})->Matches(Sample()));
  EXPECT_FALSE(FilterSet::Parse({"kind", "="}).ok());
}

}  // namespace
}  // namespace layermark
