#include "drivers/containerd/prefixed_snapshotter.h"

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "drivers/breach.h"
#include "drivers/support/filter.h"

namespace layermark {

Result<Info> PrefixedSnapshotter::Inner(Info info) const {
  for (std::string* name : {&info.name, &info.parent}) {
    if (name->empty() && name == &info.parent) continue;
    if (!name->starts_with(prefix_)) {
      const Status breach = DataLoss(fmt::format("the answer names \"{}\", which nobody asked for", *name));
      NoteBreach(breach);
      return breach;
    }
    name->erase(0, prefix_.size());
  }
  return info;
}

Result<Info> PrefixedSnapshotter::Stat(const std::string& key) {
  LM_ASSIGN(Info info, whole_->Stat(Outer(key)));
  return Inner(std::move(info));
}

Result<Info> PrefixedSnapshotter::Update(const Info& info, const std::vector<std::string>& field_paths) {
  Info outer = info;
  outer.name = Outer(info.name);
  outer.parent = Outer(info.parent);
  LM_ASSIGN(Info updated, whole_->Update(outer, field_paths));
  return Inner(std::move(updated));
}

Status PrefixedSnapshotter::Commit(const std::string& name, const std::string& key, const Labels& labels,
                                   const std::optional<std::string>& parent) {
  std::optional<std::string> outer_parent;
  if (parent) outer_parent = Outer(*parent);
  return whole_->Commit(Outer(name), Outer(key), labels, outer_parent);
}

Status PrefixedSnapshotter::Walk(const std::function<Status(const Info&)>& callback,
                                 const std::vector<std::string>& filters) {
  std::vector<std::string> asked = filters;
  std::optional<FilterSet> here;
  if (Result<FilterSet> parsed = FilterSet::Parse(filters);
      parsed.ok() && (parsed->Asks("name") || parsed->Asks("parent"))) {
    asked.clear();
    here.emplace(std::move(parsed).value());
  }
  return whole_->Walk(
      [&](const Info& outer) {
        if (!outer.name.starts_with(prefix_)) return Status::Ok();  // another store's
        LM_ASSIGN(const Info info, Inner(outer));
        return here && !here->Matches(info) ? Status::Ok() : callback(info);
      },
      asked);
}

}  // namespace layermark
