#include "drivers/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace layermark {
namespace {

using ::testing::HasSubstr;

// A driver and one of its options that takes any of a few values, whatever drivers there are.
struct Sample {
  const Driver* driver = nullptr;
  OptionRow choice;  // has values
  OptionRow text;    // takes any value
};

const Driver* WithOption(bool free_text, OptionRow& row) {
  for (const Driver* driver : AllDrivers()) {
    for (const OptionRow& option : driver->options()) {
      // The instance must be whole with this option alone.
      if (option.values.empty() == free_text &&
          InstanceSpec{driver, {{option.name, "x"}}}.WhatIsMissing().empty()) {
        row = option;
        return driver;
      }
    }
  }
  return nullptr;
}

TEST(RegistryTest, DriversAreSortedAndDescribeThemselves) {
  ASSERT_FALSE(AllDrivers().empty());
  std::string last;
  for (const Driver* driver : AllDrivers()) {
    EXPECT_LT(last, driver->name());
    last = driver->name();
    EXPECT_TRUE(std::regex_match(last, std::regex("[a-z0-9_]+"))) << last;
    EXPECT_EQ(FindDriver(last), driver);
    EXPECT_FALSE(driver->summary().empty());
    EXPECT_LE(driver->summary().size(), 80u) << last;
    EXPECT_TRUE((std::set<std::string>{"ext4", "xfs", "btrfs", "tmpfs"}).contains(driver->default_backing()))
        << last;
    // A formula without explanation is none; the count of an empty store is said all the same.
    if (InstanceSpec{driver, {}}.WhatIsMissing().empty()) {
      EXPECT_GT(driver->inode_formula({}).per_store, 0) << last;
    }
    std::set<std::string> names;
    for (const OptionRow& row : driver->options()) {
      EXPECT_TRUE(names.insert(row.name).second) << last << ": " << row.name;
      EXPECT_FALSE(row.sentence.empty()) << last << ": " << row.name;
    }
  }
  EXPECT_EQ(FindDriver("nosuch"), nullptr);
}

TEST(RegistryTest, DriversClaimNoPrivileges) {
  for (const Driver* driver : AllDrivers()) {
    for (Capability capability : driver->capabilities({}, driver->default_backing()).List()) {
      EXPECT_NE(Row(capability).group, CapabilityGroup::kPrivilege)
          << driver->name() << ": " << Row(capability).name;
    }
  }
}

TEST(RegistryTest, ParsesNameAndOptions) {
  OptionRow row;
  const Driver* driver = WithOption(false, row);
  ASSERT_NE(driver, nullptr);
  auto bare = ParseInstance(driver->name());
  ASSERT_TRUE(bare.ok()) << bare.status().ToString();
  EXPECT_EQ(bare->driver, driver);
  EXPECT_EQ(bare->name(), driver->name());
  EXPECT_EQ(bare->test_name(), driver->name());

  const std::string spec = driver->name() + ":" + row.name + "=" + row.values[0];
  auto instance = ParseInstance(spec);
  ASSERT_TRUE(instance.ok()) << instance.status().ToString();
  EXPECT_EQ(instance->options, (DriverOptions{{row.name, row.values[0]}}));
  EXPECT_EQ(instance->name(), spec);
  EXPECT_EQ(instance->test_name(), driver->name() + "__" + row.name + "_" + row.values[0]);
}

TEST(RegistryTest, EscapesGoBothWays) {
  OptionRow row;
  const Driver* driver = WithOption(true, row);
  ASSERT_NE(driver, nullptr) << "no driver has an option that takes any value";
  InstanceSpec instance{driver, {{row.name, "/a,b\\c:d=e"}}};
  EXPECT_EQ(instance.name(), driver->name() + ":" + row.name + "=/a\\,b\\\\c:d=e");
  auto parsed = ParseInstance(instance.name());
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  EXPECT_EQ(parsed->options, instance.options);
  EXPECT_TRUE(std::regex_match(parsed->test_name(), std::regex("[a-z0-9_]+"))) << parsed->test_name();
}

TEST(RegistryTest, RefusalsNameWhatIsWrongAndWhatIsKnown) {
  OptionRow row;
  const Driver* driver = WithOption(false, row);
  ASSERT_NE(driver, nullptr);
  const std::string name = driver->name();
  struct {
    std::string spec, part, known;
  } const cases[] = {
      {"nosuch", "\"nosuch\"", name},
      {"nosuch:a=b", "\"nosuch\"", name},
      {"", "\"\"", name},
      {name + ":nosuch=on", "\"nosuch\"", row.name},
      {name + ":" + row.name + "=nosuch", "\"nosuch\"", row.values[0]},
      {name + ":" + row.name, row.name, "option=value"},
      {name + ":", "option=value", ""},
      {name + ":" + row.name + "=" + row.values[0] + ",", "option=value", ""},
      {name + ":=x", "option=value", ""},
      {name + ":" + row.name + "=\\x", "backslash", ""},
      {name + ":" + row.name + "=" + row.values[0] + "," + row.name + "=" + row.values[0], "twice", row.name},
  };
  for (const auto& c : cases) {
    auto parsed = ParseInstance(c.spec);
    ASSERT_FALSE(parsed.ok()) << c.spec;
    EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument) << c.spec;
    EXPECT_THAT(parsed.status().message(), HasSubstr(c.part)) << c.spec;
    EXPECT_THAT(parsed.status().message(), HasSubstr(c.known)) << c.spec;
    EXPECT_EQ(parsed.status().message().find('\n'), std::string::npos);
  }
}

TEST(KindNameTest, NamesGoBothWays) {
  for (Kind kind : {Kind::kUnknown, Kind::kView, Kind::kActive, Kind::kCommitted}) {
    EXPECT_EQ(KindFromName(KindName(kind)), kind);
  }
  EXPECT_EQ(KindFromName("AcTiVe"), Kind::kActive);
  EXPECT_EQ(KindFromName("actives"), Kind::kUnknown);
  EXPECT_EQ(KindFromName(""), Kind::kUnknown);
}

}  // namespace
}  // namespace layermark
