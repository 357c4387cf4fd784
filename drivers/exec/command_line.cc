#include "drivers/exec/command_line.h"

#include <optional>

namespace layermark {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

Result<std::vector<std::string>> SplitCommand(std::string_view text) {
  std::vector<std::string> words;
  std::optional<std::string> word;  // an empty word ('') is a word, too
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\0') return InvalidArgument("command: holds a zero byte");
    if (quote == '\0' && IsBlank(c)) {
      if (word) words.push_back(*std::move(word));
      word.reset();
      continue;
    }
    if (!word) word.emplace();
    if (c == quote) {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'') {
      if (i + 1 == text.size()) return InvalidArgument("command: ends with a backslash");
      const char next = text[++i];
      if (quote == '"' && next != '"' && next != '\\') *word += '\\';
      *word += next;
    } else {
      *word += c;
    }
  }
  if (quote != '\0') return InvalidArgument(std::string("command: a quote ") + quote + " stays open");
  if (word) words.push_back(*std::move(word));
  if (words.empty() || words[0].empty()) return InvalidArgument("command: names no program");
  return words;
}

}  // namespace layermark
