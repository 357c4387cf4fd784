// Area oci: links of layer tars, and archives that try to leave the root.
#include "conformance/support/oci_case.h"
#include "core/sys/fd.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

// A name that only an archive that got out would make; beside the mount points, where nothing of the host is.
constexpr const char* kEscaped = "layermark-escaped";

void NothingGotOut(CaseContext& t) {
  for (const std::string& directory : {WorkspacePath(), t.subject().root(), t.backing().path()}) {
    t.Check(!Exists(directory + "/" + kEscaped), "the archive wrote outside of the root, to " + directory);
  }
}

}  // namespace

LM_CASE(oci, hard_links_share_one_inode,
        .claim = "three names of a file are one inode after unpacking, in its layer and above",
        .source = "L36; L40; containers-storage 2357") {
  SameLayersAsModel(
      t, {{DirEntry("d"), FileEntry("a", "shared"), LinkEntry("d/b", "a"), LinkEntry("./c", "/d/b")},
          {FileEntry("other")}});
}

LM_CASE(oci, hard_link_attributes_are_the_first_names,
        .claim = "the mode and owner in a hard link's header do not change the file", .source = "L36; L17") {
  TarEntry link = Owned(LinkEntry("b", "a"), 77, 88);
  link.mode = 0777;
  SameLayersAsModel(t, {{Owned(FileEntry("a", "x", 0600), 1, 2), link}});
}

LM_CASE(oci, hard_link_to_symlink_links_the_symlink,
        .claim = "a hard link to a symlink is another name of the symlink, and its target keeps its mode",
        .source = "L17; L37; containerd 2458") {
  SameLayersAsModel(
      t, {{FileEntry("target", "x", 0600), SymlinkEntry("link", "target"), LinkEntry("again", "link")}});
}

LM_CASE(oci, hard_link_target_through_symlink_stays_inside,
        .claim = "a hard link whose target's parent is an absolute symlink is resolved inside the root",
        .source = "L37") {
  SameLayersAsModel(t, {{DirEntry("etc"), FileEntry("etc/passwd", "inside"), SymlinkEntry("link", "/etc"),
                         SymlinkEntry("up", "../../../etc"), LinkEntry("copy", "link/passwd"),
                         LinkEntry("copy2", "up/passwd")}});
}

LM_CASE(oci, hard_link_to_a_lower_file,
        .claim = "a hard link to a file of a lower layer has its content and attributes", .source = "L38") {
  SameLayersAsModel(t, {{Owned(FileEntry("lower", "content", 0640), 3, 4)}, {LinkEntry("name", "lower")}});
}

LM_CASE(oci, hard_link_replaces_what_is_there,
        .claim = "a hard link entry over a file, and over a directory, takes the name", .source = "L39") {
  SameLayersAsModel(t, {{FileEntry("a", "old"), DirEntry("d"), FileEntry("d/f"), FileEntry("keep", "kept")},
                        {FileEntry("new", "new"), LinkEntry("a", "new"), LinkEntry("d", "new")}});
}

LM_CASE(oci, hard_link_to_nothing_is_refused,
        .claim = "a hard link whose target does not exist is an error and leaves no snapshot",
        .source = "L38") {
  RefusedAsByModel(t, {{FileEntry("f")}, {FileEntry("g"), LinkEntry("l", "missing")}});
}

LM_CASE(oci, hard_link_out_of_the_root_is_refused, .claim = "a hard link to ../../etc/passwd is an error",
        .source = "L37; L51") {
  RefusedAsByModel(t, {{FileEntry("f")}, {LinkEntry("stolen", "../../etc/passwd")}});
}

LM_CASE(oci, path_out_of_the_root_is_refused,
        .claim = "an entry named ../NAME is an error and writes nothing outside of the root",
        .source = "L8; L51") {
  RefusedAsByModel(t, {{FileEntry("f")}, {FileEntry(std::string("../") + kEscaped)}});
  RefusedAsByModel(t, {{FileEntry(std::string("d/../../") + kEscaped)}});
  NothingGotOut(t);
}

LM_CASE(
    oci, write_through_absolute_symlink_stays_inside,
    .claim = "an entry below an absolute symlink of the image lands in the root, not in the host's directory",
    .source = "L24; L51; CVE-2025-47290") {
  SameLayersAsModel(
      t, {{SymlinkEntry("workspace", WorkspacePath()), SymlinkEntry("store", t.subject().root()),
           SymlinkEntry("up", "../../../../../../etc")},
          {FileEntry(std::string("workspace/") + kEscaped), FileEntry(std::string("store/") + kEscaped),
           FileEntry("up/passwd", "inside")}});
  NothingGotOut(t);
}

LM_CASE(oci, symlink_swapped_for_a_directory_stays_inside,
        .claim = "an entry below a directory that the same archive replaces by a symlink lands in the root",
        .source = "L51; CVE-2025-47290; containerd 12961") {
  SameLayersAsModel(t, {{DirEntry("d"), FileEntry("d/first"), SymlinkEntry("d", WorkspacePath()),
                         FileEntry(std::string("d/") + kEscaped)}});
  NothingGotOut(t);
}

LM_CASE(oci, symlink_with_a_new_target_is_replaced,
        .claim = "a symlink of the same length and time with another target is changed",
        .source = "L42; moby 31805") {
  SameLayersAsModel(t, {{SymlinkEntry("l", "aaa")}, {SymlinkEntry("l", "bbb")}});
}

LM_CASE(oci, symlink_loops_are_refused, .claim = "an entry below a symlink that leads to itself is an error",
        .source = "L24; L51") {
  RefusedAsByModel(t, {{SymlinkEntry("a", "b"), SymlinkEntry("b", "a")}, {FileEntry("a/f")}});
}

}  // namespace layermark
