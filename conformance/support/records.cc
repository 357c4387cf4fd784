#include "conformance/support/records.h"

#include <fmt/core.h>

#include <vector>

namespace layermark {

std::map<std::string, std::string> RecordsOf(CaseContext& t) {
  std::vector<Info> infos;
  t.Ok(t.api().Walk([&](const Info& info) {
    infos.push_back(info);
    return Status::Ok();
  }),
       "walk");
  std::map<std::string, std::string> all;
  for (const Info& info : infos) {
    std::string text =
        fmt::format("{} on {} {} {}", KindName(info.kind), info.parent, info.created_ns, info.updated_ns);
    for (const auto& [key, value] : info.labels) text += fmt::format(" {}={}", key, value);
    if (info.kind == Kind::kCommitted) {
      const Result<Usage> usage = t.api().GetUsage(info.name);
      if (t.Ok(usage, "usage of " + info.name))
        text += fmt::format(" {} inodes {} bytes", usage->inodes, usage->size_bytes);
    }
    all[info.name] = text;
  }
  return all;
}

void SameRecords(CaseContext& t, const std::map<std::string, std::string>& before,
                 const std::map<std::string, std::string>& after) {
  for (const auto& [name, text] : before) {
    const auto found = after.find(name);
    if (t.Check(found != after.end(), name + " is gone")) t.Equal(text, found->second, name);
  }
  t.Equal(before.size(), after.size(), "snapshots");
}

}  // namespace layermark
