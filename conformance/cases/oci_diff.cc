// Area diff: the layer of a snapshot's changes, and that it makes the same tree again.
#include <functional>

#include "conformance/support/oci_case.h"
#include "core/oci/unnamed_file.h"

namespace layermark {
namespace {

Layer Base() {
  return Layer()
      .Dir("d")
      .File("d/a", "a")
      .File("d/b", "b")
      .Dir("d/sub")
      .File("d/sub/deep", "deep")
      .File("f", "lower")
      .File("kept", "kept")
      .Symlink("link", "f");
}

// The change of one snapshot on `t`'s given layers as a layer tar: its bytes are in `tar`.
Result<DiffResult> DiffOf(CaseContext& t, int changed_root_fd, int tar_fd) {
  const std::string key = "diff.parent";
  if (t.given().empty()) return DiffToTar(-1, changed_root_fd, tar_fd);
  LM_ASSIGN(MountedSnapshot parent, t.subject().View(key, t.given()));
  Result<DiffResult> diff = DiffToTar(parent.root_fd(), changed_root_fd, tar_fd);
  LM_TRY(parent.Unmount());
  LM_TRY(t.api().Remove(key));
  return diff;
}

// Changes a snapshot on the driver; the diff to its parent, applied on plain's chain of the same layers, must
// give the tree that the driver shows. And the change must be one: a layer without entries would prove
// nothing.
void RoundTrip(CaseContext& t, const std::vector<Layer>& layers,
               const std::function<Status(int root_fd)>& change) {
  t.Given(layers);
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr || !t.Ok(change(snapshot->root_fd()), "the change")) return;
  Result<Manifest> expected = ReadManifest(snapshot->root_fd());
  if (!t.Ok(expected, "reading the changed tree")) return;
  Result<Fd> tar = UnnamedFile(0);
  if (!tar.ok()) return t.Error(tar.status().ToString());
  Result<DiffResult> diff = DiffOf(t, snapshot->root_fd(), tar->get());
  if (!t.Ok(diff, "diff")) return;
  t.Check(diff->entries > 0, "the diff of a changed tree is empty");
  if (lseek(tar->get(), 0, SEEK_SET) != 0) return t.Error("lseek of the tar");

  // Given() named plain's layers as the driver's.
  if (!t.Ok(t.oracle().CommitTar("again", t.given(), tar->get()), "applying the diff on plain")) return;
  Result<Manifest> seen = t.oracle().ViewManifest("again");
  if (!t.Ok(seen, "viewing what plain made of the diff")) return;
  // How much of a sparse file is written is no matter of a layer (L3).
  t.SameTree(*expected, *seen, "plain with the diff applied",
             {.hole_tolerance_bytes = -1, .ignored_paths = {}});
}

void RoundTrip(CaseContext& t, const Layer& change) {
  RoundTrip(t, {Base()}, [&](int root_fd) { return ApplyLayer(change, root_fd); });
}

}  // namespace

LM_CASE(diff, added_names, .claim = "added files, directories, symlinks and fifos come back from the diff",
        .source = "L32; L47") {
  RoundTrip(t, Layer()
                   .File("new", "new")
                   .Dir("d/n", 0700)
                   .File("d/n/f", "x", 04755)
                   .Symlink("d/l", "../f")
                   .Fifo("d-p"));
}

LM_CASE(diff, from_nothing, .claim = "the diff of a snapshot without a parent is its whole tree",
        .source = "L32") {
  RoundTrip(t, {}, [](int root_fd) { return ApplyLayer(Base(), root_fd); });
}

LM_CASE(diff, modified_content, .claim = "a file written to in place comes back with its new content",
        .source = "L45") {
  RoundTrip(t, Layer().Write("d/a", 0, "B").File("f", "longer than before").Truncate("kept", 1));
}

LM_CASE(diff, same_size_same_time,
        .claim = "a change of content that keeps size and seconds of the time is found",
        .source = "L45; moby 21555; moby 27209") {
  // Whole seconds: no nanoseconds to tell the two by.
  const int64_t second = 1'000'000'000'000'000'000;
  RoundTrip(t, {Layer().File("f", "one").Times("f", second, second)}, [&](int root_fd) {
    return ApplyLayer(Layer().File("f", "two").Times("f", second, second), root_fd);
  });
}

LM_CASE(diff, deleted_names, .claim = "removed files, symlinks and trees stay removed by whiteouts",
        .source = "L18; L30; L31") {
  RoundTrip(t, Layer().Remove("f").Remove("link").Remove("d/b").RemoveAll("d/sub"));
}

LM_CASE(diff, directory_becomes_file, .claim = "a directory replaced by a file takes its children along",
        .source = "L48") {
  RoundTrip(t, Layer().RemoveAll("d").File("d", "file now"));
}

LM_CASE(diff, file_becomes_directory,
        .claim = "a file replaced by a directory, and a directory made again, show only the new",
        .source = "L11; L48") {
  RoundTrip(t,
            Layer().Remove("f").Dir("f", 0711).File("f/in", "x").RemoveAll("d").Dir("d").File("d/new", "x"));
}

LM_CASE(diff, hard_links, .claim = "new hard links, also to an unchanged lower file, come back as one inode",
        .source = "L36; containerd 674", .needs = {Capability::link_across_copy_up}) {
  RoundTrip(t, Layer().File("n1", "shared").Link("d/n2", "n1").Link("d/n3", "n1").Link("kept2", "kept"));
}

LM_CASE(diff, new_hard_links_of_new_files, .claim = "three names of a new file come back as one inode",
        .source = "L36; containers-storage 2357") {
  RoundTrip(t, Layer().File("n1", "shared").Link("d/n2", "n1").Link("n3", "d/n2"));
}

LM_CASE(diff, xattrs, .claim = "set, changed and removed user attributes come back, on files and directories",
        .source = "L43; moby 43882", .needs = {Capability::xattr_user}) {
  RoundTrip(t,
            {Base().SetXattr("f", "user.a", "1").SetXattr("f", "user.b", "1").SetXattr("d", "user.c", "1")},
            [](int root_fd) {
              return ApplyLayer(Layer()
                                    .SetXattr("f", "user.a", "2")
                                    .RemoveXattr("f", "user.b")
                                    .RemoveXattr("d", "user.c")
                                    .SetXattr("d/sub", "user.d", "new"),
                                root_fd);
            });
}

LM_CASE(diff, capabilities, .claim = "a file capability set in the snapshot comes back with its owner",
        .source = "L16; L43", .needs = {Capability::xattr_security, Capability::priv_chown}) {
  RoundTrip(t,
            Layer().Chown("f", 12, 34).SetXattr("f", "security.capability", CapabilityXattr(1U << 13).value));
}

LM_CASE(diff, metadata_only,
        .claim = "changes of mode, owner or time alone come back, on files, directories and symlinks",
        .source = "L9; L46", .needs = {Capability::priv_chown}) {
  const int64_t old = 1'222'222'222'123'456'789;
  RoundTrip(t, Layer()
                   .Chmod("f", 04711)
                   .Chown("d/a", 5, 6)
                   .Times("kept", old, old)
                   .Chmod("d/sub", 02770)
                   .Times("d", old, old + 1)
                   .Times("link", old, old + 2));
}

LM_CASE(diff, symlink_target,
        .claim = "a symlink of the same length and time with a new target is in the diff",
        .source = "L42; containers-storage 2199; peer bug 3") {
  const int64_t old = 1'222'222'222'000'000'000;
  RoundTrip(t, {Layer().Symlink("l", "aaa").Times("l", old, old)}, [&](int root_fd) {
    return ApplyLayer(Layer().Remove("l").Symlink("l", "bbb").Times("l", old, old), root_fd);
  });
}

LM_CASE(diff, unchanged_is_empty, .claim = "reading everything in a snapshot gives an empty diff",
        .source = "L50") {
  t.Given({Base(), Layer().Remove("f").Link("kept2", "kept")});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("read");
  if (snapshot == nullptr) return;
  t.Ok(ReadManifest(snapshot->root_fd()), "reading the tree");
  Result<Fd> tar = UnnamedFile(0);
  if (!tar.ok()) return t.Error(tar.status().ToString());
  Result<DiffResult> diff = DiffOf(t, snapshot->root_fd(), tar->get());
  if (t.Ok(diff, "diff")) t.Equal(int64_t{0}, diff->entries, "entries of the diff");
}

LM_CASE(diff, stable_bytes,
        .claim = "the same change on the driver and on plain gives the same bytes, again after a remount",
        .source = "L2; L47; L50; moby 43540") {
  t.Given({Base()});
  if (t.ended()) return;
  // Times of directories are stated: those of lower directories are the layer's, so nothing depends on the
  // clock.
  const Layer change = Layer()
                           .File("a-b", "x")
                           .Dir("a")
                           .File("a/x", "x")
                           .Link("a/y", "a-b")
                           .Remove("d/b")
                           .Write("d/a", 0, "A")
                           .Times("d/a", 1, 1);
  MountedSnapshot* snapshot = t.PrepareOnGiven("changed");
  if (snapshot == nullptr || !t.Ok(ApplyLayer(change, snapshot->root_fd()), "the change")) return;
  Result<MountedSnapshot> plain = t.oracle().Prepare("changed", t.given());
  if (!plain.ok()) return t.Error(plain.status().ToString());
  if (Status s = ApplyLayer(change, plain->root_fd()); !s.ok()) return t.Error(s.ToString());
  // The roots were made by two stores at two times.
  for (int fd : {snapshot->root_fd(), plain->root_fd()}) {
    t.Ok(ApplyLayer(Layer().Times("", 7, 7), fd), "setting the root's time");
  }
  std::vector<std::string> digests;
  const auto digest = [&](int root_fd) {
    Result<Fd> tar = UnnamedFile(0);
    if (!tar.ok()) return t.Error(tar.status().ToString());
    Result<DiffResult> diff = DiffOf(t, root_fd, tar->get());
    if (t.Ok(diff, "diff")) digests.push_back(diff->digest);
  };
  digest(plain->root_fd());
  digest(snapshot->root_fd());
  if (t.Ok(snapshot->Remount(t.subject().api()), "unmount and mount again")) digest(snapshot->root_fd());
  if (digests.size() != 3) return;
  t.Equal(digests[0], digests[1], "digest of the layer");
  t.Equal(digests[1], digests[2], "digest of the layer after a remount");
}

}  // namespace layermark
