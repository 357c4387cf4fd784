// Case lifecycle.random_calls and its kin: long sequences of calls drawn at random, each answer held against
// the model's. What no case thought of, such as the second child of a removed name's successor, comes up by
// itself.
#include <fmt/core.h>

#include <array>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "conformance/support/case.h"

namespace layermark {
namespace {

constexpr std::array<const char*, 9> kNames = {"a", "b", "A", "a ", "a/b", "base", "..", "\xc3\xa9", "a.b=c"};
constexpr std::array<const char*, 7> kKeys = {"a",     "a.b",  "containerd.io/snapshot/x", "A", "x/y",
                                              "a.b.c", "other"};
constexpr std::array<const char*, 8> kValues = {"", "v", " v ", "k=v=w", "\xc3\xa9\n", "w", "true", "V"};

class Draw {
 public:
  explicit Draw(uint64_t seed) : engine_(seed) {}
  size_t Below(size_t n) { return static_cast<size_t>(engine_() % n); }
  template <size_t N>
  std::string Of(const std::array<const char*, N>& words) {
    return words[Below(N)];
  }
  Labels SomeLabels() {
    Labels labels;
    for (size_t left = Below(4); left > 0; --left) labels[Of(kKeys)] = Of(kValues);
    return labels;
  }

 private:
  std::mt19937_64 engine_;  // its numbers are the same everywhere, those of distributions are not
};

std::string Filter(Draw& draw) {
  const auto clause = [&]() -> std::string {
    switch (draw.Below(6)) {
      case 0:
        return fmt::format(
            "kind{}{}", draw.Below(2) == 0 ? "==" : "!=", draw.Of(std::array{"active", "view", "committed"}));
      case 1:
        return fmt::format("name{}{}",
                           draw.Below(2) == 0 ? "==" : "!=", draw.Of(std::array{"a", "b", "base"}));
      case 2:
        return fmt::format("parent{}{}",
                           draw.Below(2) == 0 ? "==" : "!=", draw.Of(std::array{"a", "b", "base"}));
      case 3:
        return draw.Of(std::array{"parent", "labels.a", "labels.other", "labels.\"a.b\""});
      case 4:
        return fmt::format("labels.\"{}\"{}{}", draw.Of(kKeys),
                           draw.Below(2) == 0 ? "==" : "!=", draw.Of(std::array{"v", "w", "true"}));
      default:
        return fmt::format("labels.a{}{}",
                           draw.Below(2) == 0 ? "==" : "!=", draw.Of(std::array{"v", "w", "V"}));
    }
  };
  std::string filter = clause();
  while (draw.Below(3) == 0) filter += "," + clause();
  return filter;
}

// What there is, as the answers so far say: enough to leave out calls that break two rules at once, of which
// the rules do not say which counts (rule 30, rule 40).
class Known {
 public:
  bool Has(const std::string& name) const { return kinds_.contains(name); }
  bool Is(const std::string& name, Kind kind) const { return Has(name) && kinds_.at(name) == kind; }
  bool Unclear(const std::string& key, const std::string& parent) const {
    return Has(key) && !parent.empty() && !Is(parent, Kind::kCommitted);
  }
  // One of those that there are, three times in four, else the given one.
  std::string Pick(Draw& draw, const std::string& otherwise) const {
    if (kinds_.empty() || draw.Below(4) == 0) return otherwise;
    return std::next(kinds_.begin(), static_cast<ptrdiff_t>(draw.Below(kinds_.size())))->first;
  }
  void Made(const std::string& name, Kind kind) { kinds_[name] = kind; }
  void Gone(const std::string& name) { kinds_.erase(name); }

 private:
  std::map<std::string, Kind> kinds_;
};

void OneCall(Snapshotter& s, Draw& draw, Known& known) {
  const size_t call = draw.Below(14);
  const std::string drawn = draw.Of(kNames);
  const std::string name = call <= 4 ? drawn : known.Pick(draw, drawn);
  const std::string other = draw.Below(4) == 0 ? "" : known.Pick(draw, draw.Of(kNames));
  const Labels labels = draw.SomeLabels();
  if (call <= 2 && !known.Unclear(name, other)) {
    const bool view = call == 2;
    const bool made = view ? s.View(name, other, labels).ok() : s.Prepare(name, other, labels).ok();
    if (made) known.Made(name, view ? Kind::kView : Kind::kActive);
  } else if (call == 3 || call == 4) {
    const std::string key = other.empty() ? "base" : other;
    if (known.Has(name) && !known.Is(key, Kind::kActive)) return;
    if (!s.Commit(name, key, labels).ok()) return;
    known.Gone(key);
    known.Made(name, Kind::kCommitted);
  } else if (call == 5 || call == 6) {
    if (s.Remove(name).ok()) known.Gone(name);
  } else if (call == 7) {
    (void)s.Mounts(name);
  } else if (call >= 11) {
    Info info;
    info.name = name;
    info.parent = other;
    info.labels = labels;
    std::vector<std::string> paths;
    for (size_t left = draw.Below(3); left > 0; --left) {
      paths.push_back(draw.Below(4) == 0 ? "labels" : "labels." + draw.Of(kKeys));
    }
    (void)s.Update(info, paths);
    (void)s.Stat(name);
  } else if (call == 8) {
    std::vector<std::string> filters;
    for (size_t left = draw.Below(3); left > 0; --left) filters.push_back(Filter(draw));
    (void)s.Walk([](const Info&) { return Status(); }, filters);
  } else if (call == 9) {
    (void)s.GetUsage(name);
  } else {
    (void)s.Stat(name);
  }
}

void RandomCalls(CaseContext& t, uint64_t salt, int calls) {
  t.SameAsModel([&](Snapshotter& s) {
    Draw draw(t.seed() * 1000 + salt);
    Known known;
    // A family to begin with, so that few calls find nothing.
    std::string parent;
    for (const char* name : {"a", "b"}) {
      if (s.Prepare("base", parent, draw.SomeLabels()).ok() &&
          s.Commit(name, "base", draw.SomeLabels()).ok()) {
        known.Made(name, Kind::kCommitted);
      }
      parent = name;
    }
    for (int i = 0; i < calls; ++i) OneCall(s, draw, known);
    (void)s.Walk([](const Info&) { return Status(); }, {});
    for (const char* name : kNames) (void)s.Stat(name);
  });
}

}  // namespace

LM_CASE(lifecycle, random_calls, .claim = "80 calls drawn at random get the answers that the rules give",
        .source = "rule 2; rule 3; rule 13; rule 28; rule 29; rule 40; rule 47; rule 51",
        .deadline_seconds = 120) {
  RandomCalls(t, 1, 80);
}

LM_CASE(lifecycle, random_calls_again,
        .claim = "another 80 calls drawn at random get the answers that the rules give",
        .source = "rule 2; rule 14; rule 31; rule 32; rule 43; rule 50; rule 51", .deadline_seconds = 120) {
  RandomCalls(t, 2, 80);
}

LM_CASE(
    lifecycle, updates_stay_on_every_kind,
    .claim =
        "labels that Update sets, changes and removes on active snapshots, views and committed ones are what "
        "Stat and Walk tell afterwards, whatever dots and slashes their keys hold",
    .source = "rule 13; rule 14; rule 16; C5; C10") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"first", "1"}});
    (void)s.Commit("committed", "a", {{"first", "1"}, {"x.y/z", "old"}});
    (void)s.Prepare("active", "committed", {{"first", "1"}, {"x.y/z", "old"}});
    (void)s.View("view", "committed", {{"first", "1"}, {"x.y/z", "old"}});
    for (const char* name : {"committed", "active", "view"}) {
      Info info;
      info.name = name;
      info.labels = {{"x.y/z", "new"}, {"x", "x"}, {"containerd.io/snapshot/y.z", "set"}};
      (void)s.Update(info, {"labels.x.y/z"});
      (void)s.Stat(name);
      (void)s.Update(info, {"labels.containerd.io/snapshot/y.z", "labels.first"});
      (void)s.Stat(name);
      (void)s.Update(info, {"labels"});
      (void)s.Stat(name);
      (void)s.Walk([](const Info&) { return Status(); }, {});
    }
    (void)s.Walk([](const Info&) { return Status(); }, {"labels.\"x.y/z\"==new"});
  });
}

LM_CASE(lifecycle, a_view_is_no_parent,
        .claim = "a view of any parent, or of none, is refused as a parent by Prepare and View",
        .source = "rule 4; rule 29; C29") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.View("view", "base");
    (void)s.View("bare", "");
    (void)s.Prepare("active", "base");
    for (const char* parent : {"view", "bare", "active"}) {
      (void)s.View("v", parent);
      (void)s.Prepare("p", parent);
      (void)s.Stat("v");
      (void)s.Stat("p");
    }
  });
}

LM_CASE(lifecycle, filters_by_name_take_the_whole_name,
        .claim = "a filter name==N gives N and no name that begins with it, ends with it or differs in case",
        .source = "rule 51; C7") {
  t.SameAsModel([](Snapshotter& s) {
    for (const char* key : {"base", "base2", "mybase", "Base", "bas", "base.x"}) (void)s.Prepare(key, "");
    for (const char* filter :
         {"name==base", "name==bas", "name!=base", "name==Base", "parent==base", "name==b"}) {
      (void)s.Walk([](const Info&) { return Status(); }, {filter});
    }
  });
}

}  // namespace layermark
