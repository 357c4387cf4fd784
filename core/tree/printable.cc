#include "core/tree/printable.h"

#include <fmt/core.h>

#include <algorithm>

namespace layermark {

std::string Printable(std::string_view bytes, size_t max_bytes) {
  std::string out;
  size_t shown = std::min(bytes.size(), max_bytes);
  out.reserve(shown);
  for (char c : bytes.substr(0, shown)) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (shown < bytes.size()) out += fmt::format("...(+{} bytes)", bytes.size() - shown);
  return out;
}

std::string SecondsText(int64_t time_ns) {
  // Unsigned arithmetic: the smallest int64_t has no positive counterpart.
  bool negative = time_ns < 0;
  uint64_t magnitude =
      negative ? uint64_t{0} - static_cast<uint64_t>(time_ns) : static_cast<uint64_t>(time_ns);
  std::string text = fmt::format("{}{}", negative ? "-" : "", magnitude / 1'000'000'000);
  uint64_t fraction = magnitude % 1'000'000'000;
  if (fraction == 0) return text;
  text += fmt::format(".{:09}", fraction);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

}  // namespace layermark
