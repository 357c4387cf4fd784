// Area stack: upper and work directories, used once, again, or not at all.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "conformance/support/case.h"
#include "conformance/support/stack.h"

namespace layermark {
namespace {

Layer Base() {
  return Layer()
      .Dir("d")
      .File("d/a", "a of the lower")
      .File("d/b", "b of the lower")
      .File("f", "f of the lower")
      .SetXattr("f", AnAttribute(), "kept")
      .Symlink("link", "f")
      .Fifo("pipe");
}

Layer Changes() {
  return Layer()
      .Write("f", 0, "F")
      .Remove("d/b")
      .RemoveAll("pipe")
      .Dir("new", 0711)
      .File("new/x", "x", 0400)
      .Link("new/y", "new/x")
      .Symlink("new/link", "../f")
      .File("d/b2", "b2")
      .Rename("d/b2", "d/b3");
}

}  // namespace

LM_CASE(
    stack, upper_is_used_again_with_all_that_is_in_it,
    .claim = "after unmount an upper mounts again with every change in it, also with a new work directory",
    .source = "properties 145; properties 148; ovl/029", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  stack.Change(*mounted, model, Changes());
  if (!stack.Shows(*mounted, model, "changed")) return;
  for (const char* work : {"", "fresh_work"}) {
    if (!stack.Unmount(mounted)) return;
    if (*work != '\0') spec.work = stack.Dir(work);
    mounted = stack.Mount(spec);
    if (mounted == nullptr) return;
    stack.Shows(*mounted, model,
                fmt::format("mounted again with {} work directory", *work == '\0' ? "its" : "a new"));
  }
  stack.Change(*mounted, model, Layer().File("d/b", "b again").Remove("new/x").Write("f", 2, "G"));
  stack.Shows(*mounted, model, "changed once more");
}

LM_CASE(stack, leftovers_in_the_work_directory_do_no_harm,
        .claim = "what a crash left in a work directory neither shows nor keeps the next mount from working",
        .source = "properties 148; kernel overlayfs.rst, workdir; ovl/031",
        .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  stack.Change(*mounted, model, Layer().Write("f", 0, "F").Remove("d/b"));
  if (!stack.Unmount(mounted)) return;
  // Where unions make their temporary objects, and what such an object may be.
  for (const std::string& place : {spec.work, spec.work + "/work"}) {
    if (!Exists(place)) stack.Edit(spec.work, Layer().Dir("work", 0700));
    stack.Edit(place, Layer().File("#1", "half a copy").Dir("#2").File("#2/x", "x").Symlink("#3", "/"));
  }
  mounted = stack.Mount(spec);
  if (mounted == nullptr || !stack.Shows(*mounted, model, "with leftovers")) return;
  stack.Change(*mounted, model,
               Layer()
                   .Write("d/a", 0, "A")
                   .Times("d", kDefaultMtimeNs, kDefaultMtimeNs)
                   .Remove("link")
                   .Dir("new")
                   .File("new/x", "x"));
  stack.Shows(*mounted, model, "changed with leftovers");
}

LM_CASE(stack, without_upper_every_change_is_refused,
        .claim = "a stack without an upper can be read and refuses every kind of change with EROFS",
        .source = "properties 136; ovl/035; fo:readonly", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string bottom = stack.Dir("bottom", Base());
  const std::string top = stack.Dir("top", Layer().Dir("e").File("e/x", "x"));
  const std::string before = stack.Fingerprint({top, bottom});
  // The oracle: the same tree in one directory, bound read-only by the kernel.
  const std::string flat = stack.Dir("flat", Base().Dir("e").File("e/x", "x"));
  Result<MountedSnapshot> plain = MountedSnapshot::Mount("plain", {{"bind", flat, "", {"bind", "ro"}}});
  if (!plain.ok()) return t.Error("binding a directory: " + plain.status().ToString());
  const StackSpec spec{{top, bottom}, "", "", {}};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  const auto act = [](Ops& fs) {
    fs.Create("created", "x");
    fs.WriteFile("f", "x");
    fs.Append("f", "x");
    fs.Truncate("f", 1);
    fs.Open("h", "f", O_RDWR);
    fs.Open("h", "f", O_RDONLY | O_TRUNC);
    fs.Mkdir("made");
    fs.Rmdir("e");
    fs.Unlink("f");
    fs.Rename("f", "g");
    fs.Rename("d/a", "d/b");
    fs.Link("f", "g");
    fs.Symlink("x", "g");
    fs.Mknod("g", S_IFIFO | 0600);
    fs.Chmod("f", 0600);
    fs.Chmod("d", 0700);
    fs.Chown("f", 1, 1);
    fs.Utimens("f", 1, 2);
    fs.SetXattr("f", AnAttribute(), "changed");
    fs.RemoveXattr("f", AnAttribute());
    fs.Access("f", W_OK);
    fs.Read("f");
    fs.List("");
    fs.List("e");
    fs.ReadLink("link");
    fs.GetXattr("f", AnAttribute());
  };
  {
    Ops expected(plain->root_fd()), seen(mounted->root_fd());
    act(expected);
    act(seen);
    t.SameSteps(seen, expected);
  }
  stack.Shows(*mounted, stack.Model(spec), "afterwards");
  t.Equal(before, stack.Fingerprint({top, bottom}), "the lowers, before and after");
  t.Ok(plain->Unmount(), "unmount of the oracle");
}

LM_CASE(stack, without_upper_it_cannot_be_made_writable,
        .claim = "a stack without an upper refuses to be remounted read-write",
        .source = "properties 136; ovl/035", .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  MountedSnapshot* mounted =
      stack.Mount({{stack.Dir("top", Layer().File("x", "x")), stack.Dir("bottom", Base())}, "", "", {}});
  if (mounted == nullptr) return;
  const int error = mount("none", mounted->path().c_str(), nullptr, MS_REMOUNT, nullptr) == 0 ? 0 : errno;
  t.Equal(std::string("EROFS"), ErrnoName(error), "remount read-write");
  Ops fs(mounted->root_fd());
  t.Equal(EROFS, fs.Create("created", "x"), "errno of creating a file after that");
}

LM_CASE(
    stack, volatile_upper_is_not_taken_for_a_sound_one,
    .claim =
        "an upper that was mounted volatile is refused until its mark is removed, and then has everything",
    .source = "properties 144; kernel overlayfs.rst, volatile mount",
    .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  ModelTree model = stack.Model(spec);
  StackSpec hasty = spec;
  hasty.options = {"volatile"};
  MountedSnapshot* mounted = stack.Mount(hasty);
  if (mounted == nullptr) return;
  stack.Change(*mounted, model, Changes());
  if (!stack.Unmount(mounted)) return;
  stack.Refused(spec, EINVAL, "an upper that was mounted volatile");
  stack.Refused(hasty, EINVAL, "an upper that was mounted volatile, volatile again");
  const std::string mark = fmt::format("{}/{}", spec.work, "work/incompat/volatile");
  if (!t.Check(Exists(mark), "the mark of a volatile mount is not in the work directory")) return;
  if (!t.Ok(RemoveTree(mark), "removal of the mark")) return;
  mounted = stack.Mount(spec);
  if (mounted != nullptr) stack.Shows(*mounted, model, "mounted after the mark was removed");
}

LM_CASE(
    stack, file_handle_outlives_copy_up_and_mount,
    .claim =
        "with nfs_export a handle of a lower file opens that file after its copy-up and after the next mount",
    .source = "properties 125; ovl/050; ovl/053",
    .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  spec.options = {"metacopy=off", "index=on", "nfs_export=on"};  // metacopy and nfs_export exclude each other
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(bytes);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (name_to_handle_at(mounted->root_fd(), "f", handle, &mount_id, 0) != 0)
    return t.Fail(Status::Errno("name_to_handle_at", "f").ToString());
  ModelTree model = stack.Model(spec);
  const auto look = [&](const std::string& when) {
    Fd file(open_by_handle_at(mounted->root_fd(), handle, O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return t.Fail(when + ": " + Status::Errno("open_by_handle_at", "f").ToString());
    Result<std::string> by_handle = ReadAll(file.get());
    Result<std::string> by_name = ReadFileAt(mounted->root_fd(), "f");
    if (t.Ok(by_handle, when) && t.Ok(by_name, when))
      t.Equal(*by_name, *by_handle, when + ": content by handle");
  };
  look("of the lower file");
  stack.Change(*mounted, model, Layer().Write("f", 0, "F"));
  look("after the copy-up");
  if (!t.Ok(mounted->Remount(), "unmount and mount again")) return;
  look("after the next mount");
  stack.Shows(*mounted, model, "the union");
}

}  // namespace layermark
