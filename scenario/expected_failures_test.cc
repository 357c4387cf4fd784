#include "scenario/expected_failures.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

constexpr const char* kFile = R"(
[[expect]]
case = "rename.directory_*"
reason = "*EXDEV*"
when = { "option.redirect_dir" = "off", backing = "ext4", "feature.reflink" = false, version = ">=1.10,<1.13" }
cause = "no directory renames"
link = "https://example.org/1"
)";

DeviationContext Context() {
  DeviationContext c;
  c.driver = "some";
  c.options = {{"redirect_dir", "off"}};
  c.backing = "ext4";
  c.device = "ram";
  c.version = "program 1.12.3";
  return c;
}

TEST(ExpectedFailures, AllConditionsMustHold) {
  auto entries = ParseExpectedFailures(kFile, "some", "file");
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_NE(FindExpected(*entries, Context(), "rename.directory_x", "rename -> EXDEV"), nullptr);
  EXPECT_EQ(FindExpected(*entries, Context(), "rename.file_x", "rename -> EXDEV"), nullptr);
  EXPECT_EQ(FindExpected(*entries, Context(), "rename.directory_x", "lost an entry"), nullptr);
  auto other = Context();
  other.version = "program 1.13";
  EXPECT_EQ(FindExpected(*entries, other, "rename.directory_x", "EXDEV"), nullptr);
  other = Context();
  other.backing = "xfs";
  EXPECT_EQ(FindExpected(*entries, other, "rename.directory_x", "EXDEV"), nullptr);
  other = Context();
  other.features.Add(Capability::reflink);
  EXPECT_EQ(FindExpected(*entries, other, "rename.directory_x", "EXDEV"), nullptr);
  other = Context();
  other.options.clear();
  EXPECT_EQ(FindExpected(*entries, other, "rename.directory_x", "EXDEV"), nullptr);
  other = Context();
  other.driver = "another";
  EXPECT_EQ(FindExpected(*entries, other, "rename.directory_x", "EXDEV"), nullptr);
}

TEST(ExpectedFailures, WhatDependsOnTheImageMayPass) {
  const std::string text = "[[expect]]\ncase = 'unpack'\nreason = '*mtime*'\ndepends = true\ncause = 'c'\n";
  auto entries = ParseExpectedFailures(text, "some", "file");
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_NE(FindExpected(*entries, Context(), "unpack", "usr: mtime: expected 1, got 2"), nullptr);
  EXPECT_EQ(FindExpected(*entries, Context(), "unpack", "usr: missing"), nullptr);
  EXPECT_EQ(FindExpected(*entries, Context(), "unpack", ""), nullptr);
}

TEST(ExpectedFailures, UnknownKeysAreErrorsThatNameLineAndKey) {
  for (const char* text :
       {"[[expect]]\ncase='a'\ncause='c'\nwen={}\n", "[[expected]]\ncase='a'\n",
        "[[expect]]\ncase='a'\ncause='c'\nwhen={ 'kernel'='6' }\n",
        "[[expect]]\ncase='a'\ncause='c'\nwhen={ 'feature.nosuch'=true }\n", "[[expect]]\ncause='c'\n",
        "[[expect]]\ncase='a'\n", "[[expect]]\ncase='a'\ncause='c'\ndepends='x'\n", "[[expect\n",
        "[[expect]]\ncase='a'\ncause='c'\nwhen={ version='~1' }\n"}) {
    auto entries = ParseExpectedFailures(text, "some", "file.toml");
    ASSERT_FALSE(entries.ok()) << text;
    EXPECT_EQ(entries.status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(ExpectedFailures, AnUnknownKeyIsNamedWhateverItsValue) {
  for (const char* value : {"'x'", "{}", "[]", "1"}) {
    auto entries = ParseExpectedFailures(std::string("[[expect]]\ncase='a'\ncause='c'\nwehn=") + value + "\n",
                                         "some", "file.toml");
    ASSERT_FALSE(entries.ok()) << value;
    EXPECT_EQ(entries.status().message(), "file.toml:4: unknown key \"wehn\"") << value;
  }
}

TEST(ExpectedFailures, AListOfReasonsExcusesNoOtherLine) {
  auto entries = ParseExpectedFailures(
      "[[expect]]\ncase='a.b'\ncause='c'\nreason=['mounted: d: mtime: *', 'step 3: * -> EIO*']\n", "some",
      "file");
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  const auto covers = [&](const std::string& reason) {
    return FindExpected(*entries, Context(), "a.b", reason) != nullptr;
  };
  EXPECT_TRUE(covers("step 3: chmod(p) -> EIO; plain: ok\nmounted: d: mtime: expected 1, got 2"));
  EXPECT_TRUE(covers("mounted: d: mtime: expected 1, got 2"));
  EXPECT_TRUE(covers(""));  // any reason: asked for an unexpected pass
  EXPECT_FALSE(covers("mounted: d: mtime: expected 1, got 2\nd: mode: expected 1, got 2"));
  EXPECT_FALSE(covers("d: mode: expected 1, got 2\nmounted: d: mtime: expected 1, got 2"));
  EXPECT_FALSE(covers("step 4: chmod(p) -> EIO"));
  for (const char* list : {"[]", "['']", "[1]", "1"}) {
    EXPECT_FALSE(
        ParseExpectedFailures(std::string("[[expect]]\ncase='a'\ncause='c'\nreason=") + list, "s", "f").ok());
  }
}

TEST(ExpectedFailures, VersionsCompareByNumbers) {
  EXPECT_TRUE(*VersionMatches(">=1.9", "fuse-overlayfs: version 1.10"));
  EXPECT_FALSE(*VersionMatches("<1.9", "1.10"));
  EXPECT_TRUE(*VersionMatches("==1.10", "1.10.0"));
  EXPECT_TRUE(*VersionMatches(">=6.1,<7", "Linux 6.18.44"));
  EXPECT_FALSE(*VersionMatches(">=99999999999999999999", "6.18"));
  EXPECT_TRUE(*VersionMatches("==99999999999999999999", "99999999999999999999"));
}

TEST(ExpectedFailures, AMalformedVersionIsAnErrorWithItsPlaceWhateverComesBeforeIt) {
  const std::string start = "[[expect]]\ncase = 'a'\ncause = 'c'\n";
  for (const char* version : {"new", ">5,new", "~1"}) {
    const Status s =
        ParseExpectedFailures(start + "when = { version = '" + version + "' }", "d", "file").status();
    EXPECT_EQ(s.code(), Code::kInvalidArgument) << version;
    EXPECT_TRUE(s.message().starts_with("file:4: version condition")) << s.message();
  }
}

TEST(ExpectedFailures, LettersBeyondAsciiAreFineInStringsAndAnErrorElsewhere) {
  const std::string good = "[[expect]]\ncase = 'a'\ncause = '\u00e9 \uFECB'  # \u00e9\n";
  const auto entries = ParseExpectedFailures(good, "d", "f");
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_EQ(entries->front().cause, "\u00e9 \uFECB");
  for (const char* bad : {"\u00e9 = 1", "\uFECB = 1", "[[expect]]\ncase = \u00e9\ncause = 'c'", "\u2e80"}) {
    EXPECT_EQ(ParseExpectedFailures(bad, "d", "f").status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(ExpectedFailures, BuiltInFilesParse) {
  EXPECT_TRUE(LoadExpectedFailures({}).ok());
  EXPECT_EQ(LoadExpectedFailures({"/nonexistent/file"}).status().code(), Code::kNotFound);
}

TEST(ExpectedFailures, AcceptsADeviationOfFuzzing) {
  const auto entries = ParseExpectedFailures(
      "[[fuzz]]\noperation = 'rename'\norigin = 'm*'\ntype = 'directory'\nexpected = 'ok'\nseen = 'EXDEV'\n"
      "when = { backing = 'ext4' }\ncause = 'c'\n",
      "d", "f");
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  DeviationContext context;
  context.driver = "d";
  context.backing = "ext4";
  EXPECT_NE(FindExpected(*entries, context, "fuzz.rename.merged.directory", "expected ok, seen EXDEV"),
            nullptr);
  EXPECT_EQ(FindExpected(*entries, context, "fuzz.rename.merged.directory", "expected ok, seen EIO"),
            nullptr);
  EXPECT_EQ(FindExpected(*entries, context, "fuzz.rename.lower.directory", "expected ok, seen EXDEV"),
            nullptr);
  EXPECT_EQ(FindExpected(*entries, context, "fuzz.link.merged.directory", "expected ok, seen EXDEV"),
            nullptr);
  context.backing = "xfs";
  EXPECT_EQ(FindExpected(*entries, context, "fuzz.rename.merged.directory", "expected ok, seen EXDEV"),
            nullptr);
  for (const char* wrong :
       {"operation = 'x'\ncause = 'c'\nseen = []\n", "operation = 'x'\ncause = 'c'\nseen = ['a', 1]\n",
        "operation = 'x'\nseen = 'y'\nargument = ''\ncause = 'c'\n", "operation = 'x'\ncause = 'c'\n",
        "seen = 'x'\ncause = 'c'\n", "operation = 'x'\nseen = 'y'\n",
        "operation = 'x'\nseen = 'y'\ncause = 'c'\ncase = 'z'\n",
        "operation = 1\nseen = 'y'\ncause = 'c'\n"}) {
    EXPECT_FALSE(ParseExpectedFailures(std::string("[[fuzz]]\n") + wrong, "d", "f").ok()) << wrong;
  }
}

TEST(ExpectedFailures, BindsADeviationOfFuzzingToAnArgumentAndToEffects) {
  const auto entries = ParseExpectedFailures(
      "[[fuzz]]\noperation = 'rename'\nseen = ['EINVAL', 'link_group *']\nargument = '*WHITEOUT*'\n"
      "cause = 'c'\n[[fuzz]]\noperation = 'link'\nseen = 'EPERM'\ncause = 'any argument'\n",
      "d", "f");
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  DeviationContext context;
  context.driver = "d";
  const auto accepts = [&](const std::string& operation, const std::string& seen,
                           const std::string& argument) {
    return FindExpected(*entries, context, "fuzz." + operation + ".lower.regular",
                        "expected ok, seen " + seen, argument) != nullptr;
  };
  EXPECT_TRUE(accepts("rename", "EINVAL", "WHITEOUT"));
  EXPECT_TRUE(accepts("rename", "EINVAL", "NOREPLACE|WHITEOUT"));
  EXPECT_TRUE(accepts("rename", "link_group fifo", "WHITEOUT"));
  EXPECT_FALSE(accepts("rename", "ENOENT", "WHITEOUT")) << "none of the effects";
  EXPECT_FALSE(accepts("rename", "EINVAL", "NOREPLACE"));
  EXPECT_FALSE(accepts("rename", "EINVAL", "")) << "no argument is none of these";
  EXPECT_TRUE(accepts("link", "EPERM", ""));
  EXPECT_TRUE(accepts("link", "EPERM", "FOLLOW"));
}

}  // namespace
}  // namespace layermark
