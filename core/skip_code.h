// Skip codes: the closed vocabulary of core/skip_codes.def. Threads: pure functions.
#ifndef LAYERMARK_CORE_SKIP_CODE_H_
#define LAYERMARK_CORE_SKIP_CODE_H_

#include <string_view>
#include <vector>

namespace layermark {

// NOLINTBEGIN(readability-identifier-naming)
enum class SkipCode {
#define SKIP_CODE(name, sentence) name,
#include "core/skip_codes.def"
#undef SKIP_CODE
};
// NOLINTEND(readability-identifier-naming)

struct SkipCodeRow {
  SkipCode id;
  std::string_view name;
  std::string_view sentence;
};
const std::vector<SkipCodeRow>& AllSkipCodes();
std::string_view SkipCodeName(SkipCode code);
bool IsSkipCode(std::string_view name);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SKIP_CODE_H_
