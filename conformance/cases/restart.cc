// A daemon that is killed and started again: what it answered before must be true afterwards.
#include <map>

#include "conformance/support/case.h"
#include "conformance/support/records.h"

namespace layermark {
namespace {

std::vector<Layer> TwoLayers() {
  return {Layer().Dir("d").File("d/a", "a").File("f", std::string(70000, 'f')).Symlink("l", "d/a"),
          Layer().File("d/b", "b").Remove("f").Chmod("d", 0750)};
}

}  // namespace

LM_CASE(restart, committed_snapshots_stay,
        .claim = "what was committed before the daemon was killed shows the same tree afterwards",
        .source = "rule 46", .needs = {Capability::daemon_restart}, .deadline_seconds = 120, .alone = true) {
  t.Given(TwoLayers());
  if (t.ended()) return;
  // Committed last, so that the acknowledged call and the kill are as near as can be.
  t.Ok(t.subject().CommitLayer("last", t.given(), Layer().File("last", "committed")), "committing");
  if (!t.Ok(t.subject().Restart(), "restart")) return;
  Result<Manifest> given = t.subject().ViewManifest(t.given());
  if (t.Ok(given, "viewing what was committed")) t.SameTree(t.given_manifest(), *given, "after the restart");
  Result<Manifest> last = t.subject().ViewManifest("last");
  if (t.Ok(last, "viewing what was committed last"))
    t.Check(last->entries.contains("last"), "the snapshot that was committed last lacks its file");
}

LM_CASE(restart, records_stay_as_they_were,
        .claim = "names, kinds, parents, labels, times and usage are the same after the daemon was killed",
        .source = "rule 42; rule 46; rule 59", .needs = {Capability::daemon_restart}, .deadline_seconds = 120,
        .alone = true) {
  t.Given(TwoLayers());
  if (t.ended()) return;
  t.Ok(t.api().Prepare("active", t.given(), {{"a.b/c", "1"}, {"empty", ""}}), "prepare");
  t.Ok(t.api().View("view", t.given(), {{"v", "text"}}), "view");
  t.Ok(t.api().Prepare("gone", ""), "prepare");
  t.Ok(t.api().Remove("gone"), "remove");
  const std::map<std::string, std::string> before = RecordsOf(t);
  if (!t.Ok(t.subject().Restart(), "restart")) return;
  SameRecords(t, before, RecordsOf(t));
}

LM_CASE(
    restart, active_snapshots_keep_their_files,
    .claim = "an active snapshot has what was written into it, and can be mounted, committed and built upon",
    .source = "rule 46", .needs = {Capability::daemon_restart}, .deadline_seconds = 120, .alone = true) {
  t.Given(TwoLayers());
  if (t.ended()) return;
  MountedSnapshot* active = t.PrepareOnGiven("active");
  if (active == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("mine", "written").Remove("d/a"), active->root_fd()), "writing");
  Result<Manifest> before = ReadManifest(active->root_fd());
  t.Ok(active->Unmount(), "unmount");
  if (!t.Ok(before, "reading") || !t.Ok(t.subject().Restart(), "restart")) return;
  Result<std::vector<Mount>> mounts = t.api().Mounts("active");
  if (!t.Ok(mounts, "mounts")) return;
  Result<MountedSnapshot> again = MountedSnapshot::Mount("active", *mounts);
  if (!t.Ok(again, "mounting it again")) return;
  Result<Manifest> after = ReadManifest(again->root_fd());
  if (t.Ok(after, "reading again")) t.SameTree(*before, *after, "the active snapshot");
  t.Ok(again->Unmount(), "unmount");
  t.Ok(t.api().Commit("committed", "active"), "commit");
  t.Ok(t.subject().CommitLayer("above", "committed", Layer().File("above", "x")), "a layer on top");
  Result<Manifest> above = t.subject().ViewManifest("above");
  if (t.Ok(above, "viewing"))
    t.Check(above->entries.contains("mine") && !above->entries.contains("d/a"),
            "the layers are not what was written");
}

LM_CASE(restart, a_mount_outlives_the_daemon,
        .claim = "what is mounted stays readable and writable while the daemon is killed and started again",
        .source = "rule 46", .needs = {Capability::daemon_restart}, .deadline_seconds = 120, .alone = true) {
  t.Given(TwoLayers());
  if (t.ended()) return;
  MountedSnapshot* active = t.PrepareOnGiven("active");
  if (active == nullptr || !t.Ok(t.subject().Restart(), "restart")) return;
  t.Ok(ApplyLayer(Layer().File("afterwards", "x"), active->root_fd()), "writing after the restart");
  const Result<std::string> lower = ReadFileAt(active->root_fd(), "d/b");
  if (t.Ok(lower, "reading a lower file")) t.Equal(std::string("b"), *lower, "a lower file");
  t.Ok(active->Unmount(), "unmount");
  t.Ok(t.api().Commit("committed", "active"), "commit");
  Result<Manifest> seen = t.subject().ViewManifest("committed");
  if (t.Ok(seen, "viewing"))
    t.Check(seen->entries.contains("afterwards"), "what was written after the restart is not in the layer");
}

LM_CASE(
    restart, removed_snapshots_stay_away,
    .claim =
        "what was removed before the daemon was killed does not come back, and its name can be used again",
    .source = "rule 46; rule 48", .needs = {Capability::daemon_restart}, .deadline_seconds = 120,
    .alone = true) {
  t.Given(TwoLayers());
  if (t.ended()) return;
  MountedSnapshot* gone = t.PrepareOnGiven("gone");
  if (gone == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("secret", "of the removed one"), gone->root_fd()), "writing");
  t.Ok(gone->Unmount(), "unmount");
  t.Ok(t.api().Remove("gone"), "remove");
  if (!t.Ok(t.subject().Restart(), "restart")) return;
  t.HasCode(t.api().Stat("gone").status(), Code::kNotFound, "Stat of the removed one");
  MountedSnapshot* again = t.PrepareOnGiven("gone");
  if (again == nullptr) return;
  Result<Manifest> seen = ReadManifest(again->root_fd());
  if (t.Ok(seen, "reading")) t.SameTree(t.given_manifest(), *seen, "made anew under the same name");
}

}  // namespace layermark
