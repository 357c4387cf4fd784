// Area crowd: many threads on one store. Whatever the order, nothing hangs, each answer fits some order, and
// what is there in the end is whole. A driver that is `serial` gets the same calls one after the other.
#include <fmt/core.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "conformance/support/case.h"

namespace layermark {
namespace {

class Crowd {
 public:
  // The store is opened here, while there is one thread.
  explicit Crowd(CaseContext& t) : t_(t) { (void)t.api(); }

  void Add(std::function<void()> call) { calls_.push_back(std::move(call)); }
  // Runs all that was added at the same time; then fails the case for what was noted.
  void Go() {
    std::vector<std::thread> threads;
    for (const auto& call : calls_) {
      if (t_.Has(Capability::serial)) {
        call();
      } else {
        threads.emplace_back(call);
      }
    }
    for (std::thread& thread : threads) thread.join();
    calls_.clear();
    for (const std::string& what : noted_) t_.Fail(what);
    noted_.clear();
  }
  // Notes an answer that is none of these classes. Any thread.
  void Expect(const std::string& call, const Status& status, const std::set<Code>& allowed = {Code::kOk}) {
    if (allowed.contains(status.code())) return;
    Note(fmt::format("{}: {}", call, status.ToString()));
  }
  void Note(std::string what) {
    const std::lock_guard lock(mutex_);
    noted_.push_back(std::move(what));
  }

 private:
  CaseContext& t_;
  std::mutex mutex_;
  std::vector<std::string> noted_;
  std::vector<std::function<void()>> calls_;
};

std::map<std::string, Info> All(CaseContext& t) {
  std::map<std::string, Info> all;
  t.Ok(t.api().Walk([&](const Info& info) {
    t.Check(all.emplace(info.name, info).second, "visited twice: " + info.name);
    return Status::Ok();
  }),
       "walk");
  for (const auto& [name, info] : all)
    t.Check(info.parent.empty() || all.contains(info.parent),
            name + " has a parent that is gone: " + info.parent);
  return all;
}

// Every snapshot that can be mounted shows the tree.
void EachShows(CaseContext& t, const Manifest& expected) {
  for (const auto& [name, info] : All(t)) {
    if (info.kind == Kind::kCommitted || info.parent.empty()) continue;
    Result<std::vector<Mount>> mounts = t.api().Mounts(name);
    if (!t.Ok(mounts, "mounts of " + name)) continue;
    Result<MountedSnapshot> mounted = MountedSnapshot::Mount(name, *mounts);
    if (!t.Ok(mounted, "mounting " + name)) continue;
    Result<Manifest> seen = ReadManifest(mounted->root_fd());
    if (t.Ok(seen, "reading " + name)) t.SameTree(expected, *seen, name);
  }
}

Layer Base() {
  return Layer().File("f", "x").Dir("d", 0750).File("d/g", std::string(5000, 'y')).Symlink("l", "f");
}

}  // namespace

LM_CASE(crowd, one_key_from_prepare_and_view,
        .claim =
            "of Prepares and Views of one key that meet one succeeds, and the snapshot is what that one made",
        .source = "rule 28; rule 45; concurrency", .deadline_seconds = 30) {
  t.Given({Base()});
  for (int round = 0; round < 5 && !t.ended(); ++round) {
    const std::string key = fmt::format("k{}", round);
    std::atomic<int> made{0}, prepared{0};
    Crowd crowd(t);
    for (int i = 0; i < 6; ++i) {
      crowd.Add([&, i] {
        const Status s =
            (i % 2 == 0 ? t.api().Prepare(key, t.given()) : t.api().View(key, t.given())).status();
        crowd.Expect("Prepare or View", s, {Code::kOk, Code::kAlreadyExists});
        if (s.ok()) ++made;
        if (s.ok() && i % 2 == 0) ++prepared;
      });
    }
    crowd.Go();
    t.Equal(1, made.load(), "calls that succeeded");
    Result<Info> info = t.api().Stat(key);
    if (t.Ok(info, "stat"))
      t.Check((info->kind == Kind::kActive) == (prepared == 1), "it has the other kind");
  }
  EachShows(t, t.given_manifest());
}

LM_CASE(crowd, prepare_meets_remove_of_its_key,
        .claim = "a key that is removed and prepared again and again by several threads is never half there",
        .source = "rule 32; rule 48; concurrency", .deadline_seconds = 30) {
  t.Given({Base()});
  Crowd crowd(t);
  for (int thread = 0; thread < 4; ++thread) {
    crowd.Add([&] {
      for (int i = 0; i < 6; ++i) {
        crowd.Expect("Prepare", t.api().Prepare("k", t.given()).status(), {Code::kOk, Code::kAlreadyExists});
        crowd.Expect("Mounts", t.api().Mounts("k").status(), {Code::kOk, Code::kNotFound});
        crowd.Expect("Remove", t.api().Remove("k"), {Code::kOk, Code::kNotFound});
      }
    });
  }
  crowd.Go();
  crowd.Expect("Prepare", t.api().Prepare("k", t.given()).status(), {Code::kOk, Code::kAlreadyExists});
  crowd.Go();
  EachShows(t, t.given_manifest());
}

LM_CASE(crowd, commit_meets_remove,
        .claim = "of a Commit and a Remove of one key that meet one finds it and one does not",
        .source = "rule 40; rule 45; rule 47; concurrency", .deadline_seconds = 30) {
  t.Given({Base()});
  for (int round = 0; round < 6 && !t.ended(); ++round) {
    const std::string key = fmt::format("k{}", round), name = fmt::format("n{}", round);
    if (!t.Ok(t.api().Prepare(key, t.given()), "prepare")) return;
    std::atomic<int> committed{0}, removed{0};
    Crowd crowd(t);
    crowd.Add([&] {
      const Status s = t.api().Commit(name, key);
      crowd.Expect("Commit", s, {Code::kOk, Code::kNotFound});
      if (s.ok()) ++committed;
    });
    crowd.Add([&] {
      const Status s = t.api().Remove(key);
      crowd.Expect("Remove", s, {Code::kOk, Code::kNotFound});
      if (s.ok()) ++removed;
    });
    crowd.Go();
    t.Equal(1, committed + removed, "calls that found the key");
    t.HasCode(t.api().Stat(key).status(), Code::kNotFound, "the key afterwards");
    t.HasCode(t.api().Stat(name).status(), committed == 1 ? Code::kOk : Code::kNotFound,
              "the name afterwards");
    if (committed != 1) continue;
    Result<Manifest> seen = t.subject().ViewManifest(name);
    if (t.Ok(seen, "view")) t.SameTree(t.given_manifest(), *seen, name);
  }
}

LM_CASE(crowd, one_image_unpacked_by_several,
        .claim =
            "several threads that make the same chain of layers, as pulls of one image do, end with one "
            "whole chain",
        .source = "peer bug 32; rule 28; rule 40; containerd 3787; containerd 10723",
        .deadline_seconds = 60) {
  constexpr int kLayers = 5;
  Crowd crowd(t);
  for (int thread = 0; thread < 4; ++thread) {
    crowd.Add([&, thread] {
      std::string parent;
      for (int layer = 0; layer < kLayers; ++layer) {
        const std::string name = fmt::format("sha256:{}", layer),
                          key = fmt::format("unpack-{}-{}", thread, layer);
        const Status prepared = t.api().Prepare(key, parent, {{"thread", std::to_string(thread)}}).status();
        crowd.Expect("Prepare " + key, prepared);
        const Status committed = t.api().Commit(name, key, {{"layer", std::to_string(layer)}});
        crowd.Expect("Commit " + name, committed, {Code::kOk, Code::kAlreadyExists});
        if (committed.code() == Code::kAlreadyExists) crowd.Expect("Remove " + key, t.api().Remove(key));
        parent = name;
      }
    });
  }
  crowd.Go();
  const std::map<std::string, Info> all = All(t);
  t.Equal(size_t{kLayers}, all.size(), "snapshots afterwards");
  for (int layer = 1; layer < kLayers; ++layer) {
    const auto found = all.find(fmt::format("sha256:{}", layer));
    if (t.Check(found != all.end(), fmt::format("layer {} is missing", layer)))
      t.Equal(fmt::format("sha256:{}", layer - 1), found->second.parent, "the parent");
  }
}

LM_CASE(crowd, chains_on_one_base_stay_apart,
        .claim = "chains that several threads commit on one base each have their own parents and labels",
        .source = "rule 5; rule 43; rule 53; concurrency", .deadline_seconds = 60) {
  t.Given({Base()});
  Crowd crowd(t);
  for (int thread = 0; thread < 4; ++thread) {
    crowd.Add([&, thread] {
      std::string parent = t.given();
      for (int layer = 0; layer < 4; ++layer) {
        const std::string name = fmt::format("c{}.{}", thread, layer);
        crowd.Expect("Prepare", t.api().Prepare("k" + name, parent).status());
        crowd.Expect("Commit", t.api().Commit(name, "k" + name, {{"of", name}}));
        parent = name;
      }
    });
  }
  crowd.Go();
  const std::map<std::string, Info> all = All(t);
  t.Equal(size_t{17}, all.size(), "snapshots afterwards");
  for (int thread = 0; thread < 4; ++thread) {
    for (int layer = 0; layer < 4; ++layer) {
      const std::string name = fmt::format("c{}.{}", thread, layer);
      const auto found = all.find(name);
      if (!t.Check(found != all.end(), name + " is missing")) continue;
      t.Equal(layer == 0 ? t.given() : fmt::format("c{}.{}", thread, layer - 1), found->second.parent, name);
      t.Check(found->second.labels == Labels{{"of", name}}, name + " has other labels");
    }
    const std::string top = fmt::format("c{}.3", thread);
    Result<Manifest> seen = t.subject().ViewManifest(top);
    if (t.Ok(seen, "view")) t.SameTree(t.given_manifest(), *seen, top);
  }
}

LM_CASE(crowd, walk_sees_what_stays,
        .claim = "a Walk beside changes visits each snapshot that stays exactly once, with its own labels",
        .source = "rule 50; rule 53; concurrency", .deadline_seconds = 60) {
  constexpr int kStay = 30;
  for (int i = 0; i < kStay; ++i) {
    if (!t.Ok(t.api().View(fmt::format("stay{}", i), "", {{"n", std::to_string(i)}}), "view")) return;
  }
  Crowd crowd(t);
  for (int thread = 0; thread < 2; ++thread) {
    crowd.Add([&, thread] {
      for (int i = 0; i < 10; ++i) {
        const std::string key = fmt::format("go{}.{}", thread, i);
        crowd.Expect("Prepare", t.api().Prepare(key, "").status());
        crowd.Expect("Remove", t.api().Remove(key));
      }
    });
    crowd.Add([&] {
      for (int i = 0; i < 5; ++i) {
        std::map<std::string, int> seen;
        crowd.Expect("Walk", t.api().Walk([&](const Info& info) {
          ++seen[info.name];
          if (info.name.starts_with("stay") && info.labels != Labels{{"n", info.name.substr(4)}})
            crowd.Note("other labels: " + info.name);
          return Status::Ok();
        }));
        for (int stay = 0; stay < kStay; ++stay) {
          if (seen[fmt::format("stay{}", stay)] != 1)
            crowd.Note(fmt::format("stay{} was visited {} times", stay, seen[fmt::format("stay{}", stay)]));
        }
      }
    });
  }
  crowd.Go();
  t.Equal(size_t{kStay}, All(t).size(), "snapshots afterwards");
}

LM_CASE(crowd, usage_meets_remove,
        .claim = "Usage and Mounts of a key that is being removed answer it or NotFound",
        .source = "rule 18; rule 22; rule 47; concurrency", .deadline_seconds = 30) {
  t.Given({Base()});
  Crowd crowd(t);
  for (int i = 0; i < 8; ++i) t.Ok(t.api().Prepare(fmt::format("k{}", i), t.given()), "prepare");
  crowd.Add([&] {
    for (int i = 0; i < 8; ++i) crowd.Expect("Remove", t.api().Remove(fmt::format("k{}", i)));
  });
  for (int thread = 0; thread < 2; ++thread) {
    crowd.Add([&] {
      for (int i = 0; i < 8; ++i) {
        crowd.Expect("Usage", t.api().GetUsage(fmt::format("k{}", i)).status(), {Code::kOk, Code::kNotFound});
        crowd.Expect("Mounts", t.api().Mounts(fmt::format("k{}", i)).status(), {Code::kOk, Code::kNotFound});
      }
    });
  }
  crowd.Go();
  t.Equal(size_t{1}, All(t).size(), "snapshots afterwards");
}

LM_CASE(crowd, updates_of_one_map,
        .claim = "Updates of whole label maps that meet leave one of the maps, not a mixture",
        .source = "rule 13; rule 45; concurrency", .deadline_seconds = 30) {
  if (!t.Ok(t.api().Prepare("a", ""), "prepare")) return;
  for (int round = 0; round < 4 && !t.ended(); ++round) {
    Crowd crowd(t);
    for (int thread = 0; thread < 6; ++thread) {
      crowd.Add([&, thread] {
        Info info;
        info.name = "a";
        for (const char* key : {"x", "y", "z"}) info.labels[key] = fmt::format("{}", thread);
        crowd.Expect("Update", t.api().Update(info, {}).status());
      });
    }
    crowd.Go();
    Result<Info> info = t.api().Stat("a");
    if (!t.Ok(info, "stat")) return;
    t.Equal(size_t{3}, info->labels.size(), "labels");
    t.Check(info->labels["x"] == info->labels["y"] && info->labels["y"] == info->labels["z"],
            fmt::format("a mixture: {} {} {}", info->labels["x"], info->labels["y"], info->labels["z"]));
  }
}

LM_CASE(
    crowd, removal_of_a_tree_of_snapshots,
    .claim = "threads that remove a whole family, retrying what still has children, end with an empty store",
    .source = "rule 47; rule 49; concurrency", .deadline_seconds = 60) {
  std::vector<std::string> names;
  t.Given({Base()});
  for (int i = 0; i < 3; ++i) {
    std::string parent = t.given();
    for (int depth = 0; depth < 3; ++depth) {
      const std::string name = fmt::format("n{}.{}", i, depth);
      if (!t.Ok(t.api().Prepare("k", parent), "prepare") || !t.Ok(t.api().Commit(name, "k"), "commit"))
        return;
      names.push_back(name);
      parent = name;
    }
  }
  Crowd crowd(t);
  for (int thread = 0; thread < 3; ++thread) {
    crowd.Add([&] {
      std::vector<std::string> left = names;
      for (int tries = 0; !left.empty() && tries < 1000; ++tries) {
        std::vector<std::string> again;
        for (const std::string& name : left) {
          const Status s = t.api().Remove(name);
          crowd.Expect("Remove", s, {Code::kOk, Code::kNotFound, Code::kFailedPrecondition});
          if (s.code() == Code::kFailedPrecondition) again.push_back(name);
        }
        left = again;
      }
      if (!left.empty()) crowd.Note("never removed: " + left.front());
    });
  }
  crowd.Go();
  t.Equal(size_t{1}, All(t).size(), "snapshots afterwards");
  t.ThenStackIsRight();
}

LM_CASE(crowd, every_call_at_once,
        .claim =
            "a random mixture of all calls from many threads has answers of the known classes alone, hangs "
            "nowhere, "
            "and leaves a store in which every snapshot is whole, also after it is opened again",
        .source = "rule 45; rule 53; rule 54; rule 56; peer bug 30; containerd 2212",
        .deadline_seconds = 60) {
  t.Given({Base()});
  Crowd crowd(t);
  constexpr int kThreads = 6, kCalls = 25;
  for (int thread = 0; thread < kThreads; ++thread) {
    crowd.Add([&, thread] {
      std::mt19937_64 random(t.seed() * 1000 + static_cast<uint64_t>(thread));
      const auto below = [&](uint64_t n) { return random() % n; };
      const auto any = [&] { return fmt::format("s{}", below(8)); };
      const auto parent = [&] { return below(2) == 0 ? t.given() : any(); };
      for (int i = 0; i < kCalls; ++i) {
        Info info;
        info.name = any();
        info.labels = {{"l", std::to_string(i)}};
        switch (below(9)) {
          case 0:
            crowd.Expect("Stat", t.api().Stat(info.name).status(), {Code::kOk, Code::kNotFound});
            break;
          case 1:
            crowd.Expect("Update", t.api().Update(info, {"labels.l"}).status(), {Code::kOk, Code::kNotFound});
            break;
          case 2:
            crowd.Expect("Usage", t.api().GetUsage(info.name).status(), {Code::kOk, Code::kNotFound});
            break;
          case 3:
            crowd.Expect("Mounts", t.api().Mounts(info.name).status(),
                         {Code::kOk, Code::kNotFound, Code::kFailedPrecondition});
            break;
          case 4:
            crowd.Expect("View", t.api().View(info.name, parent(), info.labels).status(),
                         {Code::kOk, Code::kAlreadyExists, Code::kNotFound, Code::kInvalidArgument});
            break;
          case 5:
            crowd.Expect("Commit", t.api().Commit(any(), info.name, info.labels),
                         {Code::kOk, Code::kAlreadyExists, Code::kNotFound, Code::kFailedPrecondition});
            break;
          case 6:
            crowd.Expect("Remove", t.api().Remove(info.name),
                         {Code::kOk, Code::kNotFound, Code::kFailedPrecondition});
            break;
          case 7:
            crowd.Expect("Walk", t.api().Walk([](const Info&) { return Status::Ok(); }, {"labels.l"}));
            crowd.Expect("Cleanup", t.api().Cleanup(), {Code::kOk, Code::kUnimplemented});
            break;
          default:
            crowd.Expect("Prepare", t.api().Prepare(info.name, parent(), info.labels).status(),
                         {Code::kOk, Code::kAlreadyExists, Code::kNotFound, Code::kInvalidArgument});
        }
      }
    });
  }
  crowd.Go();
  EachShows(t, t.given_manifest());
  const size_t before = All(t).size();
  if (!t.Ok(t.subject().Reopen(), "opening again")) return;
  t.Equal(before, All(t).size(), "snapshots after opening again");
  EachShows(t, t.given_manifest());
}

}  // namespace layermark
