// Area stack: what the options of kernel overlay, and odd layers, make of a stack.
#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "conformance/support/stack.h"
#include "core/oci/unnamed_file.h"
#include "core/sys/mount.h"

namespace layermark {
namespace {

Layer Base() {
  return Layer()
      .Dir("d", 0750)
      .File("d/a", "a")
      .Dir("d/s")
      .File("d/s/x", "x")
      .File("f", std::string(1 << 20, 'f'))
      .File("g", "g");
}

// Skips the case on an older kernel.
bool KernelIsAtLeast(CaseContext& t, int major, int minor) {
  utsname name{};
  int seen_major = 0, seen_minor = 0;
  if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &seen_major, &seen_minor) != 2) {
    t.Error(std::string("no version in ") + name.release);
    return false;
  }
  if (seen_major > major || (seen_major == major && seen_minor >= minor)) return true;
  t.Skip("kernel_missing", fmt::format("Linux {}.{} has it, this is {}", major, minor, name.release));
  return false;
}

int64_t BlocksOf(CaseContext& t, const std::string& path) {
  struct stat st = {};
  t.Check(lstat(path.c_str(), &st) == 0, "stat of " + path + ": " + ErrnoName(errno));
  return st.st_blocks * 512;
}

void SetMark(CaseContext& t, const std::string& path, const std::string& name, const std::string& value) {
  if (Status s = SetXattrAt(AT_FDCWD, path, name, value); !s.ok()) t.Error(s.ToString());
}

}  // namespace

LM_CASE(stack, whiteouts_that_are_attributes,
        .claim =
            "an empty file with the whiteout attribute, in a directory that is marked for it, hides what is "
            "below",
        .source = "properties 39; L33; ovl/084; kernel overlayfs.rst, whiteouts and opaque directories",
        .needs = {Capability::layer_stack, Capability::kernel_overlay, Capability::xattr_trusted}) {
  if (!KernelIsAtLeast(t, 6, 8)) return;
  Stack stack(t);
  const std::string top = stack.Dir("top", Layer().Dir("d").File("d/a", "").File("d/kept", "k"));
  SetMark(t, top + "/d", "trusted.overlay.opaque", "x");
  SetMark(t, top + "/d/a", "trusted.overlay.whiteout", "y");
  StackSpec spec = stack.Over({top, stack.Dir("bottom", Base())});
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  Ops fs(mounted->root_fd());
  t.Equal(ENOENT, fs.Stat("d/a"), "errno of the name that is hidden");
  Result<std::vector<std::string>> names = ListDir(mounted->root_fd(), "d");
  if (t.Ok(names, "list"))
    t.Check(*names == std::vector<std::string>{"kept", "s"},
            fmt::format("{} names are listed", names->size()));
  t.Equal(0, fs.Create("d/a", "new"), "errno of making it anew");
  t.Equal(std::string("new"), fs.Read("d/a"), "its content");
}

LM_CASE(stack, metacopy_copies_attributes_alone,
        .claim =
            "with metacopy a chmod copies up no data, the file shows all of it and its blocks, and the first "
            "write copies it",
        .source = "properties 77; properties 107; ovl/060; kernel overlayfs.rst, metadata only copy up",
        .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  spec.options = {"nfs_export=off", "metacopy=on", "redirect_dir=on"};
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  const int64_t lower_blocks = BlocksOf(t, spec.lowers[0] + "/f");
  stack.Change(*mounted, model, Layer().Chmod("f", 0600).Chown("f", 5, 6).Link("f2", "f").Rename("g", "g2"));
  t.Equal(int64_t{0}, BlocksOf(t, spec.upper + "/f") / 65536, "blocks of 64 KiB that the copy takes");
  t.Equal(lower_blocks, BlocksOf(t, mounted->path() + "/f"), "bytes in blocks that the union shows");
  if (!t.Ok(mounted->Remount(), "unmount and mount again")) return;
  stack.Shows(*mounted, model, "attributes changed");
  stack.Change(*mounted, model, Layer().Write("f", 10, "written"));
  t.Check(BlocksOf(t, spec.upper + "/f") >= (1 << 20), "the data was not copied by the write");
  stack.Shows(*mounted, model, "data changed");
  if (!t.Ok(mounted->Remount(), "unmount and mount again")) return;
  stack.Shows(*mounted, model, "mounted again");
}

LM_CASE(stack, metacopy_gives_whole_layers,
        .claim =
            "the layer produced from a metacopy mount holds the file with its full data, once, and nothing "
            "beside it",
        .source = "peer bug 12; L35; docker/for-linux 480; containers/storage 640",
        .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  StackSpec spec = stack.Over({lower});
  spec.options = {"nfs_export=off", "metacopy=on", "redirect_dir=on"};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  t.Ok(ApplyLayer(Layer().Chown("f", 7, 8), mounted->root_fd()), "chown");
  Result<Fd> below = Open(lower, O_RDONLY | O_DIRECTORY), tar = UnnamedFile(0);
  if (!t.Ok(below, "open") || !t.Ok(tar, "a file for the layer")) return;
  if (!t.Ok(DiffToTar(below->get(), mounted->root_fd(), tar->get()), "diff")) return;
  if (lseek(tar->get(), 0, SEEK_SET) != 0) return t.Error("lseek");
  Result<std::vector<TarListEntry>> list = ListTar(tar->get());
  if (!t.Ok(list, "list")) return;
  int files = 0;
  for (const TarListEntry& item : *list) {
    if (item.entry.typeflag == '5') continue;
    ++files;
    t.Equal(std::string("f"), item.entry.path, "what is in the layer");
    t.Equal(Sha256(std::string(1 << 20, 'f')), item.digest, "its content");
  }
  t.Equal(1, files, "files in the layer");
}

LM_CASE(stack, redirects_are_followed_as_the_options_say,
        .claim =
            "a renamed lower directory keeps its children where redirects are followed, and shows none of "
            "them where not",
        .source = "properties 57; properties 58; ovl/057; kernel overlayfs.rst, renaming directories",
        .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  spec.options = {"metacopy=off", "nfs_export=off", "redirect_dir=on"};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  {
    Ops fs(mounted->root_fd());
    t.Equal(0, fs.Rename("d", "moved"), "errno of the rename");
    t.Equal(0, fs.Rename("moved/s", "s2"), "errno of the rename of a directory in it");
    t.Equal(0, fs.Create("moved/new", "n"), "errno of a new file in it");
  }
  if (!stack.Unmount(mounted)) return;
  for (const char* how : {"on", "follow", "nofollow"}) {
    StackSpec again = spec;
    again.options[2] = std::string("redirect_dir=") + how;
    MountedSnapshot* look = stack.Mount(again);
    if (look == nullptr) return;
    const bool follows = std::string(how) != "nofollow";
    {
      Ops fs(look->root_fd());
      t.Equal(ENOENT, fs.Stat("d"), std::string(how) + ": errno of the old name");
      if (follows) {
        t.Equal(std::string("n"), fs.Read("moved/new"), std::string(how) + ": the new file");
        t.Equal(std::string("a"), fs.Read("moved/a"), std::string(how) + ": a child of the directory");
        t.Equal(std::string("x"), fs.Read("s2/x"), std::string(how) + ": a child of the directory in it");
      } else {
        t.Check(fs.Read("moved/a") != "a", std::string(how) + ": a child of the directory is found");
      }
    }
    if (!stack.Unmount(look)) return;
  }
}

LM_CASE(stack, redirects_from_far_below,
        .claim =
            "a lower directory whose path is longer than a redirect may be is renamed with all its children, "
            "or EXDEV",
        .source = "properties 57; kernel overlayfs.rst, renaming directories; peer bug 13",
        .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  Layer lower;
  std::string path;
  for (int i = 0; i < 8; ++i) {
    path += (i == 0 ? "" : "/") + std::string(60, static_cast<char>('a' + i));
    lower.Dir(path);
  }
  lower.File(path + "/x", "x");
  StackSpec spec = stack.Over({stack.Dir("lower", lower)});
  spec.options = {"metacopy=off", "nfs_export=off", "redirect_dir=on"};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  int error = 0;
  {
    Ops fs(mounted->root_fd());
    error = fs.Rename(path, "near");
    t.Check(error == 0 || error == EXDEV, "rename: " + ErrnoName(error));
  }
  for (int round = 0; round < 2; ++round) {
    {
      Ops fs(mounted->root_fd());
      t.Equal(std::string("x"), fs.Read(error == 0 ? "near/x" : path + "/x"), "the child");
      t.Equal(ENOENT, fs.Stat(error == 0 ? path : "near"), "errno of the other name");
    }
    if (!t.Ok(mounted->Remount(), "unmount and mount again")) return;
  }
}

LM_CASE(stack, layers_of_data_alone,
        .claim =
            "a file whose data lies in a layer of data alone shows that data, and the layer's own names are "
            "not seen",
        .source = "properties 143; properties 141; ovl/085; kernel overlayfs.rst, data-only lower layers",
        .needs = {Capability::layer_stack, Capability::kernel_overlay, Capability::xattr_trusted}) {
  if (!KernelIsAtLeast(t, 6, 8)) return;
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Layer().File("f", "").Truncate("f", 9).File("g", "g"));
  const std::string data = stack.Dir("data", Layer().File("blob", "the data!"));
  SetMark(t, lower + "/f", "trusted.overlay.metacopy", "");
  SetMark(t, lower + "/f", "trusted.overlay.redirect", "/blob");
  StackSpec spec = stack.Over({lower});
  spec.options = {"nfs_export=off", "metacopy=on", "redirect_dir=on", "datadir+=" + data};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  Ops fs(mounted->root_fd());
  t.Equal(std::string("the data!"), fs.Read("f"), "the content");
  t.Equal(ENOENT, fs.Stat("blob"), "errno of the name in the layer of data");
  t.Equal(0, fs.Overwrite("f", 0, "THE"), "errno of a write");
  t.Equal(std::string("THE data!"), fs.Read("f"), "the content after a write");
  Result<std::string> below = ReadFile(data + "/blob");
  if (t.Ok(below, "reading the layer")) t.Equal(std::string("the data!"), *below, "the layer of data");
}

LM_CASE(stack, a_large_attribute_that_the_upper_cannot_hold,
        .claim =
            "the first change of a file with an attribute that the upper's file system cannot hold fails and "
            "leaves the "
            "view and the upper as they were",
        .source = "properties 94; no peer", .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  if (t.backing().file_system() != "ext4")
    return t.Skip("not_applicable", "the upper must be ext4, which holds attributes of one block");
  // Made first, so that it goes after the stack that stands on it.
  BackingSpec other;
  other.kind = "xfs";
  other.size_bytes = 0;
  Result<Backing> xfs = Backing::Create(other);
  if (!xfs.ok()) return t.Skip("tool_missing", xfs.status().ToString());
  Stack stack(t);
  const std::string lower = stack.DirIn(xfs->path(), "lower", Layer().Dir("d").File("d/f", "content"));
  SetMark(t, lower + "/d/f", "user.large", std::string(40'000, 'v'));
  StackSpec spec = stack.Over({lower});
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  Ops fs(mounted->root_fd());
  const int error = fs.Chmod("d/f", 0600);
  t.Check(error == ENOSPC || error == E2BIG || error == ERANGE, "chmod: " + ErrnoName(error));
  t.Equal(std::string("content"), fs.Read("d/f"), "the content afterwards");
  struct stat st = {};
  t.Check(fstatat(mounted->root_fd(), "d/f", &st, 0) == 0 && (st.st_mode & 0777) == 0644, "the mode changed");
  t.Check(!Exists(spec.upper + "/d/f"), "the upper holds a part of the file");
  Result<std::vector<std::string>> left = ListDir(AT_FDCWD, spec.work + "/work");
  if (t.Ok(left, "list of the work directory"))
    t.Equal(size_t{0}, left->size(), "names in the work directory");
  t.Equal(0, fs.Create("d/new", "n"), "errno of another change");
}

LM_CASE(stack, lowers_on_a_read_only_mount,
        .claim = "lowers that are mounted read-only can be changed and hidden in the stack all the same",
        .source = "properties 150; um --squashfs", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base()), bound = stack.Dir("bound");
  if (Status s = BindMount(lower, bound, false, true); !s.ok()) return t.Error(s.ToString());
  {
    StackSpec spec = stack.Over({bound});
    ModelTree model = stack.Model(spec);
    MountedSnapshot* mounted = stack.Mount(spec);
    if (mounted != nullptr) {
      stack.Change(*mounted, model,
                   Layer().Write("f", 0, "F").Remove("g").RemoveAll("d").Dir("d").File("d/new", "n"));
      stack.Shows(*mounted, model, "changed");
      stack.Unmount(mounted);
    }
  }
  t.Ok(UnmountPath(bound), "unmount of the lower");
}

LM_CASE(stack, remount_changes_no_layer,
        .claim =
            "a remount that names other layers is refused or ignored: the stack shows what it showed, and is "
            "writable",
        .source = "properties 154; no peer", .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  const std::string other = stack.Dir("other", Layer().File("foreign", "x"));
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  (void)mount("none", mounted->path().c_str(), nullptr, MS_REMOUNT, ("lowerdir=" + other).c_str());
  stack.Shows(*mounted, model, "after the remount");
  stack.Change(*mounted, model, Layer().Write("f", 0, "F").Remove("g"));
  stack.Shows(*mounted, model, "changed after the remount");
  t.Equal(0,
          mount("none", mounted->path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0 ? 0 : errno,
          "errno of ro");
  Ops fs(mounted->root_fd());
  t.Equal(EROFS, fs.Create("new", "x"), "errno of creating on a mount that became read-only");
}

LM_CASE(stack, identity_with_the_uuid_option,
        .claim = "with uuid=on a stack has the same identity at each mount and another than its neighbour's",
        .source = "properties 153; properties 104; ovl/081",
        .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  if (!KernelIsAtLeast(t, 6, 6)) return;
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  StackSpec one = stack.Over({lower}), two = stack.Over({lower});
  one.options = two.options = {"uuid=on"};
  MountedSnapshot* first = stack.Mount(one);
  MountedSnapshot* second = stack.Mount(two);
  if (first == nullptr || second == nullptr) return;
  const auto id = [&](const MountedSnapshot& mounted) {
    struct statfs st = {};
    t.Check(fstatfs(mounted.root_fd(), &st) == 0, "statfs");
    std::string text(reinterpret_cast<const char*>(&st.f_fsid), sizeof(st.f_fsid));
    return Sha256(text);
  };
  const std::string before = id(*first);
  t.Check(before != id(*second), "two stacks have one identity");
  if (t.Ok(first->Remount(), "unmount and mount again"))
    t.Equal(before, id(*first), "the identity at the next mount");
}

LM_CASE(stack, a_lower_that_changes_under_the_mount,
        .claim =
            "names that come and go in a lower while it is mounted bring no crash, no hang and no foreign "
            "content",
        .source = "properties 146; ovl/012; ovl/019", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  {
    Ops fs(mounted->root_fd());
    for (int i = 0; i < 20; ++i) {
      stack.Edit(spec.lowers[0], Layer().File(fmt::format("d/n{}", i), "n"));
      (void)fs.List("d");
      (void)fs.Append("g", "x");
      (void)fs.Stat(fmt::format("d/n{}", i));
      stack.Edit(spec.lowers[0], Layer().Remove(fmt::format("d/n{}", i)));
      (void)fs.Chmod(fmt::format("d/n{}", i), 0600);
    }
    t.Equal("g" + std::string(20, 'x'), fs.Read("g"), "a file that nobody changed below");
    t.Equal(std::string("a"), fs.Read("d/a"), "another");
  }
  if (t.Ok(mounted->Remount(), "unmount and mount again")) {
    Ops again(mounted->root_fd());
    t.Equal("g" + std::string(20, 'x'), again.Read("g"), "a file that nobody changed below");
  }
}

LM_CASE(
    stack, an_overlay_as_the_home_of_layers,
    .claim =
        "layers that lie on an overlay of this kind are stacked and right, or refused with nothing mounted",
    .source = "peer bug 14; properties 137; containerd 2402", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  MountedSnapshot* home = stack.Mount(stack.Over({stack.Dir("ground", Layer().File("x", "x"))}));
  if (home == nullptr) return;
  StackSpec spec;
  spec.lowers = {stack.DirIn(home->path(), "lower", Base())};
  spec.upper = stack.DirIn(home->path(), "upper");
  spec.work = stack.DirIn(home->path(), "work");
  Result<std::vector<Mount>> mounts = t.instance().driver->StackMounts(t.instance().options, spec);
  if (!t.Ok(mounts, "the mounts")) return;
  Result<MountedSnapshot> mounted = MountedSnapshot::Mount("on.overlay", *mounts);
  if (!mounted.ok()) return;  // refused; the fixture looks for what is left mounted
  ModelTree model = stack.Model(spec);
  stack.Change(*mounted, model,
               Layer().Write("f", 0, "F").Remove("g").RemoveAll("d").Dir("d").File("d/new", "n"));
  stack.Shows(*mounted, model, "on an overlay");
  t.Ok(mounted->Unmount(), "unmount");
}

}  // namespace layermark
