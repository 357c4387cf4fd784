// Table: plain text columns that fit a terminal.
#ifndef LAYERMARK_CLI_TABLE_H_
#define LAYERMARK_CLI_TABLE_H_

#include <string>
#include <vector>

namespace layermark {

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  // Columns aligned to the left, numbers to the right; no line is wider than `width`: the widest column's
  // cells are folded at spaces onto lines of their own.
  std::string Text(size_t width = 100) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns that a text takes on a terminal: UTF-8 continuation bytes count nothing.
size_t DisplayWidth(const std::string& text);
// "1.52 ms", "38.2 us", "412 ns"; "4.0 KiB"; "1,234".
std::string FormatNs(double ns);
std::string FormatBytes(double bytes);
std::string FormatCount(double count);
std::string FormatMetric(double value, std::string_view unit);

}  // namespace layermark

#endif  // LAYERMARK_CLI_TABLE_H_
