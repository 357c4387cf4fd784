// Area diff: the form of the layer that is produced, and layers that wander from one driver to all others.
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "conformance/support/oci_case.h"
#include "core/oci/unnamed_file.h"
#include "drivers/registry.h"

namespace layermark {
namespace {

constexpr int64_t kOld = 1'222'222'222'123'456'789;

Layer Base() {
  return Layer()
      .Dir("d", 0750)
      .File("d/a", "a")
      .File("d/b", "b")
      .Dir("d/sub", 0711)
      .File("d/sub/deep", "deep")
      .Dir("gone")
      .File("gone/x", "x")
      .File("f", "lower")
      .File("kept", "kept")
      .Symlink("link", "f");
}

struct Produced {
  Fd tar;
  DiffResult result;
  std::vector<TarListEntry> entries;
};

// The layer of what `snapshot` changed on the case's given layers.
std::optional<Produced> Diff(CaseContext& t, const MountedSnapshot& snapshot) {
  Produced produced;
  Result<Fd> tar = UnnamedFile(0);
  if (!tar.ok()) {
    t.Error(tar.status().ToString());
    return std::nullopt;
  }
  produced.tar = std::move(tar).value();
  std::optional<MountedSnapshot> parent;
  if (!t.given().empty()) {
    Result<MountedSnapshot> view = t.subject().View("diff.parent", t.given());
    if (!t.Ok(view, "view of the parent")) return std::nullopt;
    parent.emplace(std::move(view).value());
  }
  Result<DiffResult> diff =
      DiffToTar(parent ? parent->root_fd() : -1, snapshot.root_fd(), produced.tar.get());
  if (parent) {
    t.Ok(parent->Unmount(), "unmount of the parent");
    t.Ok(t.api().Remove("diff.parent"), "remove of the view");
  }
  if (!t.Ok(diff, "diff")) return std::nullopt;
  produced.result = *diff;
  if (lseek(produced.tar.get(), 0, SEEK_SET) != 0) t.Error("lseek of the tar");
  Result<std::vector<TarListEntry>> list = ListTar(produced.tar.get(), true);
  if (!t.Ok(list, "list of what was produced")) return std::nullopt;
  produced.entries = std::move(list).value();
  if (lseek(produced.tar.get(), 0, SEEK_SET) != 0) t.Error("lseek of the tar");
  return produced;
}

std::optional<Produced> DiffOf(CaseContext& t, const Layer& change) {
  t.Given({Base()});
  if (t.ended()) return std::nullopt;
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr || !t.Ok(ApplyLayer(change, snapshot->root_fd()), "the change"))
    return std::nullopt;
  return Diff(t, *snapshot);
}

// Without what the name of the tar's root and slashes at ends add.
std::string Clean(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path == "." ? "" : path;
}

Layer ManyChanges() {
  return Layer()
      .File("new", "new", 0600)
      .Link("new2", "new")
      .Link("d/new3", "new")
      .Dir("n", 0700)
      .Dir("n/m")
      .File("n/m/f", "x")
      .Write("d/a", 0, "A")
      .Remove("d/b")
      .RemoveAll("gone")
      .Remove("link")
      .Symlink("link", "d")
      .Chmod("kept", 0600)
      .Fifo("pipe");
}

const CompareOptions kOfLayers = {.hole_tolerance_bytes = -1, .ignored_paths = {}};

// Makes `change` on the driver, and hands the layer to every driver that can run here: each must make of it
// what the first one showed. One that shows the layers below otherwise is left out: it has no equal tree to
// apply the layer to, and its own cases say so.
void OnEveryDriver(CaseContext& t, const std::vector<Layer>& layers, const Layer& change,
                   const std::set<Capability>& needed = {}) {
  t.Given(layers);
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr) return;
  Result<Manifest> base = ReadManifest(snapshot->root_fd());
  if (!t.Ok(base, "reading the tree below") || !t.Ok(ApplyLayer(change, snapshot->root_fd()), "the change"))
    return;
  Result<Manifest> expected = ReadManifest(snapshot->root_fd());
  if (!t.Ok(expected, "reading the changed tree")) return;
  std::optional<Produced> produced = Diff(t, *snapshot);
  if (!produced) return;
  t.Check(produced->result.entries > 0, "the diff of a changed tree is empty");

  std::map<std::string, std::unique_ptr<Backing>> backings;
  int takers = 0;
  for (const Driver* driver : AllDrivers()) {
    const InstanceSpec spec = PlainInstance(*driver);
    if (!spec.WhatIsMissing().empty()) continue;
    // On the same store where the driver can use it, else on one of the kind that it wants.
    Backing* backing = &t.backing();
    Result<std::string> scratch = backing->NewDirectory("try");
    if (!scratch.ok()) return t.Error(scratch.status().ToString());
    Status can = driver->Probe(spec.options, *scratch);
    if (!can.ok()) {
      std::unique_ptr<Backing>& own = backings[driver->default_backing()];
      if (own == nullptr) {
        Result<Backing> made =
            Backing::Create({.kind = driver->default_backing(), .directory = "", .size_bytes = 0});
        if (!made.ok()) continue;
        own = std::make_unique<Backing>(std::move(made).value());
      }
      backing = own.get();
      scratch = backing->NewDirectory("try");
      if (!scratch.ok() || !driver->Probe(spec.options, *scratch).ok()) continue;
    }
    const CapabilitySet has = driver->capabilities(spec.options, backing->file_system());
    if (!std::all_of(needed.begin(), needed.end(), [&](Capability c) { return has.Has(c); })) continue;
    Result<Subject> taker = Subject::Open(spec, *backing);
    if (!t.Ok(taker, driver->name() + ": opening a store")) continue;
    Result<std::string> top = taker->CommitChain(layers);
    if (!t.Ok(top, driver->name() + ": the layers below")) continue;
    Result<Manifest> below = taker->ViewManifest(*top);
    if (!t.Ok(below, driver->name() + ": viewing the layers below")) continue;
    below->entries[""].mtime_ns = base->entries[""].mtime_ns;  // no layer states it
    if (!Compare(*base, *below, kOfLayers).empty()) {
      t.Ok(taker->Discard(), driver->name() + ": removing the store");
      continue;
    }
    if (lseek(produced->tar.get(), 0, SEEK_SET) != 0) return t.Error("lseek of the tar");
    if (t.Ok(taker->CommitTar("taken", *top, produced->tar.get()), driver->name() + ": applying the layer")) {
      Result<Manifest> seen = taker->ViewManifest("taken");
      if (t.Ok(seen, driver->name() + ": viewing"))
        t.SameTree(*expected, *seen, "applied on " + driver->name(), kOfLayers);
      ++takers;
    }
    t.Ok(taker->Discard(), driver->name() + ": removing the store");
  }
  t.Check(takers > 1, "no other driver took the layer");
}

}  // namespace

LM_CASE(diff, no_path_twice, .claim = "a layer that is produced names each path once, and no directory twice",
        .source = "L1; containerd 2054; peer-checks C79") {
  std::optional<Produced> produced = DiffOf(t, ManyChanges());
  if (!produced) return;
  std::set<std::string> seen;
  for (const TarListEntry& item : produced->entries)
    t.Check(seen.insert(Clean(item.entry.path)).second, "twice: " + item.entry.path);
  t.Check(seen.size() > 8, "too few entries to tell");
}

LM_CASE(diff, nothing_of_the_host,
        .claim = "the headers of a produced layer hold no names of users and groups",
        .source = "L2; containerd 8220") {
  std::optional<Produced> produced = DiffOf(t, ManyChanges().Chown("new", 1, 2));
  if (!produced) return;
  Result<std::string> bytes = ReadAll(produced->tar.get());
  if (!t.Ok(bytes, "reading the tar")) return;
  int headers = 0;
  for (size_t at = 0; at + 512 <= bytes->size(); at += 512) {
    if (bytes->compare(at + 257, 5, "ustar") != 0) continue;
    ++headers;
    for (size_t i = 265; i < 329; ++i) {
      if ((*bytes)[at + i] != '\0') return t.Fail(fmt::format("the header at {} names a user or group", at));
    }
  }
  t.Check(headers > 8, "too few headers to tell");
}

LM_CASE(diff, parents_come_first,
        .claim = "each entry, whiteouts too, comes after its parents, which have their true attributes",
        .source = "L32; containerd 1925; containerd 2095; peer-checks C79",
        .needs = {Capability::priv_chown}) {
  t.Given({Base().Chown("d", 5, 6).Chown("d/sub", 7, 8)});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr) return;
  t.Ok(ApplyLayer(
           Layer().Remove("d/sub/deep").Remove("d/a").Dir("n", 0700).Dir("n/m", 0701).File("n/m/f", "x"),
           snapshot->root_fd()),
       "the change");
  Result<Manifest> shown = ReadManifest(snapshot->root_fd());
  std::optional<Produced> produced = Diff(t, *snapshot);
  if (!produced || !t.Ok(shown, "reading")) return;
  std::set<std::string> seen;
  for (const TarListEntry& item : produced->entries) {
    const std::string path = Clean(item.entry.path);
    const size_t slash = path.rfind('/');
    if (slash != std::string::npos)
      t.Check(seen.contains(path.substr(0, slash)), path + " comes before its parent");
    seen.insert(path);
    if (item.entry.typeflag != '5' || path.empty()) continue;
    const auto entry = shown->entries.find(path);
    if (!t.Check(entry != shown->entries.end(), path + " is no directory of the tree")) continue;
    t.Equal(entry->second.permissions, item.entry.mode & 07777, "mode of " + path);
    t.Equal(entry->second.uid, item.entry.uid, "owner of " + path);
    t.Equal(entry->second.mtime_ns, item.entry.mtime_ns, "time of " + path);
  }
}

LM_CASE(diff, form_of_whiteouts,
        .claim = "a produced whiteout is a regular file without content, and names what is gone",
        .source = "L18; L31; containerd 8764; peer-checks C80") {
  std::optional<Produced> produced =
      DiffOf(t, Layer().Remove("f").RemoveAll("gone").Remove("d/b").Remove("link"));
  if (!produced) return;
  std::set<std::string> hidden;
  for (const TarListEntry& item : produced->entries) {
    const std::string path = Clean(item.entry.path);
    const size_t slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (!name.starts_with(".wh.")) continue;
    t.Equal(std::string(1, '0'), std::string(1, item.entry.typeflag), "type of " + path);
    t.Equal(int64_t{0}, item.size_bytes, "size of " + path);
    hidden.insert((slash == std::string::npos ? "" : path.substr(0, slash + 1)) + name.substr(4));
  }
  t.Check(hidden == std::set<std::string>{"f", "gone", "d/b", "link"}, "other names are hidden");
  t.Equal(static_cast<int64_t>(hidden.size()), produced->result.whiteouts, "whiteouts counted");
}

LM_CASE(diff, links_point_at_files,
        .claim = "in a produced layer each hard link names an earlier entry that is a file itself",
        .source = "L36; containers/storage 2357; peer-checks C78") {
  std::optional<Produced> produced = DiffOf(
      t, Layer().File("z", "shared").Link("a", "z").Link("d/m", "z").Link("n", "a").Link("d/sub/o", "n"));
  if (!produced) return;
  std::map<std::string, char> types;
  int links = 0;
  for (const TarListEntry& item : produced->entries) {
    if (item.entry.typeflag == '1') {
      ++links;
      const auto target = types.find(Clean(item.entry.link_target));
      t.Check(target != types.end(),
              item.entry.path + " links to " + item.entry.link_target + ", not seen before");
      t.Check(target == types.end() || target->second == '0', item.entry.path + " links to a link");
    }
    types[Clean(item.entry.path)] = item.entry.typeflag;
  }
  t.Equal(4, links, "hard links");
}

LM_CASE(diff, new_link_to_an_old_file, .claim = "a new name of an unchanged lower file comes with the file",
        .source = "L36; containerd 674; peer-checks C58") {
  std::optional<Produced> produced = DiffOf(t, Layer().Link("aa", "kept").Link("zz", "kept"));
  if (!produced) return;
  int files = 0;
  for (const TarListEntry& item : produced->entries) {
    const std::string path = Clean(item.entry.path);
    if (path != "aa" && path != "zz" && path != "kept") continue;
    if (item.entry.typeflag != '0') continue;
    ++files;
    t.Equal(std::string("kept"), item.entry.data, "content of " + path);
  }
  t.Check(files >= 1, "the content of the linked file is not in the layer");
}

LM_CASE(diff, sparse_files_are_plain_entries,
        .claim = "a sparse file is produced as an ordinary entry of its full size", .source = "L3",
        .needs = {Capability::seek_hole}) {
  std::optional<Produced> produced = DiffOf(t, Layer().Sparse("s", 1 << 20, 700'000, "in the middle"));
  if (!produced) return;
  const auto found = std::find_if(produced->entries.begin(), produced->entries.end(),
                                  [](const TarListEntry& item) { return Clean(item.entry.path) == "s"; });
  if (!t.Check(found != produced->entries.end(), "it is not in the layer")) return;
  t.Equal(std::string(1, '0'), std::string(1, found->entry.typeflag), "type");
  t.Equal(int64_t{1} << 20, found->size_bytes, "size");
  std::string content(1 << 20, '\0');
  content.replace(700'000, 13, "in the middle");
  t.Check(found->entry.data == content, "the content is another");
}

LM_CASE(diff, sockets_are_left_out,
        .claim = "a socket has no entry, is counted, and takes nothing else with it",
        .source = "L4; containerd 2222; peer-checks C79") {
  std::optional<Produced> produced =
      DiffOf(t, Layer().Mknod("d/sock", S_IFSOCK | 0600).File("d/sock2", "a file").Fifo("d/pipe"));
  if (!produced) return;
  std::set<std::string> paths;
  for (const TarListEntry& item : produced->entries) paths.insert(Clean(item.entry.path));
  t.Check(!paths.contains("d/sock"), "the socket has an entry");
  t.Check(paths.contains("d/sock2") && paths.contains("d/pipe"), "its neighbours have none");
  t.Equal(int64_t{1}, produced->result.skipped_sockets, "sockets counted");
}

LM_CASE(diff, nothing_of_the_unions_own,
        .claim = "attributes, markers and devices of the union itself are in no produced layer",
        .source = "L33; L35; peer-checks C84; peer-checks C99") {
  // Everything that makes a union write marks of its own: new over removed, opaque, copies, links, renames.
  std::optional<Produced> produced = DiffOf(t, Layer()
                                                   .RemoveAll("gone")
                                                   .Dir("gone")
                                                   .File("gone/new", "x")
                                                   .Remove("f")
                                                   .Dir("f")
                                                   .Rename("d/a", "moved")
                                                   .Link("kept2", "kept")
                                                   .Chmod("d/sub", 0700)
                                                   .Remove("d/sub/deep"));
  if (!produced) return;
  for (const TarListEntry& item : produced->entries) {
    for (const Xattr& xattr : item.entry.xattrs)
      t.Check(xattr.name.find("overlay") == std::string::npos, item.entry.path + " has " + xattr.name);
    t.Check(item.entry.typeflag != '3', item.entry.path + " is a device");
    t.Check(item.entry.path.find(".unionfs") == std::string::npos, item.entry.path + " is a union's own");
  }
}

LM_CASE(diff, mounts_are_not_entered, .claim = "what is mounted inside a snapshot is not part of its layer",
        .source = "L49; containers/storage 1434") {
  t.Given({Base()});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr ||
      !t.Ok(ApplyLayer(Layer().Dir("inner").File("new", "x"), snapshot->root_fd()), "the change"))
    return;
  const std::string inner = snapshot->path() + "/inner";
  if (Status s = MountFilesystem("tmpfs", "layermark", inner, {"size=1m"}); !s.ok())
    return t.Error(s.ToString());
  if (Status s = WriteFile(inner + "/foreign", "x"); !s.ok()) t.Error(s.ToString());
  std::optional<Produced> produced = Diff(t, *snapshot);
  t.Ok(UnmountPath(inner), "unmount of the inner mount");
  if (!produced) return;
  bool listed = false;
  for (const TarListEntry& item : produced->entries) {
    t.Check(Clean(item.entry.path) != "inner/foreign", "the file of the inner mount is in the layer");
    listed |= Clean(item.entry.path) == "inner";
  }
  t.Check(listed, "the mount point itself is not in the layer");
}

LM_CASE(diff, the_same_layer_comes_back,
        .claim = "the diff of a snapshot made from a produced layer has the very bytes of that layer",
        .source = "L50; peer-checks C47; moby TarStreamStability") {
  t.Given({Base().Times("", kOld, kOld)});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr ||
      !t.Ok(ApplyLayer(ManyChanges().Times("d/a", kOld, kOld), snapshot->root_fd()), "the change"))
    return;
  std::optional<Produced> first = Diff(t, *snapshot);
  if (!first) return;
  if (!t.Ok(t.subject().CommitTar("again", t.given(), first->tar.get()), "applying what was produced"))
    return;
  Result<MountedSnapshot> view = t.subject().View("look", "again");
  if (!t.Ok(view, "view")) return;
  std::optional<Produced> second = Diff(t, *view);
  if (second) t.Equal(first->result.digest, second->result.digest, "digest of the layer");
}

LM_CASE(
    diff, edits_of_the_same_size_and_second,
    .claim =
        "a file rewritten with as many other bytes within the same second is in the layer, time after time",
    .source = "peer bug 2; L45; moby 21555; moby 22126; SS LayerFileupdate") {
  t.Given({Base()});
  if (t.ended()) return;
  std::string parent = t.given();
  for (int round = 0; round < 6; ++round) {
    const std::string key = fmt::format("k{}", round), name = fmt::format("n{}", round);
    Result<MountedSnapshot> next = t.subject().Prepare(key, parent);
    if (!t.Ok(next, "prepare")) return;
    const std::string text = fmt::format("{:05}", round);
    {
      Ops fs(next->root_fd());
      fs.WriteFile("f", text);
      fs.Chmod("kept", static_cast<mode_t>(0600 + round));
    }
    t.Ok(next->Unmount(), "unmount");
    if (!t.Ok(t.api().Commit(name, key), "commit")) return;
    Result<MountedSnapshot> view = t.subject().View("v" + key, name);
    if (!t.Ok(view, "view")) return;
    Ops seen(view->root_fd());
    t.Equal(text, seen.Read("f"), "content in round " + std::to_string(round));
    struct stat st = {};
    t.Check(fstatat(view->root_fd(), "kept", &st, 0) == 0 &&
                (st.st_mode & 0777) == 0600U + static_cast<unsigned>(round),
            "the mode in round " + std::to_string(round));
    parent = name;
  }
}

LM_CASE(diff, of_a_view_is_empty, .claim = "the diff of two views of one snapshot is empty",
        .source = "L50; peer-checks C20") {
  t.Given({Base(), ManyChanges()});
  if (t.ended()) return;
  Result<MountedSnapshot> view = t.subject().View("look", t.given());
  if (!t.Ok(view, "view")) return;
  std::optional<Produced> produced = Diff(t, *view);
  if (produced) t.Equal(int64_t{0}, produced->result.entries, "entries of the diff");
}

LM_CASE(
    diff, touching_without_changing,
    .claim =
        "opening for writing, chmod and chown to what was there, and a rename there and back are no change",
    .source = "L50; properties 74; peer-checks C20") {
  t.Given({Base()});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr) return;
  Ops fs(snapshot->root_fd());
  fs.Open("h", "f", O_RDWR);
  fs.Close("h");
  fs.Chmod("kept", 0644);
  fs.Chown("d/sub/deep", 0, 0);
  fs.Chmod("d/sub", 0711);
  std::optional<Produced> produced = Diff(t, *snapshot);
  if (!produced) return;
  for (const TarListEntry& item : produced->entries) t.Fail("in the layer: " + item.entry.path);
}

LM_CASE(closure, content_and_removals,
        .claim =
            "a layer of new, changed and removed names taken from this driver makes the same tree on every "
            "driver",
        .source = "L18; L32; L50; peer bug 41; moby 23863; peer-checks C73; peer-checks C75",
        .deadline_seconds = 120) {
  OnEveryDriver(t, {Base()}, ManyChanges().Times("", kOld, kOld));
}

LM_CASE(
    closure, metadata,
    .claim = "a layer of modes, owners and times taken from this driver makes the same tree on every driver",
    .source = "L9; L15; L16; L46; peer-checks C73; container-libs 701", .needs = {Capability::priv_chown},
    .deadline_seconds = 120) {
  OnEveryDriver(t, {Base(), Layer().Chown("d", 1, 2)},
                Layer()
                    .Chmod("f", 04711)
                    .Chown("d/a", 5, 6)
                    .Times("kept", kOld, kOld)
                    .Chmod("d/sub", 02770)
                    .Chown("d/sub", 7, 8)
                    .Times("d/sub", kOld, kOld + 3)
                    .Times("d", kOld, kOld + 1)
                    .Times("link", kOld, kOld + 2)
                    .Times("", kOld, kOld + 4));
}

LM_CASE(closure, replaced_types,
        .claim =
            "a layer that turns files into directories and back, taken from this driver, makes the same tree "
            "on all",
        .source = "L11; L20; L48; peer-checks C73; moby 34342; peer bug 13", .deadline_seconds = 120) {
  OnEveryDriver(t, {Base()},
                Layer()
                    .Remove("f")
                    .Dir("f", 0711)
                    .File("f/in", "x")
                    .RemoveAll("d")
                    .File("d", "file now")
                    .RemoveAll("gone")
                    .Dir("gone", 0700)
                    .File("gone/y", "y")
                    .Remove("link")
                    .Dir("link")
                    .File("link/z", "z")
                    .Remove("kept")
                    .Symlink("kept", "gone")
                    .Times("", kOld, kOld));
}

LM_CASE(closure, links_and_special_files,
        .claim =
            "a layer of hard links, symlinks, fifos and devices taken from this driver makes the same tree "
            "on all",
        .source = "L36; L40; L41; peer-checks C73; peer bug 44; moby 38758",
        .needs = {Capability::priv_mknod}, .deadline_seconds = 120) {
  OnEveryDriver(t, {Base()},
                Layer()
                    .File("n1", "shared")
                    .Link("d/n2", "n1")
                    .Link("n3", "n1")
                    .Fifo("d/p", 0604)
                    .Mknod("c", S_IFCHR | 0620, makedev(1, 3))
                    .Mknod("b", S_IFBLK | 0600, makedev(259, 65537))
                    .Symlink("s", "nowhere/at all")
                    .Link("s2", "s")
                    .Times("d", kOld, kOld)
                    .Times("", kOld, kOld));
}

LM_CASE(closure, attributes,
        .claim =
            "a layer of user attributes, file capabilities and ACLs taken from this driver makes the same "
            "tree on every "
            "driver that keeps them",
        .source = "L5; L16; L43; moby 43882; peer-checks C73",
        .needs = {Capability::xattr_user, Capability::xattr_security, Capability::priv_chown},
        .deadline_seconds = 120) {
  OnEveryDriver(t, {Base().SetXattr("f", "user.a", "1").SetXattr("d/a", "user.gone", "1")},
                Layer()
                    .SetXattr("f", "user.a", "2")
                    .SetXattr("f", "user.empty", "")
                    .RemoveXattr("d/a", "user.gone")
                    .File("tool", "x", 0755)
                    .Chown("tool", 12, 34)
                    .SetXattr("tool", "security.capability", CapabilityXattr(1U << 13).value)
                    .Times("d", kOld, kOld)
                    .Times("", kOld, kOld),
                {Capability::xattr_user, Capability::xattr_security});
}

LM_CASE(closure, whole_image,
        .claim =
            "the whole tree of three layers taken from this driver as one layer makes the same tree on every "
            "driver",
        .source = "L13; L32; L50; peer-checks C81", .deadline_seconds = 120) {
  OnEveryDriver(t, {},
                Layer()
                    .Dir("bin", 0755)
                    .File("bin/sh", std::string(70000, 's'), 04755)
                    .Link("bin/ash", "bin/sh")
                    .Dir("etc", 0750)
                    .File("etc/passwd", "root\n", 0644)
                    .Dir("tmp", 01777)
                    .Symlink("lib", "usr/lib")
                    .Dir("usr")
                    .Dir("usr/lib", 02755)
                    .File("usr/lib/new\nline", "odd")
                    .File("usr/lib/" + std::string(240, 'n'), "long")
                    .File("empty", "")
                    .Times("", kOld, kOld));
}

}  // namespace layermark
