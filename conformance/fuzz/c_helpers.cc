// Which of the helpers a C program needs.
#include <algorithm>
#include <cctype>
#include <set>
#include <vector>

#include "conformance/fuzz/c_program.h"

namespace layermark {
namespace {

constexpr std::string_view kMark = "HELPER ";

// A piece of the prelude: a helper with the comment above it, or what stands between helpers (no name).
struct Piece {
  std::string name, text;
  bool needed = false;
};

// The identifiers: without what stands in comments and in quotes.
std::set<std::string> Words(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (text.substr(i).starts_with("/*")) {
      i = std::min(text.find("*/", i), text.size());
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_') {
      word += c;
    } else if (!word.empty()) {
      words.insert(std::move(word));
      word.clear();
    }
  }
  return words;
}

std::string NameOf(std::string_view line) {
  const size_t end = line.find('(');
  const size_t begin = line.find_last_of(" *", end) + 1;
  return std::string(line.substr(begin, end - begin));
}

std::vector<Piece> Split(std::string_view text) {
  std::vector<Piece> pieces(1);
  bool inside = false;
  std::string comment;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string line(text.substr(0, end));
    text.remove_prefix(end);
    const bool starts = line.starts_with(kMark) && !line.ends_with(");\n");
    if (starts) {
      pieces.push_back({NameOf(line), comment + line});
      comment.clear();
      inside = !line.ends_with("}\n");
      if (!inside) pieces.emplace_back();
    } else if (inside) {
      pieces.back().text += line;
      if (line == "}\n") {
        inside = false;
        pieces.emplace_back();
      }
    } else if (line.starts_with("/*")) {
      pieces.back().text += comment;
      comment = line;
    } else {
      pieces.back().text += comment + line;
      comment.clear();
    }
  }
  pieces.back().text += comment;
  return pieces;
}

}  // namespace

std::string HelpersFor(std::string_view prelude, std::string_view program) {
  std::vector<Piece> pieces = Split(prelude);
  std::set<std::string> wanted = Words(program);
  for (bool more = true; more;) {
    more = false;
    for (Piece& piece : pieces) {
      if (piece.needed || (!piece.name.empty() && !wanted.contains(piece.name))) continue;
      piece.needed = more = true;
      wanted.merge(Words(piece.text));
    }
  }
  std::string out;
  for (const Piece& piece : pieces) out += piece.needed ? piece.text : "";
  return out;
}

}  // namespace layermark
