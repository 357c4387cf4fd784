#include "conformance/support/sources.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <set>

namespace layermark {
namespace {

using CasesById = std::map<std::string, std::vector<std::string>, std::less<>>;

CasesById ById(const std::vector<Case>& cases) {
  CasesById by_id;
  for (const Case& c : cases) {
    for (const std::string& id : SplitSources(c.info.source)) by_id[id].push_back(c.info.full_name());
  }
  return by_id;
}

// "rule", "L", "properties" or "peer bug", followed by a number or what was meant as one.
bool LooksNumbered(std::string_view id) {
  for (std::string_view family : {"rule", "properties", "property", "peer bug", "bug"}) {
    if (id.starts_with(family) && id.substr(family.size()).starts_with(' ')) return true;
  }
  return id.size() > 1 && id[0] == 'L' && std::isdigit(static_cast<unsigned char>(id[1])) != 0;
}

struct Part {
  std::string_view prefix;
  const char* title;
};
constexpr Part kParts[] = {
    {"rule ", "Rules of the snapshot API"},
    {"L", "Rules of layer tars"},
    {"properties ", "Properties of a union file system"},
    {"peer bug ", "Bugs that somebody had"},
};

}  // namespace

const std::vector<SourceRow>& AllSources() {
  static const std::vector<SourceRow> rows = {
#define SOURCE(id, sentence, reason) {id, sentence, reason},
#include "conformance/sources.def"
#undef SOURCE
  };
  return rows;
}

std::vector<std::string> SplitSources(const std::string& text) {
  std::vector<std::string> ids;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(';', at), text.size());
    const size_t begin = text.find_first_not_of(' ', at);
    const size_t last = text.find_last_not_of(' ', end - 1);
    if (begin < end) ids.push_back(text.substr(begin, last + 1 - begin));
    at = end + 1;
  }
  return ids;
}

std::vector<std::string> SourceFaults(const std::vector<SourceRow>& rows, const std::vector<Case>& cases) {
  std::vector<std::string> faults;
  const CasesById by_id = ById(cases);
  std::set<std::string_view> known;
  for (const SourceRow& row : rows) {
    if (!known.insert(row.id).second) faults.push_back(fmt::format("{}: stands twice", row.id));
    if (row.sentence.empty()) faults.push_back(fmt::format("{}: says nothing", row.id));
    const auto covered = by_id.find(row.id);
    if (covered == by_id.end() && row.reason.empty())
      faults.push_back(fmt::format("{}: has neither a case nor a reason why not", row.id));
    if (covered != by_id.end() && !row.reason.empty())
      faults.push_back(fmt::format("{}: {} covers it, and a reason why none does stands there", row.id,
                                   covered->second.front()));
  }
  for (const Case& c : cases) {
    const std::vector<std::string> ids = SplitSources(c.info.source);
    if (ids.empty()) faults.push_back(fmt::format("{}: has no source", c.info.full_name()));
    for (const std::string& id : ids) {
      if (LooksNumbered(id) && !known.contains(id))
        faults.push_back(fmt::format("{}: names {}, which does not exist", c.info.full_name(), id));
    }
  }
  return faults;
}

std::string SourcesMarkdown(const std::vector<SourceRow>& rows, const std::vector<Case>& cases) {
  const CasesById by_id = ById(cases);
  const auto covered =
      std::count_if(rows.begin(), rows.end(), [&](const SourceRow& row) { return by_id.contains(row.id); });
  std::string text = fmt::format(
      "# Sources of the cases\n\n"
      "What the conformance cases are held to, and which case covers it. Made by `./layermark cases "
      "--sources`\n"
      "from `conformance/sources.def` and the cases; a test holds this page to them. `--filter 'L19'` "
      "selects the\n"
      "cases of a source, and `--filter 'properties *'` those of a table. Numbers that are missing in a "
      "table are\n"
      "not in use.\n\n"
      "{} cases; {} sources, of which {} have a case and {} a reason why not.\n",
      cases.size(), rows.size(), covered, static_cast<long>(rows.size()) - covered);
  for (const Part& part : kParts) {
    text += fmt::format("\n## {}\n\n| source | what it says | cases |\n|---|---|---|\n", part.title);
    for (const SourceRow& row : rows) {
      if (!row.id.starts_with(part.prefix)) continue;
      std::string names;
      if (const auto found = by_id.find(row.id); found != by_id.end()) {
        for (const std::string& name : found->second)
          names += fmt::format("{}`{}`", names.empty() ? "" : ", ", name);
      } else {
        names = fmt::format("none: {}", row.reason);
      }
      text += fmt::format("| {} | {} | {} |\n", row.id, row.sentence, names);
    }
  }
  return text;
}

}  // namespace layermark
