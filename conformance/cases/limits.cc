// Area limits: many layers, long options, odd and long paths, deep trees, large directories and large files.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "core/sys/mount.h"
#include "scenario/model.h"

namespace layermark {
namespace {

// A store of the instance at `root`, and layers committed in it, each with a file of its own.
class StoreAt {
 public:
  static Result<StoreAt> Open(CaseContext& t, const std::string& root) {
    StoreAt store;
    LM_ASSIGN(store.api_, t.instance().driver->Open(t.instance().options, root));
    return store;
  }
  Snapshotter& api() { return *api_; }

  // Layers first to last - 1, each on the one before.
  Status Commit(int first, int last) {
    for (int i = first; i < last; ++i) {
      const std::string key = fmt::format("k{}", i);
      LM_ASSIGN(std::vector<Mount> mounts, api_->Prepare(key, i == 0 ? "" : Name(i - 1)));
      LM_ASSIGN(MountedSnapshot mounted, MountedSnapshot::Mount(key, std::move(mounts)));
      LM_TRY(ApplyLayer(Layer().File(fmt::format("marker{}", i), std::to_string(i)), mounted.root_fd()));
      LM_TRY(mounted.Unmount());
      LM_TRY(api_->Commit(Name(i), key));
    }
    return Status::Ok();
  }
  static std::string Name(int i) { return fmt::format("layer{}", i); }

  // Mounts a snapshot on layer `top` and looks for the marker of every layer, and no other.
  void ShowsAll(CaseContext& t, int top, const std::string& what, bool view) {
    const std::string key = fmt::format("look{}", looks_++);
    Result<std::vector<Mount>> mounts = view ? api_->View(key, Name(top)) : api_->Prepare(key, Name(top));
    if (!t.Ok(mounts, what + ": prepare")) return;
    {
      Result<MountedSnapshot> mounted = MountedSnapshot::Mount(key, *mounts);
      if (!t.Ok(mounted, what + ": mount")) return;
      Result<std::vector<std::string>> names = ListDir(mounted->root_fd());
      std::set<std::string> missing;
      for (int i = 0; i <= top; ++i) {
        Result<std::string> content = ReadFileAt(mounted->root_fd(), fmt::format("marker{}", i));
        if (!content.ok() || *content != std::to_string(i)) missing.insert(std::to_string(i));
      }
      if (!missing.empty())
        t.Fail(
            fmt::format("{}: {} layers are missing, {} among them", what, missing.size(), *missing.begin()));
      if (t.Ok(names, "list")) t.Equal(static_cast<size_t>(top) + 1, names->size(), what + ": names");
      t.Ok(mounted->Unmount(), what + ": unmount");
    }
    t.Ok(api_->Remove(key), what + ": remove");
  }

 private:
  std::unique_ptr<Snapshotter> api_;
  int looks_ = 0;
};

// The whole life of a store at `root`.
void Lives(CaseContext& t, const std::string& root, int layers, const std::string& what) {
  Result<StoreAt> store = StoreAt::Open(t, root);
  if (!t.Ok(store, what + ": opening the store")) return;
  if (t.Ok(store->Commit(0, layers), what + ": commit")) {
    store->ShowsAll(t, layers - 1, what + ", view", true);
    store->ShowsAll(t, layers - 1, what + ", active", false);
    t.Ok(store->api().GetUsage(StoreAt::Name(layers - 1)), what + ": usage");
  }
  for (int i = layers - 1; i >= 0; --i) (void)store->api().Remove(StoreAt::Name(i));
  t.Ok(store->api().Close(), what + ": close");
}

}  // namespace

LM_CASE(
    limits, paths_of_stores_hold_any_character,
    .claim = "a store whose path holds a colon, comma, backslash, blank, quote or newline works as any other",
    .source = "properties 17; peer bug 21; moby 40939; ovl/083") {
  Result<std::string> home = t.backing().NewDirectory("odd");
  if (!home.ok()) return t.Error(home.status().ToString());
  for (const char* name :
       {"a,b", "back\\slash", "two words", "quote\"'", "new\nline", "percent%20$HOME", "=equal=", "-dash"}) {
    const std::string root = *home + "/" + name;
    if (mkdir(root.c_str(), 0755) != 0) return t.Error("mkdir " + root);
    Lives(t, root, 3, fmt::format("a store at \"{}\"", name));
  }
  (void)RemoveTree(*home);
}

LM_CASE(limits, paths_of_stores_hold_a_colon, .claim = "a store whose path holds a colon works as any other",
        .source = "properties 17; peer bug 21; moby 40939; ovl/083") {
  Result<std::string> home = t.backing().NewDirectory("odd");
  if (!home.ok()) return t.Error(home.status().ToString());
  const std::string root = *home + "/a:b";
  if (mkdir(root.c_str(), 0755) != 0) return t.Error("mkdir " + root);
  Lives(t, root, 3, "a store at \"a:b\"");
  (void)RemoveTree(*home);
}

LM_CASE(limits, a_store_with_a_long_path,
        .claim =
            "a store whose path has more than 400 bytes, so that its layers take several pages of options, "
            "takes forty",
        .source = "properties 140; peer bug 15; containerd 2502") {
  Result<std::string> home = t.backing().NewDirectory("long");
  if (!home.ok()) return t.Error(home.status().ToString());
  std::string root = *home;
  for (int i = 0; i < 2; ++i) {
    root += "/" + std::string(190, static_cast<char>('a' + i));
    if (mkdir(root.c_str(), 0755) != 0) return t.Error("mkdir " + root);
  }
  Lives(t, root, 40, "a store with a long path");
  (void)RemoveTree(*home);
}

LM_CASE(limits, every_length_around_a_page_of_options,
        .claim =
            "for thirty-two lengths of the store's path, on both sides of a page of options, each of sixty "
            "layers is seen",
        .source = "properties 140; peer bug 16; peer bug 17; moby 9151; moby 41830; peer-checks C16",
        .deadline_seconds = 180) {
  // One store, reached through bind mounts whose paths differ by one byte.
  constexpr int kLayers = 60;
  Result<std::string> home = t.backing().NewDirectory("page"), store_root = t.backing().NewDirectory("store");
  if (!home.ok() || !store_root.ok()) return t.Error("directories on the backing");
  {
    Result<StoreAt> store = StoreAt::Open(t, *store_root);
    if (!t.Ok(store, "opening the store") || !t.Ok(store->Commit(0, kLayers), "commit")) return;
    t.Ok(store->api().Close(), "close");
  }
  // With sixty layers one byte of path moves the end of the options by sixty; the sweep crosses a page.
  for (size_t length = 1; length <= 32 && t.failures().size() < 5; ++length) {
    const std::string root = *home + "/" + std::string(length, 'p');
    if (mkdir(root.c_str(), 0755) != 0) return t.Error("mkdir " + root);
    if (Status s = BindMount(*store_root, root, false, false); !s.ok()) return t.Error(s.ToString());
    {
      Result<StoreAt> store = StoreAt::Open(t, root);
      if (t.Ok(store, "opening the store")) {
        store->ShowsAll(t, kLayers - 1, fmt::format("path of {} bytes", root.size()), length % 2 == 0);
        t.Ok(store->api().Close(), "close");
      }
    }
    t.Ok(UnmountPath(root), "unmount");
  }
  (void)RemoveTree(*home);
  (void)RemoveTree(*store_root);
}

LM_CASE(limits, every_depth_up_to_a_hundred_and_twenty_eight,
        .claim = "at depths up to 128 a snapshot shows the file of each layer, and view and active agree",
        .source =
            "rule 26; properties 140; peer bug 15; peer bug 18; peer-checks C13; peer-checks C14; "
            "peer-checks C37",
        .needs = {Capability::layers_128}, .deadline_seconds = 180) {
  Result<std::string> root = t.backing().NewDirectory("deep");
  if (!root.ok()) return t.Error(root.status().ToString());
  Result<StoreAt> store = StoreAt::Open(t, *root);
  if (!t.Ok(store, "opening the store")) return;
  for (int depth = 0; depth < 128 && !t.failed(); ++depth) {
    if (!t.Ok(store->Commit(depth, depth + 1), "commit")) break;
    if (depth % 8 == 0 || depth > 124)
      store->ShowsAll(t, depth, fmt::format("depth {}", depth + 1), depth % 2 == 0);
  }
  for (int i = 127; i >= 0; --i) (void)store->api().Remove(StoreAt::Name(i));
  t.Ok(store->api().Close(), "close");
}

LM_CASE(limits, five_hundred_layers_through_the_api,
        .claim =
            "500 committed layers are seen in one snapshot, and a layer more works or is refused and leaves "
            "no key",
        .source = "properties 139; rule 26; rule 35; no peer",
        .needs = {Capability::layers_500, Capability::shares_bytes}, .deadline_seconds = 240) {
  Result<std::string> root = t.backing().NewDirectory("many");
  if (!root.ok()) return t.Error(root.status().ToString());
  Result<StoreAt> store = StoreAt::Open(t, *root);
  if (!t.Ok(store, "opening the store")) return;
  // Only the first and last are mounted: the others are empty.
  constexpr int kLayers = 500;
  Status made = store->Commit(0, 1);
  for (int i = 1; i < kLayers - 1 && made.ok(); ++i) {
    const std::string key = fmt::format("k{}", i);
    made = store->api().Prepare(key, StoreAt::Name(i - 1)).status();
    if (made.ok()) made = store->api().Commit(StoreAt::Name(i), key);
  }
  if (made.ok()) made = store->Commit(kLayers - 1, kLayers);
  if (t.Ok(made, "500 layers")) {
    Result<std::vector<Mount>> mounts = store->api().View("look", StoreAt::Name(kLayers - 1));
    if (t.Ok(mounts, "view")) {
      Result<MountedSnapshot> mounted = MountedSnapshot::Mount("look", *mounts);
      if (t.Ok(mounted, "mount of 500 layers")) {
        Ops fs(mounted->root_fd());
        t.Equal(std::string("0"), fs.Read("marker0"), "the file of the first layer");
        t.Equal(std::to_string(kLayers - 1), fs.Read(fmt::format("marker{}", kLayers - 1)),
                "the file of the last layer");
      }
      if (mounted.ok()) t.Ok(mounted->Unmount(), "unmount");
      t.Ok(store->api().Remove("look"), "remove");
    }
    // One layer more than kernel overlay mounts.
    Status more = store->api().Prepare("k500", StoreAt::Name(kLayers - 1)).status();
    if (more.ok()) more = store->api().Commit(StoreAt::Name(kLayers), "k500");
    Result<std::vector<Mount>> beyond = store->api().View("beyond", StoreAt::Name(kLayers));
    if (beyond.ok()) {
      Result<MountedSnapshot> mounted = MountedSnapshot::Mount("beyond", *beyond);
      if (mounted.ok()) {
        Ops fs(mounted->root_fd());
        t.Equal(std::string("0"), fs.Read("marker0"), "the file of the first of 501 layers");
      }
    } else {
      t.HasCode(store->api().Stat("beyond").status(), Code::kNotFound, "the key of what was refused");
    }
  }
  t.Ok(store->api().Close(), "close");
}

LM_CASE(limits, paths_longer_than_path_max,
        .claim = "a lower tree deeper than PATH_MAX can be read, changed at its end, committed and removed",
        .source = "properties 160; pjd:open/03",
        // A driver that copies by path, as the oracle does, has no chance.
        .needs = {Capability::shares_bytes}, .deadline_seconds = 90) {
  Layer layer;
  std::string path;
  for (int i = 0; i < 25; ++i) {
    path += (i == 0 ? "" : "/") + std::string(200, static_cast<char>('a' + i));
    layer.Dir(path, 0750);
  }
  layer.File(path + "/deep", "lower").File(path + "/other", "x");
  const Layer change =
      Layer().Write(path + "/deep", 0, "UPPER").Remove(path + "/other").Dir(path + "/new", 0700);
  ModelTree model;
  if (!model.Apply(layer).ok()) return t.Error("the model cannot take the layer");
  if (!t.Ok(t.subject().CommitLayer("base", "", layer), "the layer")) return;
  const auto look = [&](const std::string& name) {
    Result<Manifest> seen = t.subject().ViewManifest(name);
    if (!t.Ok(seen, "view of " + name)) return;
    Manifest expected = model.ToManifestFor(*seen);
    expected.entries[""].mtime_ns = seen->entries[""].mtime_ns;  // no layer gave the root one
    t.SameTree(expected, *seen, name);
  };
  look("base");
  if (!model.Apply(change).ok()) return t.Error("the model cannot take the change");
  if (!t.Ok(t.subject().CommitLayer("next", "base", change), "a change at the end")) return;
  look("next");
  const Layer removal = Layer().RemoveAll(std::string(200, 'a'));
  if (!model.Apply(removal).ok()) return t.Error("the model cannot take the removal");
  if (t.Ok(t.subject().CommitLayer("gone", "next", removal), "removal of it all")) look("gone");
}

LM_CASE(
    limits, a_directory_of_a_hundred_thousand,
    .claim =
        "a lower directory of 100,000 entries lists each once, before and after changes, also from the next "
        "mount",
    .source = "properties 160; properties 19; peer bug 40; fuse-overlayfs 401; fuse-overlayfs 448; no peer",
    .deadline_seconds = 300) {
  constexpr int kEntries = 100'000;
  Result<MountedSnapshot> snapshot = t.subject().Prepare("k", "");
  if (!t.Ok(snapshot, "prepare")) return;
  if (mkdirat(snapshot->root_fd(), "d", 0755) != 0) return t.Fail("mkdir");
  for (int i = 0; i < kEntries; ++i) {
    // Symlinks: no block and no descriptor each.
    if (symlinkat("x", snapshot->root_fd(), fmt::format("d/{:06}", i).c_str()) != 0) {
      if (errno == ENOSPC) return t.Skip("budget", fmt::format("the backing holds {} entries", i));
      return t.Fail(fmt::format("symlink {}: {}", i, ErrnoName(errno)));
    }
  }
  if (!t.Ok(snapshot->Unmount(), "unmount") || !t.Ok(t.api().Commit("base", "k"), "commit")) return;
  Result<MountedSnapshot> child = t.subject().Prepare("child", "base");
  if (!child.ok() && child.status().code() == Code::kResourceExhausted)
    return t.Skip("budget", "the backing does not hold a second copy");
  if (!t.Ok(child, "prepare on it")) return;
  const auto look = [&](const std::string& when, std::set<int> gone, size_t more) {
    Result<std::vector<std::string>> names = ListDir(child->root_fd(), "d");
    if (!t.Ok(names, when + ": list")) return;
    t.Equal(static_cast<size_t>(kEntries) - gone.size() + more, names->size(), when + ": names");
    const std::set<std::string> seen(names->begin(), names->end());
    t.Equal(names->size(), seen.size(), when + ": different names");
    for (int i = 0; i < kEntries; i += 997)
      t.Check(gone.contains(i) != seen.contains(fmt::format("{:06}", i)),
              fmt::format("{}: entry {}", when, i));
  };
  look("at first", {}, 0);
  std::set<int> gone;
  for (int i = 0; i < kEntries; i += 9970) {
    t.Check(unlinkat(child->root_fd(), fmt::format("d/{:06}", i).c_str(), 0) == 0, "unlink");
    gone.insert(i);
  }
  for (int i = 0; i < 3; ++i)
    t.Check(symlinkat("y", child->root_fd(), fmt::format("d/new{}", i).c_str()) == 0, "symlink");
  look("after changes", gone, 3);
  if (t.Ok(child->Remount(t.api()), "unmount and mount again")) look("mounted again", gone, 3);
  t.Ok(child->Unmount(), "unmount");
}

LM_CASE(limits, a_file_of_more_than_two_gigabytes,
        .claim = "a lower file of more than 2 GiB shows its end in every child, also after that was changed",
        .source = "properties 81; peer bug 45; continuity 114; continuity 122; peer-checks C70",
        .needs = {Capability::seek_hole}, .deadline_seconds = 180) {
  constexpr int64_t kSize = (int64_t{2} << 30) + 12'345;
  Result<MountedSnapshot> first = t.subject().Prepare("k", "");
  if (!t.Ok(first, "prepare")) return;
  t.Ok(ApplyLayer(Layer().Sparse("big", kSize, kSize - 8, "the end!").Write("big", 4096, "start"),
                  first->root_fd()),
       "apply");
  if (!t.Ok(first->Unmount(), "unmount") || !t.Ok(t.api().Commit("base", "k"), "commit")) return;
  Result<MountedSnapshot> child = t.subject().Prepare("child", "base");
  if (!t.Ok(child, "prepare on it")) return;
  const int fd = openat(child->root_fd(), "big", O_RDONLY | O_CLOEXEC);
  if (!t.Check(fd >= 0, "open")) return;
  const Fd file(fd);
  struct stat st = {};
  t.Check(fstat(fd, &st) == 0, "stat");
  t.Equal(kSize, int64_t{st.st_size}, "size");
  std::string end(8, ' '), start(5, ' '), middle(16, ' ');
  t.Check(pread(fd, end.data(), 8, kSize - 8) == 8 && pread(fd, start.data(), 5, 4096) == 5 &&
              pread(fd, middle.data(), 16, int64_t{1} << 30) == 16,
          "pread");
  t.Equal(std::string("the end!"), end, "the end");
  t.Equal(std::string("start"), start, "the start");
  t.Check(middle == std::string(16, '\0'), "the hole is not empty");
}

}  // namespace layermark
