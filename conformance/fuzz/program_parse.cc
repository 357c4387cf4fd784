// The parser of program_text.h: one line at a time, every bound checked before memory is taken.
#include <fmt/core.h>
#include <sys/sysmacros.h>

#include <charconv>
#include <optional>

#include "conformance/fuzz/layer_words.h"
#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

template <typename T>
bool ParseNumber(std::string_view text, T* out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

class LineParser {
 public:
  LineParser(std::string_view line, size_t* budget) : rest_(line), budget_(budget) {}

  std::string_view Word() {
    SkipSpace();
    const size_t end = std::min(rest_.find_first_of(" \t="), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }
  bool AtEnd() {
    SkipSpace();
    return rest_.empty();
  }

  Result<std::string> Quoted() {
    std::string text;
    LM_TRY(String(&text));
    return text;
  }
  size_t left() const { return rest_.size(); }

  // "key=value" pairs of an operation with these fields.
  Status Arguments(unsigned fields, const std::vector<FuzzFlag>* flags, FuzzStep* step) {
    while (!AtEnd()) {
      const std::string key(Word());
      if (rest_.empty() || rest_[0] != '=') return InvalidArgument(fmt::format("\"{}\" has no value", key));
      rest_.remove_prefix(1);
      LM_TRY(Argument(key, fields, flags, step));
    }
    return Status::Ok();
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
  }

  Status Argument(const std::string& key, unsigned fields, const std::vector<FuzzFlag>* flags, FuzzStep* s) {
    struct TextField {
      const char* key;
      unsigned field;
      std::string* to;
    };
    for (const TextField& text : {TextField{"path", kFieldPath, &s->path},
                                  {"target", kFieldTarget, &s->target},
                                  {"name", kFieldName, &s->name},
                                  {"data", kFieldData, &s->data}}) {
      if (key == text.key && (fields & text.field) != 0) return String(text.to);
    }
    const std::string_view value = Value();
    bool known = true;
    bool good = true;
    if (key == "slot" && (fields & kFieldSlot) != 0) {
      good = ParseNumber(value, &s->slot);
    } else if (key == "from" && (fields & kFieldFrom) != 0) {
      good = ParseNumber(value, &s->from);
    } else if (key == "mode" && (fields & kFieldMode) != 0) {
      good = ParseNumber(value, &s->mode, 8) && s->mode <= 0177777;
    } else if (key == "uid" && (fields & kFieldOwner) != 0) {
      good = ParseNumber(value, &s->uid) && s->uid >= -1;
    } else if (key == "gid" && (fields & kFieldOwner) != 0) {
      good = ParseNumber(value, &s->gid) && s->gid >= -1;
    } else if (key == "offset" && (fields & kFieldOffset) != 0) {
      good = ParseNumber(value, &s->offset);
    } else if (key == "size" && (fields & kFieldSize) != 0) {
      good = ParseNumber(value, &s->size);
    } else if (key == "as") {
      good = ParseNumber(value, &s->as) && s->as < 65536;
    } else if (key == "rdev" && (fields & kFieldRdev) != 0) {
      good = Device(value, &s->rdev);
    } else if (key == "atime" && (fields & kFieldTimes) != 0) {
      good = Time(value, &s->atime_ns);
    } else if (key == "mtime" && (fields & kFieldTimes) != 0) {
      good = Time(value, &s->mtime_ns);
    } else if (key == "flags" && (fields & kFieldFlags) != 0 && flags != nullptr) {
      good = Flags(value, *flags, &s->flags);
    } else {
      known = false;
    }
    if (!known) return InvalidArgument(fmt::format("unknown argument \"{}\"", key));
    if (!good) return InvalidArgument(fmt::format("{}: \"{}\" is not a value of it", key, value));
    return Status::Ok();
  }

  std::string_view Value() {
    const size_t end = std::min(rest_.find_first_of(" \t\r"), rest_.size());
    const std::string_view value = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return value;
  }

  // One character of a quoted string; false for a bad escape.
  bool Character(std::string* out) {
    char c = rest_[0];
    rest_.remove_prefix(1);
    if (c == '\\') {
      if (rest_.empty()) return false;
      c = rest_[0];
      rest_.remove_prefix(1);
      if (c == 'n') {
        c = '\n';
      } else if (c == 't') {
        c = '\t';
      } else if (c >= '0' && c <= '3') {
        unsigned byte = 0;
        if (rest_.size() < 2 || !ParseNumber(rest_.substr(0, 2), &byte, 8)) return false;
        rest_.remove_prefix(2);
        c = static_cast<char>(static_cast<unsigned>(c - '0') * 64 + byte);
      } else if (c != '"' && c != '\\') {
        return false;
      }
    }
    out->push_back(c);
    return true;
  }

  Status String(std::string* out) {
    if (rest_.empty() || rest_[0] != '"') return InvalidArgument("a string must stand in quotes");
    rest_.remove_prefix(1);
    out->clear();
    while (!rest_.empty() && rest_[0] != '"') {
      if (!Character(out)) return InvalidArgument("an unknown escape in a string");
    }
    if (rest_.empty()) return InvalidArgument("a string has no end");
    rest_.remove_prefix(1);
    size_t times = 1;
    if (!rest_.empty() && rest_[0] == '*') {
      rest_.remove_prefix(1);
      const std::string_view count = Value();
      if (!ParseNumber(count, &times) || times > kMaxFuzzData || times * out->size() > kMaxFuzzData) {
        return InvalidArgument(fmt::format("\"*{}\": not a count, or too long", count));
      }
    }
    if (out->size() * times > *budget_) return InvalidArgument("too much data");
    *budget_ -= out->size() * times;
    const std::string once = *out;
    if (times == 0) out->clear();
    if (times > 1) out->reserve(once.size() * times);
    for (size_t i = 1; i < times; ++i) *out += once;
    return Status::Ok();
  }

  static bool Device(std::string_view value, dev_t* out) {
    const size_t colon = value.find(':');
    unsigned high = 0;
    unsigned low = 0;
    if (colon == std::string_view::npos || !ParseNumber(value.substr(0, colon), &high) ||
        !ParseNumber(value.substr(colon + 1), &low)) {
      return false;
    }
    *out = makedev(high, low);
    return true;
  }

  static bool Time(std::string_view value, int64_t* out) {
    if (value == "omit") {
      *out = kTimeOmit;
    } else if (value == "now") {
      *out = kTimeNow;
    } else {
      return ParseNumber(value, out);
    }
    return true;
  }

  static bool Flags(std::string_view value, const std::vector<FuzzFlag>& words, int64_t* out) {
    *out = 0;
    if (value == "0") return true;
    while (!value.empty()) {
      const size_t end = std::min(value.find('|'), value.size());
      const std::string_view word = value.substr(0, end);
      const FuzzFlag* found = nullptr;
      for (const FuzzFlag& flag : words) found = word == flag.name ? &flag : found;
      if (found == nullptr) return false;
      *out |= found->value;
      value.remove_prefix(std::min(end + 1, value.size()));
    }
    return true;
  }

  std::string_view rest_;
  size_t* budget_;
};

Result<Step> ReadLayerStep(const std::string& word, LineParser& line) {
  const LayerOpRow* row = FindLayerOp(word);
  if (row == nullptr) return InvalidArgument(fmt::format("unknown operation \"{}\" of a layer", word));
  FuzzStep arguments;
  LM_TRY(line.Arguments(row->fields, nullptr, &arguments));
  Step step = LayerStepOf(row->op, arguments);
  LM_TRY(CheckLayerStep(step));
  return step;
}

class ProgramParser {
 public:
  Result<FuzzProgram> Parse(std::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++line_;
      if (Status s = Line(text.substr(0, end)); !s.ok()) {
        return InvalidArgument(fmt::format("line {}: {}", line_, s.message()));
      }
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (part_ != Part::kSteps) return InvalidArgument("the line \"steps\" is missing");
    return std::move(program_);
  }

 private:
  enum class Part { kStart, kLayers, kSteps };

  Status Line(std::string_view text) {
    LineParser line(text, &budget_);
    if (line.AtEnd()) return Status::Ok();
    const std::string word(line.Word());
    if (word.empty() || word[0] == '#') return word.empty() ? InvalidArgument("no operation") : Status::Ok();
    if (part_ == Part::kStart) {
      if (word != "layermark-fuzz" || line.Word() != "1" || !line.AtEnd()) {
        return InvalidArgument("must be \"layermark-fuzz 1\"");
      }
      part_ = Part::kLayers;
      return Status::Ok();
    }
    if (part_ == Part::kLayers && word == "layer" && line.AtEnd()) {
      if (program_.layers.size() >= kMaxFuzzLayers) return InvalidArgument("too many layers");
      program_.layers.emplace_back();
      return Status::Ok();
    }
    if (part_ == Part::kLayers && word == "steps" && line.AtEnd()) {
      part_ = Part::kSteps;
      return Status::Ok();
    }
    if (++steps_ > kMaxFuzzSteps) return InvalidArgument("too many steps");
    return part_ == Part::kSteps ? ProgramStep(word, line) : LayerStep(word, line);
  }

  Status ProgramStep(const std::string& word, LineParser& line) {
    const FuzzOpRow* row = FindFuzzOp(word);
    if (row == nullptr) return InvalidArgument(fmt::format("unknown operation \"{}\"", word));
    FuzzStep step;
    step.op = row->op;
    LM_TRY(line.Arguments(row->fields, row->flags, &step));
    LM_TRY(CheckFuzzStep(step));
    program_.steps.push_back(std::move(step));
    return Status::Ok();
  }

  Status LayerStep(const std::string& word, LineParser& line) {
    if (program_.layers.empty()) return InvalidArgument("\"layer\" or \"steps\" must come first");
    LM_ASSIGN(Step step, ReadLayerStep(word, line));
    program_.layers.back().Add(std::move(step));
    return Status::Ok();
  }

  FuzzProgram program_;
  Part part_ = Part::kStart;
  size_t line_ = 0;
  size_t steps_ = 0;
  size_t budget_ = kMaxFuzzTotal;
};

}  // namespace

Result<std::string> ParseQuotedBytes(std::string_view text, size_t* used) {
  size_t budget = kMaxFuzzData;
  LineParser parser(text, &budget);
  Result<std::string> value = parser.Quoted();
  *used = text.size() - parser.left();
  return value;
}

Result<Step> ParseLayerStepText(std::string_view text) {
  size_t budget = kMaxFuzzData;
  LineParser line(text, &budget);
  const std::string word(line.Word());
  return ReadLayerStep(word, line);
}

Result<FuzzProgram> ParseFuzzProgram(std::string_view text) {
  return ProgramParser().Parse(text);
}

}  // namespace layermark
