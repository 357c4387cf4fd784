#include "conformance/fuzz/program_text.h"

#include <fmt/core.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "conformance/fuzz/layer_words.h"

namespace layermark {
namespace {

std::string TimeText(int64_t ns) {
  if (ns == kTimeOmit) return "omit";
  if (ns == kTimeNow) return "now";
  return fmt::format("{}", ns);
}

std::string DataText(const std::string& data) {
  const size_t piece = RepeatedPiece(data);
  if (piece == data.size()) return QuoteBytes(data);
  return fmt::format("{}*{}", QuoteBytes(data.substr(0, piece)), data.size() / piece);
}

std::string FlagsText(int64_t flags, const std::vector<FuzzFlag>& words) {
  std::string text;
  for (const FuzzFlag& flag : words) {
    if (flag.value == 0 || (flags & flag.value) != flag.value) continue;
    text += (text.empty() ? "" : "|") + std::string(flag.name);
    flags &= ~flag.value;
  }
  if (flags != 0) text += fmt::format("{}{:#x}", text.empty() ? "" : "|", flags);
  return text.empty() ? "0" : text;
}

std::string Line(const char* name, unsigned fields, const std::vector<FuzzFlag>* flags, const FuzzStep& s) {
  std::string out = name;
  if ((fields & kFieldSlot) != 0) out += fmt::format(" slot={}", s.slot);
  if ((fields & kFieldFrom) != 0) out += fmt::format(" from={}", s.from);
  if ((fields & kFieldPath) != 0) out += " path=" + QuoteBytes(s.path);
  if ((fields & kFieldTarget) != 0) out += " target=" + QuoteBytes(s.target);
  if ((fields & kFieldName) != 0) out += " name=" + QuoteBytes(s.name);
  if ((fields & kFieldFlags) != 0 && flags != nullptr) out += " flags=" + FlagsText(s.flags, *flags);
  if ((fields & kFieldMode) != 0) out += fmt::format(" mode={:#o}", s.mode);
  if ((fields & kFieldOwner) != 0) out += fmt::format(" uid={} gid={}", s.uid, s.gid);
  if ((fields & kFieldRdev) != 0) out += fmt::format(" rdev={}:{}", major(s.rdev), minor(s.rdev));
  if ((fields & kFieldOffset) != 0) out += fmt::format(" offset={}", s.offset);
  if ((fields & kFieldSize) != 0) out += fmt::format(" size={}", s.size);
  if ((fields & kFieldTimes) != 0) {
    out += fmt::format(" atime={} mtime={}", TimeText(s.atime_ns), TimeText(s.mtime_ns));
  }
  if ((fields & kFieldData) != 0) out += " data=" + DataText(s.data);
  if (s.as != 0) out += fmt::format(" as={}", s.as);
  return out;
}

}  // namespace

size_t RepeatedPiece(std::string_view data) {
  if (data.size() <= 16) return data.size();
  for (size_t piece = 1; piece <= 64 && 2 * piece <= data.size(); ++piece) {
    if (data.size() % piece == 0 && data.substr(piece) == data.substr(0, data.size() - piece)) return piece;
  }
  return data.size();
}

std::string QuoteBytes(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f || c == '?') {
      out += fmt::format("\\{:03o}", byte);  // three octal digits end by themselves, as \x does not
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string ToText(const FuzzStep& step) {
  const FuzzOpRow& row = RowOf(step.op);
  return Line(row.name, row.fields, row.flags, step);
}

std::string ArgumentText(const FuzzStep& step) {
  const FuzzOpRow& row = RowOf(step.op);
  if ((row.fields & kFieldName) != 0) return step.name;
  if ((row.fields & kFieldFlags) != 0 && row.flags != nullptr) return FlagsText(step.flags, *row.flags);
  return "";
}

std::string InstanceNamedIn(std::string_view text) {
  if (!text.starts_with("# ") || text.find('\n') == std::string_view::npos) return "";
  text.remove_prefix(text.find('\n') + 1);
  text = text.substr(0, text.find('\n'));
  const size_t end = text.find("; found by ");
  if (!text.starts_with("# ") || end == std::string_view::npos) return "";
  text = text.substr(2, end - 2);
  const size_t on = text.rfind(" on ");
  return on == std::string_view::npos ? "" : std::string(text.substr(0, on));
}

std::string LayerStepText(const Step& step) {
  const LayerOpRow& row = RowOf(step.op);
  return Line(row.name, row.fields, nullptr, ArgumentsOf(step));
}

std::string ToText(const FuzzProgram& program) {
  std::string text = "layermark-fuzz 1\n";
  for (const Layer& layer : program.layers) {
    text += "layer\n";
    for (const Step& step : layer.steps()) text += "  " + LayerStepText(step) + "\n";
  }
  text += "steps\n";
  for (const FuzzStep& step : program.steps) text += "  " + ToText(step) + "\n";
  return text;
}

}  // namespace layermark
