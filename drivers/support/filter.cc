#include "drivers/support/filter.h"

#include <regex.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace layermark {
namespace {

enum class Operator { kPresent, kEqual, kNotEqual, kMatches };

bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsWord(char c) {
  return IsWordStart(c) || (c >= '0' && c <= '9') || c == '_';
}
bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

std::optional<std::string> FieldOf(const Info& info, const std::vector<std::string>& path) {
  if (path.size() == 1 && path[0] == "name") return info.name;
  if (path.size() == 1 && path[0] == "kind") return std::string(KindName(info.kind));
  if (path.size() == 1 && path[0] == "parent" && !info.parent.empty()) return info.parent;
  if (path.size() > 1 && path[0] == "labels") {
    std::string key = path[1];
    for (size_t i = 2; i < path.size(); ++i) key += "." + path[i];
    if (auto found = info.labels.find(key); found != info.labels.end()) return found->second;
  }
  return std::nullopt;
}

// Reads a filter from left to right. Every Take function leaves the position behind what it took.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool AtEnd() const { return position_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[position_]; }
  bool Take(std::string_view word) {
    if (text_.substr(position_, word.size()) != word) return false;
    position_ += word.size();
    return true;
  }
  void SkipBlanks() {
    while (!AtEnd() && IsBlank(Peek())) ++position_;
  }
  std::string TakeWhile(bool (*accept)(char)) {
    const size_t start = position_;
    while (!AtEnd() && accept(Peek())) ++position_;
    return std::string(text_.substr(start, position_ - start));
  }
  // REQUIRES: Peek() is the opening quote. nullopt: no closing quote, or an escape that nobody knows.
  std::optional<std::string> TakeQuoted() {
    const char quote = text_[position_++];
    std::string value;
    while (!AtEnd()) {
      const char c = text_[position_++];
      if (c == quote) return value;
      if (c != '\\') {
        value += c;
      } else if (quote != '"' && Peek() != quote) {
        value += c;  // between / and | a backslash belongs to the regular expression
      } else if (!TakeEscape(quote, value)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

 private:
  bool TakeEscape(char quote, std::string& value) {
    if (AtEnd()) return false;
    const char c = text_[position_++];
    if (c == quote || c == '\\') {
      value += c;
    } else if (c == 'n') {
      value += '\n';
    } else if (c == 't') {
      value += '\t';
    } else {
      return false;
    }
    return true;
  }

  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

struct Filter::Clause {
  std::vector<std::string> field;
  Operator op = Operator::kPresent;
  std::string value;
  regex_t regex = {};
  bool compiled = false;

  Clause() = default;
  Clause(const Clause&) = delete;
  Clause& operator=(const Clause&) = delete;
  ~Clause() {
    if (compiled) regfree(&regex);
  }

  bool Matches(const Info& info) const {
    const std::optional<std::string> actual = FieldOf(info, field);
    switch (op) {
      case Operator::kPresent:
        return actual.has_value();
      case Operator::kEqual:
        return actual.has_value() && *actual == value;
      case Operator::kNotEqual:
        return !actual.has_value() || *actual != value;
      case Operator::kMatches:
        return actual.has_value() && regexec(&regex, actual->c_str(), 0, nullptr, 0) == 0;
    }
    return false;
  }

  Status Compile() {
    if (op != Operator::kMatches) return Status::Ok();
    const int error = regcomp(&regex, value.c_str(), REG_EXTENDED | REG_NOSUB);
    if (error == 0) {
      compiled = true;
      return Status::Ok();
    }
    char reason[128];
    regerror(error, &regex, reason, sizeof(reason));
    return InvalidArgument("regular expression \"" + value + "\": " + reason);
  }

  Status Read(Scanner& scanner) {
    do {
      std::optional<std::string> word;
      if (scanner.Peek() == '"') {
        word = scanner.TakeQuoted();
        if (!word) return InvalidArgument("a quoted field does not end");
      } else if (IsWordStart(scanner.Peek())) {
        word = scanner.TakeWhile(IsWord);
      } else {
        return InvalidArgument("a field name is missing");
      }
      field.push_back(*word);
    } while (scanner.Take("."));

    scanner.SkipBlanks();
    if (scanner.AtEnd() || scanner.Peek() == ',') return Status::Ok();
    if (scanner.Take("==")) {
      op = Operator::kEqual;
    } else if (scanner.Take("!=")) {
      op = Operator::kNotEqual;
    } else if (scanner.Take("~=")) {
      op = Operator::kMatches;
    } else {
      return InvalidArgument("the operator is none of == != ~=");
    }
    scanner.SkipBlanks();

    const char first = scanner.Peek();
    if (first == '"' || (op == Operator::kMatches && (first == '/' || first == '|'))) {
      std::optional<std::string> quoted = scanner.TakeQuoted();
      if (!quoted) return InvalidArgument("a quoted value does not end or holds an unknown escape");
      value = *quoted;
    } else {
      value = scanner.TakeWhile([](char c) { return c != ',' && c != '"' && !IsBlank(c); });
      if (value.empty()) return InvalidArgument("a value is missing");
    }
    return Compile();
  }
};

Result<Filter> Filter::Parse(const std::string& text) {
  Filter filter;
  Scanner scanner(text);
  scanner.SkipBlanks();
  if (scanner.AtEnd()) return filter;
  while (true) {
    auto clause = std::make_shared<Clause>();
    scanner.SkipBlanks();
    if (Status read = clause->Read(scanner); !read.ok()) return read.WithContext("filter '" + text + "'");
    filter.clauses_.push_back(std::move(clause));
    scanner.SkipBlanks();
    if (scanner.AtEnd()) return filter;
    if (!scanner.Take(","))
      return InvalidArgument("filter '" + text + "': a comma is missing between two clauses");
  }
}

bool Filter::Matches(const Info& info) const {
  for (const auto& clause : clauses_) {
    if (!clause->Matches(info)) return false;
  }
  return true;
}

bool Filter::Asks(std::string_view field) const {
  return std::any_of(clauses_.begin(), clauses_.end(),
                     [&](const auto& clause) { return clause->field.front() == field; });
}

Result<FilterSet> FilterSet::Parse(const std::vector<std::string>& texts) {
  FilterSet set;
  for (const std::string& text : texts) {
    LM_ASSIGN(Filter filter, Filter::Parse(text));
    set.filters_.push_back(std::move(filter));
  }
  return set;
}

bool FilterSet::Matches(const Info& info) const {
  if (filters_.empty()) return true;
  for (const Filter& filter : filters_) {
    if (filter.Matches(info)) return true;
  }
  return false;
}

bool FilterSet::Asks(std::string_view field) const {
  return std::any_of(filters_.begin(), filters_.end(),
                     [&](const Filter& filter) { return filter.Asks(field); });
}

}  // namespace layermark
