// Files of expected failures: read, and asked about a failure.
#include "scenario/expected_failures.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {

std::vector<std::string> Seeds() {
  return {R"(
[[expect]]
case = "rename.directory_*"
reason = "*EXDEV*"
when = { "option.redirect_dir" = "on", backing = "ext4", device = "ram", "feature.reflink" = false, version = ">=1.10,<1.13" }
cause = "overlayfs cannot rename a directory that a lower layer brought"
link = "https://docs.kernel.org/"
)",
          R"(
[[expect]]
case = "a.b"
reason = ["*: mtime: *", 'step [34]: *']
cause = """
several
lines"""
[[fuzz]]
operation = "rename"
origin = "merged"
type = "directory"
expected = "ok"
seen = "EXDEV"
cause = "c"
[expect.when]
)",
          "[[expect]]\ncase = \"*\"\ncause = \"c\"\nwhen = { version = \"1..2.99999999999999999999\" }\n",
          "expect = [{case = 1, cause = 1979-05-27T07:32:00Z, x = 0x7f, y = inf, z = [[[]]]}]\n"};
}

void SetUp() {}

void Run(std::string_view input) {
  const Result<std::vector<ExpectedFailure>> entries = ParseExpectedFailures(std::string(input), "", "file");
  if (!entries.ok()) {
    Promise(entries.status().code() == Code::kInvalidArgument, "a bad file is INVALID_ARGUMENT");
    Promise(entries.status().message().starts_with("file:"), "the text names the file");
    return;
  }
  DeviationContext context;
  context.driver = "overlay2";
  context.options = {{"redirect_dir", "on"}};
  context.backing = "ext4";
  context.device = "ram";
  context.version = "1.12-3";
  for (const std::string_view reason :
       {"", "step 3: rename(a, b) -> EXDEV\nmounted: a: mtime: expected 1, got 2"}) {
    for (const char* name : {"rename.directory_with_children", "fuzz.rename.merged.directory", "a.b"}) {
      const ExpectedFailure* found = FindExpected(*entries, context, name, std::string(reason));
      Promise(found == nullptr || !found->cause.empty(), "an expected failure has a cause");
    }
  }
}

}  // namespace layermark::fuzz_target
