// Reading back what the probe program printed.
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenario/launcher.h"

namespace layermark {
namespace {

template <typename Number>
bool Parse(std::string_view text, Number* number, int base = 10) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::optional<std::string> Unescape(std::string_view text) {
  std::string plain;
  if (text == "\\000") return plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 4 > text.size() || !Parse(text.substr(i + 1, 3), &value, 8) || value > 255) return std::nullopt;
    plain += static_cast<char>(value);
    i += 3;
  }
  return plain;
}

std::optional<FileType> TypeFromLetter(std::string_view letter) {
  static const std::map<std::string_view, FileType> types = {
      {"f", FileType::kRegular},    {"d", FileType::kDirectory}, {"l", FileType::kSymlink},
      {"p", FileType::kFifo},       {"s", FileType::kSocket},    {"c", FileType::kCharDevice},
      {"b", FileType::kBlockDevice}};
  auto found = types.find(letter);
  if (found == types.end()) return std::nullopt;
  return found->second;
}

bool ParseValue(std::string_view value, Entry* entry) {
  switch (entry->type) {
    case FileType::kRegular:
      entry->digest = value;
      return value.starts_with("sha256:");
    case FileType::kSymlink: {
      std::optional<std::string> target = Unescape(value);
      if (target) entry->link_target = *target;
      return target.has_value();
    }
    case FileType::kCharDevice:
    case FileType::kBlockDevice: {
      size_t colon = value.find(':');
      unsigned first = 0, second = 0;
      if (colon == std::string_view::npos || !Parse(value.substr(0, colon), &first) ||
          !Parse(value.substr(colon + 1), &second)) {
        return false;
      }
      entry->rdev = makedev(first, second);
      return true;
    }
    default:
      return value == "-";
  }
}

}  // namespace

Result<std::vector<ProbeLine>> ParseProbeListing(const std::string& text) {
  std::vector<ProbeLine> lines;
  std::map<std::string, std::vector<size_t>> link_groups;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++number;
    std::vector<std::string_view> fields;
    for (size_t from = 0; from <= line.size();) {
      size_t to = std::min(line.find(' ', from), line.size());
      fields.push_back(line.substr(from, to - from));
      from = to + 1;
    }
    auto malformed = [&] {
      return DataLoss("probe listing, line " + std::to_string(number) +
                      " is malformed: " + std::string(line));
    };
    if (fields.size() != 9) return malformed();
    ProbeLine parsed;
    Entry& entry = parsed.entry;
    std::optional<FileType> type = TypeFromLetter(fields[0]);
    std::optional<std::string> path = Unescape(fields[8]);
    if (!type || !path) return malformed();
    entry.type = *type;
    parsed.path = *path;
    if (!Parse(fields[1], &entry.permissions, 8) || !Parse(fields[2], &entry.uid) ||
        !Parse(fields[3], &entry.gid) || !Parse(fields[4], &entry.size_bytes) ||
        !Parse(fields[5], &entry.mtime_ns) || !ParseValue(fields[7], &entry)) {
      return malformed();
    }
    if (fields[6] != "-") link_groups[std::string(fields[6])].push_back(lines.size());
    lines.push_back(std::move(parsed));
  }
  for (const auto& [id, members] : link_groups) {
    if (members.size() < 2) continue;
    std::string first = lines[members[0]].path;
    for (size_t member : members) first = std::min(first, lines[member].path);
    for (size_t member : members) lines[member].entry.link_group = first;
  }
  std::sort(lines.begin(), lines.end(),
            [](const ProbeLine& a, const ProbeLine& b) { return a.path < b.path; });
  return lines;
}

Manifest ProbeManifest(const std::vector<ProbeLine>& lines) {
  Manifest manifest;
  for (const ProbeLine& line : lines) manifest.entries[line.path] = line.entry;
  return manifest;
}

}  // namespace layermark
