// Area oci: whiteouts and opaque markers of layer tars.
#include "conformance/support/oci_case.h"

namespace layermark {
namespace {

// A lower layer with something of every kind below d.
Tar Base() {
  return {DirEntry("d", 0751),    FileEntry("d/a", "lower a"), FileEntry("d/b", "lower b"),
          DirEntry("d/sub"),      FileEntry("d/sub/deep"),     SymlinkEntry("d/link", "a"),
          FifoEntry("d/.hidden"), FileEntry("f", "lower f")};
}

}  // namespace

LM_CASE(oci, whiteout_hides_every_type,
        .claim =
            ".wh.NAME hides a lower file, symlink, fifo and a directory with all below it, and is itself not "
            "seen",
        .source = "L18") {
  SameLayersAsModel(
      t, {Base(),
          {Whiteout("d", "a"), Whiteout("d", "link"), Whiteout("d", ".hidden"), Whiteout("d", "sub")},
          {Whiteout("", "d")}});
}

LM_CASE(
    oci, whiteout_spares_its_own_layer,
    .claim = "an entry of the layer that also holds the whiteout of its name stays, whichever comes first",
    .source = "L19; L20; L30") {
  SameLayersAsModel(t, {Base(),
                        {FileEntry("d/a", "entry first"), Whiteout("d", "a"), Whiteout("d", "b"),
                         FileEntry("d/b", "whiteout first")}});
}

LM_CASE(oci, whiteout_before_directory_hides_the_old_one,
        .claim = "a directory entry after its own whiteout shows nothing of the lower directory",
        .source = "L20") {
  SameLayersAsModel(t, {Base(), {Whiteout("d", "sub"), DirEntry("d/sub", 0700), FileEntry("d/sub/new")}});
}

LM_CASE(oci, whiteout_after_directory_hides_the_old_one,
        .claim = "a directory entry before its own whiteout keeps its new children and loses the lower ones",
        .source = "L19; L20") {
  SameLayersAsModel(t, {Base(), {DirEntry("d/sub", 0700), FileEntry("d/sub/new"), Whiteout("d", "sub")}});
}

LM_CASE(oci, bare_whiteout_is_refused, .claim = "the name .wh. alone is an error and removes nothing",
        .source = "L21; image-spec 1301") {
  RefusedAsByModel(t, {Base(), {Whiteout("d", "")}});
}

LM_CASE(oci, whiteout_of_dot_is_refused, .claim = ".wh.. would hide the directory itself: an error",
        .source = "L22; containerd 2001") {
  RefusedAsByModel(t, {Base(), {Whiteout("d", ".")}});
}

LM_CASE(oci, whiteout_of_dot_dot_is_refused, .claim = ".wh... would hide the parent: an error",
        .source = "L22; containerd 2001") {
  RefusedAsByModel(t, {Base(), {Whiteout("d", "..")}});
}

LM_CASE(oci, whiteout_of_nothing_does_nothing,
        .claim = "whiteouts of a missing name, in a missing directory and below a file change nothing",
        .source = "L23; containers-storage 907") {
  SameLayersAsModel(
      t, {Base(),
          {Whiteout("d", "missing"), Whiteout("nowhere", "x"), Whiteout("f", "x"), Whiteout("d/link", "x")}});
}

LM_CASE(oci, whiteout_through_symlink_stays_inside,
        .claim = "a whiteout below a symlink to an absolute directory hides the name inside the root",
        .source = "L24") {
  SameLayersAsModel(t, {{DirEntry("etc"), FileEntry("etc/passwd"), FileEntry("etc/kept"),
                         SymlinkEntry("link", "/etc"), SymlinkEntry("up", "../../etc")},
                        {Whiteout("link", "passwd"), Whiteout("up", "missing")}});
}

LM_CASE(oci, whiteout_of_a_symlink_keeps_its_target,
        .claim = "the whiteout of a symlink removes the link alone", .source = "L24") {
  SameLayersAsModel(t, {{DirEntry("real"), FileEntry("real/f"), SymlinkEntry("dirlink", "real"),
                         SymlinkEntry("dead", "nowhere")},
                        {Whiteout("", "dirlink"), Whiteout("", "dead")}});
}

LM_CASE(oci, entries_below_a_whiteout_name_are_refused,
        .claim = "no entry may lie below a name that begins with .wh.", .source = "L25") {
  RefusedAsByModel(t, {Base(), {DirEntry("d/ok"), FileEntry("d/.wh.sub/f")}});
}

LM_CASE(oci, whiteout_of_another_type_is_a_whiteout,
        .claim = "a whiteout is known by its name, also where its header says hard link", .source = "L26") {
  SameLayersAsModel(t, {Base(), {LinkEntry("d/.wh.a", "f"), Whiteout("d", "b")}});
}

LM_CASE(oci, opaque_hides_all_lower_children,
        .claim = "an opaque marker hides every lower child, dot names and subdirectories too",
        .source = "L27; moby 17766") {
  SameLayersAsModel(t, {Base(), {DirEntry("d"), Opaque("d"), FileEntry("d/new")}});
}

LM_CASE(
    oci, opaque_last_spares_its_own_layer,
    .claim = "an opaque marker after its layer's entries spares them and hides the lower ones just the same",
    .source = "L19; L27; moby 17819") {
  SameLayersAsModel(
      t, {Base(), {FileEntry("d/a", "own"), FileEntry("d/sub/own"), FileEntry("d/new"), Opaque("d")}});
}

LM_CASE(oci, opaque_keeps_the_directory_itself,
        .claim = "an opaque marker without an entry of its directory leaves that directory's attributes",
        .source = "L27; moby 27705") {
  SameLayersAsModel(t, {Base(), {Opaque("d")}});
}

LM_CASE(oci, opaque_root, .claim = "an opaque marker at the root hides everything below the layer",
        .source = "L28") {
  SameLayersAsModel(t, {Base(), {FileEntry("early"), Opaque(""), FileEntry("late")}});
}

LM_CASE(oci, opaque_over_a_file,
        .claim = "an opaque directory over a lower file is an empty directory with its own entries",
        .source = "L29") {
  SameLayersAsModel(t, {Base(), {DirEntry("f"), Opaque("f"), FileEntry("f/in"), Opaque("d/a")}});
}

LM_CASE(
    oci, hidden_names_stay_hidden_above,
    .claim = "what a layer hid or made opaque stays hidden in the layers above, which can bring it back anew",
    .source = "L18; L27; fuse-overlayfs 478") {
  SameLayersAsModel(t, {Base(),
                        {Opaque("d"), Whiteout("", "f")},
                        {FileEntry("other")},
                        {DirEntry("d/sub"), FileEntry("d/a", "again"), FileEntry("f", "again")}});
}

}  // namespace layermark
