// Area hostile: what a snapshotter does on a machine that is in trouble.
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "conformance/support/case.h"

namespace layermark {
namespace {

const Layer kBase =
    Layer().Dir("d").File("d/a", std::string(5000, 'a')).File("f", "lower").Symlink("link", "f");

// Writes to `fd` in ever smaller pieces until not even a page fits; answers the errno that ended the last
// one, 0 where `limit` bytes were taken without any. Each piece is synced: a union in user space may report a
// full disk only then.
int FillUp(int fd, int64_t limit) {
  const std::string piece(size_t{2} << 20, 'x');
  int64_t offset = 0;
  int error = 0;
  for (size_t size : {piece.size(), size_t{64} << 10, size_t{4} << 10}) {
    for (error = 0; error == 0;) {
      if (offset > limit) return 0;
      const ssize_t n = pwrite(fd, piece.data(), size, offset);
      if (n < 0 || fdatasync(fd) != 0) {
        error = errno;
      } else {
        offset += n;
      }
    }
  }
  return error;
}

}  // namespace

LM_CASE(hostile, full_store_keeps_its_snapshots,
        .claim =
            "a full store reports ENOSPC, loses nothing committed, leaves no half-made snapshot, and "
            "recovers by Remove",
        .source = "contract: a call that fails leaves nothing behind; no peer", .deadline_seconds = 180,
        .backing_bytes = int64_t{32} << 20) {
  if (t.instance().driver->behind_a_daemon())
    return t.Skip("not_applicable", "a daemon keeps the snapshots, and not on the run's backing");
  // A directory that the user named has no size of its own: filling it would fill the user's disk.
  if (t.backing().spec().kind == "dir")
    return t.Skip("no_own_size", "the backing is a directory of the host");
  t.Given({kBase});
  Result<MountedSnapshot> view = t.subject().View("look", t.given());
  if (!t.Ok(view, "view before the store is full")) return;
  MountedSnapshot* filler = t.PrepareOnGiven("filler");
  if (filler == nullptr) return;
  {
    Result<Fd> file = OpenAt(filler->root_fd(), "filler", O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!t.Ok(file, "create in the snapshot")) return;
    t.Equal(ENOSPC, FillUp(file->get(), 2 * t.backing().spec().size_bytes),
            "errno of the write that does not fit");
  }
  // What was there before is there as it was.
  Result<Manifest> seen = ReadManifest(view->root_fd());
  if (t.Ok(seen, "reading a view on the full store"))
    t.SameTree(t.given_manifest(), *seen, "a view on the full store");
  t.Ok(t.api().Stat(t.given()), "stat of the parent on the full store");

  // A call may work or say that there is no room; where it says so nothing of it stays.
  const Status late = t.api().Prepare("late", t.given()).status();
  const Status found = t.api().Stat("late").status();
  if (late.ok()) {
    t.Ok(found, "stat of what was prepared on the full store");
  } else {
    t.HasCode(late, Code::kResourceExhausted, "prepare on the full store");
    t.HasCode(found, Code::kNotFound, "stat of what could not be prepared");
  }

  // The way out: what takes the room is removed, without any room for it.
  t.Ok(filler->Unmount(), "unmount");
  t.Ok(view->Unmount(), "unmount");
  t.Ok(t.api().Remove("filler"), "remove of what filled the store");
  t.Ok(t.api().Remove("look"), "remove of the view");
  if (late.ok()) t.Ok(t.api().Remove("late"), "remove of what was prepared on the full store");
  const Status cleanup = t.api().Cleanup();
  t.Check(cleanup.ok() || cleanup.code() == Code::kUnimplemented, "cleanup: " + cleanup.ToString());
  MountedSnapshot* after = t.PrepareOnGiven("late");
  if (after == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("f", "changed").Dir("new"), after->root_fd()),
       "writing after the room came back");
  Result<Manifest> base = t.subject().ViewManifest(t.given());
  if (t.Ok(base, "view of the parent")) t.SameTree(t.given_manifest(), *base, "the parent after all that");
}

}  // namespace layermark
