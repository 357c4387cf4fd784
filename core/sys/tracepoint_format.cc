// Reading tracefs's description of a tracepoint.
#include <fmt/core.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "core/sys/tracepoints.h"

namespace layermark {
namespace {

// The number after `word` in `line`.
std::optional<uint64_t> NumberAfter(std::string_view line, std::string_view word) {
  const size_t at = line.find(word);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + word.size());
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  uint64_t number = 0;
  const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || rest == line.data()) return std::nullopt;
  return number;
}

// "unsigned long args[6]" -> "args"; "__data_loc char[] name" -> "name".
std::string NameOf(std::string_view declaration) {
  if (const size_t bracket = declaration.rfind('[');
      bracket != std::string_view::npos && declaration.find(' ', bracket) == std::string_view::npos) {
    declaration = declaration.substr(0, bracket);
  }
  return std::string(declaration.substr(declaration.find_last_of(" *") + 1));
}

}  // namespace

// 	field:int common_pid;	offset:4;	size:4;	signed:1;
Result<TracepointFormat> ParseTracepointFormat(const std::string& text) {
  TracepointFormat format;
  bool has_id = false;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with("ID:")) {
      const auto id = NumberAfter(line, "ID:");
      if (!id || *id > UINT16_MAX) return InvalidArgument(fmt::format("tracepoint format: '{}'", line));
      format.id = static_cast<uint16_t>(*id);
      has_id = true;
    }
    const size_t field = line.find("field:");
    if (field == std::string_view::npos || line.starts_with("print fmt")) continue;
    const size_t end = line.find(';', field);
    const auto offset = NumberAfter(line, "offset:");
    const auto size = NumberAfter(line, "size:");
    if (end == std::string_view::npos || !offset || !size) {
      return InvalidArgument(fmt::format("tracepoint format: '{}'", line));
    }
    format.fields.push_back({NameOf(line.substr(field + 6, end - field - 6)), *offset, *size,
                             NumberAfter(line, "signed:").value_or(0) != 0});
  }
  if (!has_id) return InvalidArgument("tracepoint format: no ID");
  return format;
}

}  // namespace layermark
