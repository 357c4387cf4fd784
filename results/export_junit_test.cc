#include "results/export_junit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <map>

#include "results/testing/record_fixture.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

// A reader of the XML subset that an export may use: declaration, elements, double-quoted attributes, text
// with the five named and numeric references. It shares nothing with the writer; "" or what is wrong.
class XmlReader {
 public:
  explicit XmlReader(std::string text) : text_(std::move(text)) {}

  std::string Check() {
    if (text_.rfind("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", 0) != 0) return "no declaration";
    at_ = text_.find('\n') + 1;
    while (at_ < text_.size() && problem_.empty()) text_[at_] == '<' ? Tag() : Text();
    if (problem_.empty() && !open_.empty()) return "never closed: " + open_.back();
    return problem_;
  }
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  void Wrong(const std::string& what) { problem_ = what + " at byte " + std::to_string(at_); }

  void Reference() {
    const size_t end = text_.find(';', at_);
    const std::string name = end == std::string::npos ? "" : text_.substr(at_, end - at_ + 1);
    for (const char* known : {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#10;", "&#9;"}) {
      if (name == known) {
        at_ = end + 1;
        return;
      }
    }
    Wrong("reference " + name);
  }

  void Character(bool attribute) {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '&') return Reference();
    if (c == '<' || (c < 0x20 && (attribute || (c != '\n' && c != '\t')))) return Wrong("character");
    if (text_.compare(at_, 3, "]]>") == 0) return Wrong("]]> in text");
    ++at_;
  }

  void Text() {
    if (open_.empty() && std::isspace(static_cast<unsigned char>(text_[at_])) == 0)
      return Wrong("text outside");
    Character(false);
  }

  std::string Name() {
    const size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                  text_[at_] == '-' || text_[at_] == '_'))
      ++at_;
    return text_.substr(start, at_ - start);
  }

  void Tag() {
    ++at_;
    if (text_[at_] == '/') {
      ++at_;
      const std::string name = Name();
      if (open_.empty() || open_.back() != name) return Wrong("closes " + name);
      open_.pop_back();
      if (text_[at_++] != '>') Wrong("end tag");
      return;
    }
    const std::string name = Name();
    if (name.empty()) return Wrong("tag name");
    ++counts_[name];
    while (problem_.empty() && text_[at_] == ' ') {
      ++at_;
      if (Name().empty() || text_.compare(at_, 2, "=\"") != 0) return Wrong("attribute");
      at_ += 2;
      while (problem_.empty() && at_ < text_.size() && text_[at_] != '"') Character(true);
      ++at_;
    }
    if (!problem_.empty()) return;
    if (text_.compare(at_, 2, "/>") == 0) {
      at_ += 2;
      return;
    }
    if (text_[at_++] != '>') return Wrong("tag end");
    open_.push_back(name);
  }

  std::string text_;
  size_t at_ = 0;
  std::string problem_;
  std::vector<std::string> open_;
  std::map<std::string, int> counts_;
};

TEST(ExportJunit, IsWellFormedWhateverTheRecordHolds) {
  Record record = FixtureRecord();
  for (int byte = 0; byte < 256; ++byte) record.conformance[1].reason += static_cast<char>(byte);
  record.conformance[0].case_name = "a\"b<c>&.\x02";
  XmlReader reader(ExportJunit(record));
  EXPECT_EQ(reader.Check(), "");
}

TEST(ExportJunit, TheReaderOfThisTestNoticesBrokenXml) {
  EXPECT_NE(XmlReader("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b></a></b>").Check(), "");
  EXPECT_NE(XmlReader("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>&</a>").Check(), "");
  EXPECT_NE(XmlReader("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"\n\"/>").Check(), "");
}

TEST(ExportJunit, CountsEveryRowOnceAndByVerdict) {
  const std::string xml = ExportJunit(FixtureRecord());
  XmlReader reader(xml);
  ASSERT_EQ(reader.Check(), "");
  EXPECT_EQ(reader.counts().at("testsuite"), 4);
  EXPECT_EQ(reader.counts().at("testcase"), 8 + 3 + 1 + 2);
  EXPECT_EQ(reader.counts().at("failure"), 4);  // fail, xpass, a wrong workload, regressed
  EXPECT_EQ(reader.counts().at("error"), 2);
  // skip, xfail, not_run, an instance that cannot run, inconclusive
  EXPECT_EQ(reader.counts().at("skipped"), 5);
  EXPECT_THAT(
      xml,
      HasSubstr("<testsuites name=\"layermark\" tests=\"14\" failures=\"4\" errors=\"2\" skipped=\"5\""));
}

TEST(ExportJunit, CarriesMachineReasonAndCommand) {
  const std::string xml = ExportJunit(FixtureRecord());
  EXPECT_THAT(xml, HasSubstr("<property name=\"KERNEL\" value=\"6.18.0\"/>"));
  EXPECT_THAT(xml, HasSubstr("<property name=\"CPUS\" value=\"2\"/>"));
  EXPECT_THAT(xml, HasSubstr("<property name=\"MEM_KB\" value=\"25165824\"/>"));
  EXPECT_THAT(xml, HasSubstr("<property name=\"BACKING\" value=\"ext4\"/>"));
  EXPECT_THAT(
      xml,
      HasSubstr(
          "<skipped type=\"privilege_missing\" message=\"missing capability priv_mknod: mknodat: EPERM\"/>"));
  EXPECT_THAT(xml, HasSubstr("<skipped type=\"expected_failure\" message=\"expected failure: "));
  EXPECT_THAT(xml, HasSubstr("<skipped type=\"capability_missing\" message=\"needs layers_500\"/>"));
  EXPECT_THAT(xml, HasSubstr("<skipped type=\"driver_unavailable\" message=\"mount aufs: ENODEV\"/>"));
  EXPECT_THAT(xml, HasSubstr("]]&gt; end\nreproduce: layermark check --filter copyup.mode</failure>"));
  EXPECT_THAT(xml, HasSubstr("<system-out>source: ovl/001\nreproduce: layermark check --filter copyup.mode"));
  EXPECT_THAT(xml,
              HasSubstr("hostname=\"here\" start_timestamp=\"2025-01-01T00:00:00Z\" "
                        "timestamp=\"2025-01-01T00:00:00Z\" report_timestamp=\"2025-01-01T00:00:12Z\">"));
  EXPECT_THAT(xml, HasSubstr("classname=\"layermark.overlay2__metacopy_on.copyup\""));
  EXPECT_THAT(xml, HasSubstr("second\\x1b[0m line \\xff ]]&gt; end"));
}

}  // namespace
}  // namespace layermark
