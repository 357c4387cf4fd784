#include "core/skip_code.h"

#include <algorithm>

namespace layermark {

const std::vector<SkipCodeRow>& AllSkipCodes() {
  static const std::vector<SkipCodeRow> rows = {
#define SKIP_CODE(name, sentence) {SkipCode::name, #name, sentence},
#include "core/skip_codes.def"
#undef SKIP_CODE
  };
  return rows;
}

std::string_view SkipCodeName(SkipCode code) {
  return AllSkipCodes()[static_cast<size_t>(code)].name;
}

bool IsSkipCode(std::string_view name) {
  const std::vector<SkipCodeRow>& rows = AllSkipCodes();
  return std::any_of(rows.begin(), rows.end(), [&](const SkipCodeRow& row) { return row.name == name; });
}

}  // namespace layermark
