#include "cli/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>

namespace layermark {
namespace {

bool IsNumber(const std::string& cell) {
  return !cell.empty() && (std::isdigit(static_cast<unsigned char>(cell[0])) != 0 || cell == "-");
}

// Folds at spaces, and inside a word only where it alone is too wide.
std::vector<std::string> Fold(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  std::string line;
  auto flush = [&] {
    lines.push_back(line);
    line.clear();
  };
  size_t i = 0;
  while (i < text.size()) {
    size_t end = text.find_first_of(" \n", i);
    if (end == std::string::npos) end = text.size();
    std::string word = text.substr(i, end - i);
    while (DisplayWidth(word) > width) {
      if (!line.empty()) flush();
      lines.push_back(word.substr(0, width));
      word = word.substr(width);
    }
    if (!line.empty() && DisplayWidth(line) + 1 + DisplayWidth(word) > width) flush();
    if (!line.empty() && !word.empty()) line += ' ';
    line += word;
    if (end < text.size() && text[end] == '\n') flush();
    i = end + 1;
  }
  if (!line.empty() || lines.empty()) flush();
  return lines;
}

}  // namespace

size_t DisplayWidth(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string Table::Text(size_t width) const {
  const size_t columns = headings_.size();
  std::vector<size_t> widths(columns);
  for (size_t c = 0; c < columns; ++c) {
    widths[c] = DisplayWidth(headings_[c]);
    for (const auto& row : rows_) {
      if (c < row.size()) widths[c] = std::max(widths[c], DisplayWidth(row[c]));
    }
  }
  const size_t gaps = 2 * (columns - 1);
  while (std::accumulate(widths.begin(), widths.end(), size_t{0}) + gaps > width) {
    // The first column names the row: a name is not broken while the others can give way.
    const bool keep_first = columns > 1 && widths[0] <= width * 6 / 10;
    auto widest = std::max_element(widths.begin() + (keep_first ? 1 : 0), widths.end());
    if (*widest <= 12) break;
    const size_t others = std::accumulate(widths.begin(), widths.end(), size_t{0}) - *widest + gaps;
    // Share the excess: never below the second widest column in one go.
    const size_t fit = width > others ? width - others : 12;
    std::vector<size_t> rest = widths;
    rest[static_cast<size_t>(widest - widths.begin())] = 0;
    const size_t second = *std::max_element(rest.begin(), rest.end());
    *widest = std::max<size_t>({12, fit, std::min(second, *widest - 1)});
  }
  std::string out;
  auto put = [&](const std::vector<std::string>& cells, bool numbers) {
    std::vector<std::vector<std::string>> folded(columns);
    size_t height = 1;
    for (size_t c = 0; c < columns; ++c) {
      folded[c] = Fold(c < cells.size() ? cells[c] : "", widths[c]);
      height = std::max(height, folded[c].size());
    }
    for (size_t line = 0; line < height; ++line) {
      std::string text;
      for (size_t c = 0; c < columns; ++c) {
        const std::string cell = line < folded[c].size() ? folded[c][line] : "";
        const std::string pad(widths[c] - std::min(widths[c], DisplayWidth(cell)), ' ');
        text += numbers && IsNumber(cells[c]) && folded[c].size() == 1 ? pad + cell : cell + pad;
        if (c + 1 < columns) text += "  ";
      }
      text.erase(text.find_last_not_of(' ') + 1);
      out += text + "\n";
    }
  };
  put(headings_, false);
  out += std::string(std::min(width, std::accumulate(widths.begin(), widths.end(), size_t{0}) + gaps), '-') +
         "\n";
  for (const auto& row : rows_) {
    std::vector<std::string> cells = row;
    cells.resize(columns);
    put(cells, true);
  }
  return out;
}

std::string FormatNs(double ns) {
  if (ns < 1e3) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.3g} us", ns / 1e3);
  if (ns < 1e9) return fmt::format("{:.3g} ms", ns / 1e6);
  return fmt::format("{:.3g} s", ns / 1e9);
}

std::string FormatBytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (std::abs(bytes) >= 1024 && unit < 4) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string FormatCount(double count) {
  std::string digits = fmt::format("{:.0f}", std::abs(count));
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(static_cast<size_t>(i), ",");
  return count < 0 ? "-" + digits : digits;
}

std::string FormatMetric(double value, std::string_view unit) {
  if (unit == "ns") return FormatNs(value);
  if (unit == "bytes") return FormatBytes(value);
  if (unit == "ratio") return fmt::format("{:.2f}x", value);
  return FormatCount(value);
}

}  // namespace layermark
