// Area lifecycle: calls that meet. Whatever the order, each answer fits some order, and nothing is lost or
// half done.
#include <fmt/core.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "conformance/support/case.h"

namespace layermark {
namespace {

// Runs the calls at the same time, or one after the other where the driver wants that.
void AtOnce(CaseContext& t, const std::vector<std::function<void()>>& calls) {
  std::vector<std::thread> threads;
  for (const auto& call : calls) {
    if (t.Has(Capability::serial)) {
      call();
    } else {
      threads.emplace_back(call);
    }
  }
  for (std::thread& thread : threads) thread.join();
}

// Snapshots by name, as Walk tells them.
std::map<std::string, Info> All(CaseContext& t) {
  std::map<std::string, Info> all;
  t.Ok(t.api().Walk([&](const Info& info) {
    t.Check(all.emplace(info.name, info).second, "visited twice: " + info.name);
    return Status::Ok();
  }),
       "walk");
  for (const auto& [name, info] : all) {
    t.Check(info.parent.empty() || all.contains(info.parent),
            name + " has a parent that is gone: " + info.parent);
  }
  return all;
}

}  // namespace

LM_CASE(lifecycle, one_name_from_many_threads,
        .claim =
            "of many concurrent Commits under one name exactly one succeeds; the others keep their snapshots",
        .source = "rule 40; rule 45; concurrency") {
  constexpr int kThreads = 6;
  for (int i = 0; i < kThreads; ++i) {
    if (!t.Ok(t.api().Prepare(fmt::format("k{}", i), ""), "prepare")) return;
  }
  std::atomic<int> ok{0}, exists{0};
  std::vector<std::function<void()>> calls;
  for (int i = 0; i < kThreads; ++i) {
    calls.emplace_back([&, i] {
      const Status s = t.api().Commit("name", fmt::format("k{}", i));
      if (s.ok()) ++ok;
      if (s.code() == Code::kAlreadyExists) ++exists;
    });
  }
  AtOnce(t, calls);
  t.Equal(1, ok.load(), "Commits that succeeded");
  t.Equal(kThreads - 1, exists.load(), "Commits that answered AlreadyExists");
  t.Equal(size_t{kThreads}, All(t).size(), "snapshots afterwards");
}

LM_CASE(lifecycle, one_key_is_removed_once,
        .claim = "of many concurrent Removes of one key exactly one succeeds and the others are NotFound",
        .source = "rule 47; concurrency") {
  if (!t.Ok(t.api().Prepare("k", ""), "prepare")) return;
  std::atomic<int> ok{0}, gone{0};
  const auto remove = [&] {
    const Status s = t.api().Remove("k");
    if (s.ok()) ++ok;
    if (s.code() == Code::kNotFound) ++gone;
  };
  AtOnce(t, {remove, remove, remove, remove, remove, remove});
  t.Equal(1, ok.load(), "Removes that succeeded");
  t.Equal(5, gone.load(), "Removes that answered NotFound");
}

LM_CASE(lifecycle, a_parent_is_not_removed_under_a_child,
        .claim = "while children are prepared on it, a parent is either removed first or kept",
        .source = "rule 29; rule 47; concurrency") {
  for (int round = 0; round < 4; ++round) {
    const std::string base = fmt::format("base{}", round);
    if (!t.Ok(t.subject().CommitLayer(base, "", Layer().File("f", "x")), "commit")) return;
    std::mutex mutex;
    std::vector<std::string> strange;
    std::vector<std::function<void()>> calls;
    for (int i = 0; i < 4; ++i) {
      calls.emplace_back([&, i] {
        const Status s = t.api().Prepare(fmt::format("child{}.{}", round, i), base).status();
        const std::lock_guard lock(mutex);
        if (!s.ok() && s.code() != Code::kNotFound) strange.push_back("Prepare: " + s.ToString());
      });
    }
    calls.emplace_back([&] {
      const Status s = t.api().Remove(base);
      const std::lock_guard lock(mutex);
      if (!s.ok() && s.code() != Code::kFailedPrecondition) strange.push_back("Remove: " + s.ToString());
    });
    AtOnce(t, calls);
    for (const std::string& what : strange) t.Fail(what);
    for (const auto& [name, info] : All(t)) {
      if (info.kind != Kind::kActive || info.parent != base) continue;
      Result<std::vector<Mount>> mounts = t.api().Mounts(name);
      if (!t.Ok(mounts, "mounts of " + name)) continue;
      Result<MountedSnapshot> mounted = MountedSnapshot::Mount(name, *mounts);
      if (!t.Ok(mounted, "mounting " + name)) continue;
      Result<std::string> content = ReadFileAt(mounted->root_fd(), "f");
      if (t.Ok(content, "reading the parent's file in " + name))
        t.Equal(std::string("x"), *content, "content");
    }
  }
}

LM_CASE(lifecycle, cleanup_spares_what_is_being_made,
        .claim = "Cleanup while snapshots are prepared takes nothing of theirs",
        .source = "rule 54; concurrency; peer bug 30", .needs = {Capability::cleanup}) {
  t.Given({Layer().File("f", "x").Dir("d").File("d/g", "y")});
  if (t.ended()) return;
  std::mutex mutex;
  std::vector<std::string> failed;
  const auto note = [&](const char* call, const Status& s) {
    const std::lock_guard lock(mutex);
    if (!s.ok()) failed.push_back(fmt::format("{}: {}", call, s.ToString()));
  };
  std::vector<std::function<void()>> calls;
  for (int id = 0; id < 3; ++id) {
    calls.emplace_back([&, id] {
      for (int i = 0; i < 5; ++i)
        note("Prepare", t.api().Prepare(fmt::format("k{}.{}", id, i), t.given()).status());
    });
  }
  calls.emplace_back([&] {
    for (int i = 0; i < 12; ++i) note("Cleanup", t.api().Cleanup());
  });
  AtOnce(t, calls);
  for (const std::string& what : failed) t.Fail(what);
  for (const auto& [name, info] : All(t)) {
    if (info.kind != Kind::kActive) continue;
    Result<std::vector<Mount>> mounts = t.api().Mounts(name);
    if (!t.Ok(mounts, "mounts of " + name)) continue;
    Result<MountedSnapshot> mounted = MountedSnapshot::Mount(name, *mounts);
    if (!t.Ok(mounted, "mounting " + name)) continue;
    Result<Manifest> manifest = ReadManifest(mounted->root_fd());
    if (t.Ok(manifest, "reading " + name)) t.SameTree(t.given_manifest(), *manifest, name);
  }
}

LM_CASE(lifecycle, labels_from_many_threads,
        .claim = "concurrent Updates of different labels of one snapshot are all kept",
        .source = "rule 14; concurrency") {
  if (!t.Ok(t.api().Prepare("a", ""), "prepare")) return;
  std::vector<std::function<void()>> calls;
  std::atomic<int> failures{0};
  for (int i = 0; i < 8; ++i) {
    calls.emplace_back([&, i] {
      Info info;
      info.name = "a";
      info.labels = {{fmt::format("l{}", i), "set"}};
      if (!t.api().Update(info, {fmt::format("labels.l{}", i)}).ok()) ++failures;
    });
  }
  AtOnce(t, calls);
  t.Equal(0, failures.load(), "Updates that failed");
  Result<Info> info = t.api().Stat("a");
  if (t.Ok(info, "stat")) t.Equal(size_t{8}, info->labels.size(), "labels kept");
}

}  // namespace layermark
