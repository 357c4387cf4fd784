#include "scenario/model_filter.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <regex>
#include <string_view>
#include <utility>

namespace layermark {
namespace {

constexpr std::string_view kBlanks = " \t\n\r";

bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool StartsWord(char c) {
  return IsWordByte(c) && std::isdigit(static_cast<unsigned char>(c)) == 0;
}

// Reads one filter from left to right. A nullopt means: malformed.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<std::vector<ModelClause>> Filter() {
    std::vector<ModelClause> clauses;
    SkipBlanks();
    if (rest_.empty()) return clauses;
    while (true) {
      auto clause = Clause();
      if (!clause) return std::nullopt;
      clauses.push_back(std::move(*clause));
      SkipBlanks();
      if (rest_.empty()) return clauses;
      if (!Take(",")) return std::nullopt;
      SkipBlanks();
    }
  }

 private:
  void SkipBlanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size())); }
  bool Take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  std::optional<ModelClause> Clause() {
    std::vector<std::string> words;
    do {
      auto word = rest_.starts_with('"') ? Quoted() : Word();
      if (!word) return std::nullopt;
      words.push_back(std::move(*word));
    } while (Take("."));
    ModelClause clause;
    clause.field = words[0];
    for (size_t i = 1; i < words.size(); ++i) clause.key += (i > 1 ? "." : "") + words[i];
    // "name.x" and a bare "labels" are fields that nothing has.
    if ((words.size() > 1) != (clause.field == "labels")) clause.field = "none";
    SkipBlanks();
    for (const char* operation : {"==", "!=", "~="}) {
      if (!Take(operation)) continue;
      clause.operation = operation;
      SkipBlanks();
      auto value = Value(clause.operation == "~=");
      if (!value) return std::nullopt;
      clause.value = std::move(*value);
      return clause;
    }
    return clause;
  }

  std::optional<std::string> Word() {
    if (rest_.empty() || !StartsWord(rest_.front())) return std::nullopt;
    size_t length = 0;
    while (length < rest_.size() && IsWordByte(rest_[length])) ++length;
    std::string word(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return word;
  }

  std::optional<std::string> Value(bool is_pattern) {
    if (rest_.empty()) return std::nullopt;
    if (rest_.front() == '"' || (is_pattern && (rest_.front() == '/' || rest_.front() == '|')))
      return Quoted();
    const size_t length = std::min(rest_.find_first_of(", \t\n\r"), rest_.size());
    if (length == 0) return std::nullopt;
    std::string value(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return value;
  }

  // REQUIRES: a quote comes next; it ends at the same one.
  std::optional<std::string> Quoted() {
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    std::string text;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == quote) return text;
      if (c != '\\') {
        text += c;
        continue;
      }
      if (rest_.empty()) return std::nullopt;
      const char escaped = rest_.front();
      rest_.remove_prefix(1);
      constexpr std::string_view kCodes = "abfnrtv";
      constexpr std::string_view kBytes = "\a\b\f\n\r\t\v";
      if (const size_t at = kCodes.find(escaped); at != std::string_view::npos) {
        text += kBytes[at];
      } else if (escaped == '\\' || escaped == quote) {
        text += escaped;
      } else {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

std::optional<std::string> Field(const Info& info, const ModelClause& clause) {
  if (clause.field == "name") return info.name;
  if (clause.field == "kind") return std::string(KindName(info.kind));
  if (clause.field == "parent" && !info.parent.empty()) return info.parent;
  if (clause.field == "labels") {
    auto label = info.labels.find(clause.key);
    if (label != info.labels.end()) return label->second;
  }
  return std::nullopt;
}

// The library reports a bad expression by throwing; it goes no further than this.
std::optional<std::regex> Pattern(const std::string& text) {
  try {
    return std::regex(text, std::regex::extended);
  } catch (const std::regex_error&) {
    return std::nullopt;
  }
}

bool Holds(const Info& info, const ModelClause& clause) {
  const std::optional<std::string> field = Field(info, clause);
  if (clause.operation == "!=") return field != clause.value;
  if (!field) return false;
  if (clause.operation == "==") return *field == clause.value;
  if (clause.operation.empty()) return true;
  const std::optional<std::regex> pattern = Pattern(clause.value);
  return pattern && std::regex_search(*field, *pattern);
}

}  // namespace

Result<ModelFilters> ModelFilters::Parse(const std::vector<std::string>& texts) {
  ModelFilters filters;
  for (const std::string& text : texts) {
    auto clauses = Reader(text).Filter();
    bool good = clauses.has_value();
    if (good) {
      good = std::all_of(clauses->begin(), clauses->end(), [](const ModelClause& clause) {
        return clause.operation != "~=" || Pattern(clause.value).has_value();
      });
    }
    if (!good) return InvalidArgument("model: malformed filter: " + text);
    filters.filters_.push_back(std::move(*clauses));
  }
  return filters;
}

bool ModelFilters::Pass(const Info& info) const {
  if (filters_.empty()) return true;
  return std::any_of(filters_.begin(), filters_.end(), [&](const std::vector<ModelClause>& clauses) {
    return std::all_of(clauses.begin(), clauses.end(), [&](const ModelClause& c) { return Holds(info, c); });
  });
}

}  // namespace layermark
