#include "conformance/fuzz/origin_model.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "conformance/fuzz/finding.h"
#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

FuzzProgram Parse(const std::string& text) {
  Result<FuzzProgram> program = ParseFuzzProgram("layermark-fuzz 1\n" + text);
  EXPECT_TRUE(program.ok()) << program.status().ToString();
  return program.ok() ? std::move(*program) : FuzzProgram{};
}

// The signature of a difference at `path` after these steps, each with its errno.
std::string SignatureAt(const FuzzProgram& program, const std::vector<int>& errors, const std::string& path,
                        const std::string& effect) {
  OriginModel model(program.layers);
  for (size_t i = 0; i < program.steps.size(); ++i) {
    Outcome outcome;
    outcome.error = i < errors.size() ? errors[i] : 0;
    model.Apply(program.steps[i], outcome);
  }
  Difference difference;
  difference.path = path;
  return SignatureOf(model, difference, effect).ToText();
}

TEST(OriginModel, NamesMadeBeforeACommitAreLinkedBehindIt) {
  const std::string layer = "layer\n  symlink path=\"s\" target=\"f\"\nsteps\n";
  const std::string link = "  link path=\"s\" target=\"t\" flags=0\n";
  const std::string set = "  setxattr path=\"t\" name=\"user.v\" flags=0 data=\"\"\n";
  const auto at = [&](const std::string& steps, const std::vector<int>& errors) {
    return SignatureAt(Parse(layer + steps), errors, "t", "link_group symlink");
  };
  EXPECT_EQ(at(link, {}), "fuzz.link.lower.symlink: expected tree, seen link_group symlink");
  // The step that copies one name up fails, so that the link stays the last change.
  EXPECT_EQ(at(link + "  commit\n" + set, {0, 0, EPERM}),
            "fuzz.link.lower.linked: expected tree, seen link_group symlink");
  EXPECT_EQ(at(link + "  remount\n" + set, {0, 0, EPERM}),
            "fuzz.link.lower.symlink: expected tree, seen link_group symlink");
  EXPECT_EQ(at(link + "  unlink path=\"s\"\n  commit\n" + set, {0, 0, 0, EPERM}),
            "fuzz.link.lower.symlink: expected tree, seen link_group symlink")
      << "one name is left, and the layer has no other";
}

TEST(OriginModel, ALinkedFileOfALayerStaysOneAfterItsOtherNameIsRemoved) {
  const FuzzProgram program = Parse(
      "layer\n  file path=\"f\" mode=0644 data=\"\"\n  link path=\"g\" target=\"f\"\nsteps\n"
      "  unlink path=\"g\"\n  commit\n");
  EXPECT_EQ(SignatureAt(program, {}, "f", "nlink regular"),
            "fuzz.layers.lower.linked: expected tree, seen nlink regular");
}

}  // namespace
}  // namespace layermark
