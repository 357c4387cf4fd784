#include "results/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace layermark {
namespace {

// Length of the UTF-8 sequence at the start of `text` that stands for a character XML 1.0 can hold; 0 where
// there is none. REQUIRES: text not empty.
size_t CharacterLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  size_t length = 0;
  uint32_t character = 0;
  uint32_t smallest = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2;
    character = first & 0x1f;
    smallest = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3;
    character = first & 0x0f;
    smallest = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4;
    character = first & 0x07;
    smallest = 0x10000;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    character = (character << 6) | (byte(i) & 0x3f);
  }
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  const bool c1_control = character >= 0x80 && character < 0xa0;
  if (character < smallest || surrogate || c1_control || character > 0x10ffff) return 0;
  return character == 0xfffe || character == 0xffff ? 0 : length;
}

std::string XmlEscaped(std::string_view text, bool attribute) {
  std::string out;
  for (const char c : Visible(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += attribute ? "&quot;" : "\"";
        break;
      case '\n':
        out += attribute ? "&#10;" : "\n";
        break;
      case '\t':
        out += attribute ? "&#9;" : "\t";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string ThreeDigits(double value) {
  const double size = std::fabs(value);
  if (size >= 99.95 || size == 0) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  if (size >= 0.9995) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3g}", value);
}

std::string Scaled(double value, double step, const std::array<const char*, 4>& units) {
  size_t i = 0;
  while (i + 1 < units.size() && std::fabs(value) >= step * 0.9995) {
    value /= step;
    ++i;
  }
  return ThreeDigits(value) + " " + units[i];
}

std::string WithThousands(double value) {
  std::string digits = fmt::format("{:.0f}", std::fabs(value));
  for (size_t place = digits.size(); place > 3; place -= 3) digits.insert(place - 3, ",");
  return (value < 0 ? "-" : "") + digits;
}

}  // namespace

std::string Visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t length = text[0] == '\n' || text[0] == '\t' ? 1 : CharacterLength(text);
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(text[0])));
      length = 1;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string OneLine(std::string_view text) {
  std::string out = Visible(text);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return out;
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  const std::string visible = Visible(text);
  size_t start = 0;
  while (start < visible.size()) {
    const size_t end = std::min(visible.find('\n', start), visible.size());
    lines.push_back(visible.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

std::string XmlText(std::string_view text) {
  return XmlEscaped(text, false);
}

std::string XmlAttribute(std::string_view text) {
  return XmlEscaped(text, true);
}

std::string Humanly(double value, std::string_view unit) {
  if (unit == "ns") return Scaled(value, 1000, {"ns", "us", "ms", "s"});
  if (unit == "bytes") return Scaled(value, 1024, {"B", "KiB", "MiB", "GiB"});
  if (unit == "count") return WithThousands(value);
  return ThreeDigits(value);
}

}  // namespace layermark
