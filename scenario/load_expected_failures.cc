// Where expected failures come from; apart from their parser, which stands on no driver.
#include "core/sys/fd.h"
#include "drivers/registry.h"
#include "scenario/expected_failures.h"

namespace layermark {

Result<std::vector<ExpectedFailure>> LoadExpectedFailures(const std::vector<std::string>& files) {
  std::vector<ExpectedFailure> all;
  for (const ExpectedFailureText& text : BuiltInExpectedFailures()) {
    const std::string origin = "drivers/" + text.driver + "/expected_failures.toml";
    LM_ASSIGN(std::vector<ExpectedFailure> entries, ParseExpectedFailures(text.toml, text.driver, origin));
    all.insert(all.end(), entries.begin(), entries.end());
  }
  for (const std::string& file : files) {
    LM_ASSIGN(const std::string text, ReadFile(file));
    LM_ASSIGN(std::vector<ExpectedFailure> entries, ParseExpectedFailures(text, "", file));
    all.insert(all.end(), entries.begin(), entries.end());
  }
  return all;
}

}  // namespace layermark
