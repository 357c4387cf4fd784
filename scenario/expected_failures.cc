// The library as packaged throws; ours does not: compiled in here, without exceptions.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include "scenario/expected_failures.h"

#include <fmt/core.h>
#include <toml++/toml.h>

#include <cctype>
#include <limits>
#include <sstream>

#include "core/glob.h"

namespace layermark {
namespace {

std::vector<int64_t> DottedNumber(const std::string& text) {
  std::vector<int64_t> parts;
  size_t i = 0;
  while (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) == 0) ++i;
  while (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0) {
    int64_t n = 0;
    while (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0) {
      // A longer number than fits is only "very new".
      constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
      const int digit = text[i++] - '0';
      n = n > (kMost - digit) / 10 ? kMost : n * 10 + digit;
    }
    parts.push_back(n);
    if (i + 1 < text.size() && text[i] == '.') ++i;
  }
  while (!parts.empty() && parts.back() == 0) parts.pop_back();  // 1.10.0 equals 1.10
  return parts;
}

class Parser {
 public:
  Parser(std::string driver, std::string origin) : driver_(std::move(driver)), origin_(std::move(origin)) {}

  Result<std::vector<ExpectedFailure>> Parse(const std::string& text) {
    toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
      return InvalidArgument(fmt::format("{}:{}: {}", origin_, parsed.error().source().begin.line,
                                         std::string(parsed.error().description())));
    }
    std::vector<ExpectedFailure> entries;
    for (const auto& [key, node] : parsed.table()) {
      const std::string kind(key.str());
      if (kind != "expect" && kind != "fuzz") return Bad(node, fmt::format("unknown key \"{}\"", kind));
      const toml::array* list = node.as_array();
      if (list == nullptr) return Bad(node, fmt::format("\"{}\" must be an array of tables", kind));
      for (const toml::node& item : *list) {
        const toml::table* table = item.as_table();
        if (table == nullptr) return Bad(item, fmt::format("\"{}\" must be an array of tables", kind));
        LM_ASSIGN(ExpectedFailure entry, kind == "fuzz" ? FuzzEntry(*table) : Entry(*table));
        entries.push_back(std::move(entry));
      }
    }
    return entries;
  }

 private:
  Status Bad(const toml::node& node, const std::string& what) const {
    return InvalidArgument(fmt::format("{}:{}: {}", origin_, node.source().begin.line, what));
  }

  Result<ExpectedFailure> Entry(const toml::table& table) const {
    ExpectedFailure entry;
    entry.driver = driver_;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "when") {
        LM_TRY(When(node, entry));
        continue;
      }
      if (name == "reason" && node.is_array()) {
        LM_TRY(LineGlobs(*node.as_array(), entry));
        continue;
      }
      std::string* field = name == "case"     ? &entry.case_glob
                           : name == "reason" ? &entry.reason_glob
                           : name == "cause"  ? &entry.cause
                           : name == "link"   ? &entry.link
                                              : nullptr;
      if (field == nullptr) return Bad(node, fmt::format("unknown key \"{}\"", name));
      const auto text = node.value<std::string>();
      if (!text) return Bad(node, fmt::format("\"{}\" must be a string", name));
      *field = *text;
    }
    if (entry.case_glob.empty()) return Bad(table, "\"case\" is missing");
    if (entry.cause.empty())
      return Bad(table, fmt::format("\"cause\" is missing for case \"{}\"", entry.case_glob));
    return entry;
  }

  // A deviation of fuzzing becomes a case of the area "fuzz", which no case of the catalogue is in.
  Result<ExpectedFailure> FuzzEntry(const toml::table& table) const {
    ExpectedFailure entry;
    entry.driver = driver_;
    std::map<std::string, std::string> words = {
        {"operation", ""}, {"origin", "*"}, {"type", "*"}, {"expected", "*"}, {"seen", ""}};
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "when") {
        LM_TRY(When(node, entry));
        continue;
      }
      const auto text = node.value<std::string>();
      if (!text || text->empty())
        return Bad(node, fmt::format("\"{}\" must be a string that is not empty", name));
      if (name == "cause") {
        entry.cause = *text;
      } else if (name == "link") {
        entry.link = *text;
      } else if (words.contains(name)) {
        words[name] = *text;
      } else {
        return Bad(node, fmt::format("unknown key \"{}\"", name));
      }
    }
    for (const char* needed : {"operation", "seen"}) {
      if (words[needed].empty()) return Bad(table, fmt::format("\"{}\" is missing", needed));
    }
    if (entry.cause.empty()) return Bad(table, "\"cause\" is missing");
    entry.case_glob = fmt::format("fuzz.{}.{}.{}", words["operation"], words["origin"], words["type"]);
    entry.reason_glob = fmt::format("expected {}, seen {}", words["expected"], words["seen"]);
    return entry;
  }

  Status LineGlobs(const toml::array& list, ExpectedFailure& entry) const {
    for (const toml::node& item : list) {
      const auto glob = item.value<std::string>();
      if (!glob || glob->empty())
        return Bad(item, "an element of \"reason\" must be a string that is not empty");
      entry.line_globs.push_back(*glob);
    }
    if (list.empty()) return Bad(list, "\"reason\" is an empty list");
    return Status::Ok();
  }

  Status When(const toml::node& node, ExpectedFailure& entry) const {
    const toml::table* when = node.as_table();
    if (when == nullptr) return Bad(node, "\"when\" must be a table");
    for (const auto& [key, value] : *when) {
      const std::string name(key.str());
      if (name.starts_with("feature.")) {
        const auto capability = CapabilityFromName(name.substr(8));
        const auto flag = value.value<bool>();
        if (!capability) return Bad(value, fmt::format("unknown feature \"{}\"", name.substr(8)));
        if (!flag) return Bad(value, fmt::format("\"{}\" must be true or false", name));
        entry.features[*capability] = *flag;
        continue;
      }
      const auto text = value.value<std::string>();
      if (!text) return Bad(value, fmt::format("\"{}\" must be a string", name));
      if (name.starts_with("option.")) {
        entry.options[name.substr(7)] = *text;
      } else if (name == "backing") {
        entry.backing = *text;
      } else if (name == "device") {
        entry.device = *text;
      } else if (name == "version") {
        entry.version = *text;
        LM_TRY(VersionMatches(*text, "0"));
      } else {
        return Bad(value, fmt::format("unknown condition \"{}\"", name));
      }
    }
    return Status::Ok();
  }

  std::string driver_, origin_;
};

bool CoversReason(const ExpectedFailure& entry, const std::string& reason) {
  if (!entry.reason_glob.empty()) return GlobMatch(entry.reason_glob, reason);
  if (entry.line_globs.empty()) return true;
  std::istringstream lines(reason);
  std::string line;
  while (std::getline(lines, line)) {
    if (!AnyGlobMatch(entry.line_globs, {line})) return false;
  }
  return true;
}

}  // namespace

Result<bool> VersionMatches(const std::string& condition, const std::string& version) {
  const std::vector<int64_t> have = DottedNumber(version);
  std::stringstream parts(condition);
  std::string part;
  while (std::getline(parts, part, ',')) {
    const size_t digits = part.find_first_of("0123456789");
    if (digits == std::string::npos)
      return InvalidArgument(fmt::format("version condition \"{}\" has no number", part));
    std::string op = part.substr(0, digits);
    std::erase(op, ' ');
    const std::vector<int64_t> want = DottedNumber(part.substr(digits));
    bool holds = false;
    if (op == ">=") {
      holds = have >= want;
    } else if (op == ">") {
      holds = have > want;
    } else if (op == "<=") {
      holds = have <= want;
    } else if (op == "<") {
      holds = have < want;
    } else if (op == "==" || op.empty()) {
      holds = have == want;
    } else {
      return InvalidArgument(fmt::format("version condition \"{}\": unknown operator \"{}\"", part, op));
    }
    if (!holds) return false;
  }
  return true;
}

Result<std::vector<ExpectedFailure>> ParseExpectedFailures(const std::string& toml, const std::string& driver,
                                                           const std::string& origin) {
  return Parser(driver, origin).Parse(toml);
}

const ExpectedFailure* FindExpected(const std::vector<ExpectedFailure>& entries,
                                    const DeviationContext& context, const std::string& case_name,
                                    const std::string& reason) {
  for (const ExpectedFailure& entry : entries) {
    if (!entry.driver.empty() && entry.driver != context.driver) continue;
    if (!GlobMatch(entry.case_glob, case_name)) continue;
    if (!reason.empty() && !CoversReason(entry, reason)) continue;
    if (entry.backing && *entry.backing != context.backing) continue;
    if (entry.device && *entry.device != context.device) continue;
    bool holds = true;
    for (const auto& [name, value] : entry.options) {
      const auto it = context.options.find(name);
      holds = holds && it != context.options.end() && it->second == value;
    }
    for (const auto& [capability, value] : entry.features)
      holds = holds && context.features.Has(capability) == value;
    if (!entry.version.empty()) {
      const Result<bool> version = VersionMatches(entry.version, context.version);
      holds = holds && version.ok() && *version;
    }
    if (holds) return &entry;
  }
  return nullptr;
}

}  // namespace layermark
