#include "results/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace layermark {

std::string JsonQuoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void AppendJsonNumber(std::string* out, double value) {
  constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
  std::array<char, 40> buffer;
  std::to_chars_result end{};
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  if (std::trunc(value) == value && std::fabs(value) < kExactIntegers) {
    end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<int64_t>(value));
  } else {
    end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  }
  out->append(buffer.data(), end.ptr);
}

}  // namespace layermark
