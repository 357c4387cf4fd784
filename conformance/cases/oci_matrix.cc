// Area oci: replacements of every type by every type, spellings, long and odd headers, and markers where few
// expect them.
#include <fmt/core.h>

#include <string>
#include <vector>

#include "conformance/support/oci_case.h"

namespace layermark {
namespace {

// One object of each type, named PREFIX.TYPE; what a hard link needs is there too.
Tar EveryType(const std::string& prefix, bool devices) {
  Tar tar = {FileEntry(prefix + ".target", prefix + " target"),
             FileEntry(prefix + ".file", prefix + " file", 0640),
             DirEntry(prefix + ".dir", 0750),
             FileEntry(prefix + ".dir/child", prefix + " child"),
             DirEntry(prefix + ".empty", 0711),
             SymlinkEntry(prefix + ".link", prefix + ".target"),
             SymlinkEntry(prefix + ".dirlink", prefix + ".dir"),
             FifoEntry(prefix + ".fifo"),
             LinkEntry(prefix + ".hard", prefix + ".target")};
  if (devices) tar.push_back(DeviceEntry(prefix + ".char", '3', 1, 3));
  return tar;
}

}  // namespace

LM_CASE(oci, every_type_over_every_type,
        .claim =
            "an entry of each type over an object of each type gives the new object alone, links and targets "
            "stay",
        .source = "L10; L11; L12; L17; L39; peer-checks C88", .needs = {Capability::priv_mknod}) {
  const std::vector<std::string> types = {"file", "dir", "empty", "link", "dirlink", "fifo", "hard", "char"};
  Tar lower = {FileEntry("target", "target")}, upper;
  for (const std::string& from : types) {
    for (const std::string& to : types) {
      const std::string name = from + "-to-" + to;
      const auto make = [&](const std::string& type, const std::string& text, Tar* tar) {
        if (type == "file") tar->push_back(FileEntry(name, text, 0640));
        if (type == "dir" || type == "empty") tar->push_back(DirEntry(name, type == "dir" ? 0750 : 0711));
        if (type == "dir") tar->push_back(FileEntry(name + "/" + text, text));
        if (type == "link") tar->push_back(SymlinkEntry(name, "target" + text));
        if (type == "dirlink") tar->push_back(SymlinkEntry(name, "."));
        if (type == "fifo") tar->push_back(FifoEntry(name));
        if (type == "hard") tar->push_back(LinkEntry(name, "target"));
        if (type == "char") tar->push_back(DeviceEntry(name, '3', 1, text == "old" ? 3 : 5));
      };
      make(from, "old", &lower);
      make(to, "new", &upper);
    }
  }
  upper.insert(upper.begin(), FileEntry("target", "new target"));
  SameLayersAsModel(t, {lower, upper});
}

LM_CASE(oci, the_same_layer_twice, .claim = "a layer applied over itself changes nothing",
        .source = "L9; L10; L50") {
  SameLayersAsModel(t, {EveryType("x", false), EveryType("x", false)});
}

LM_CASE(oci, an_empty_layer,
        .claim = "a layer without entries changes nothing, below other layers and as the first",
        .source = "L13; L50; peer-checks C95") {
  SameLayersAsModel(t, {{}, {DirEntry("d", 0700), FileEntry("d/f")}, {}, {FileEntry("d/g")}});
}

LM_CASE(oci, whiteouts_of_every_spelling,
        .claim = "a whiteout named ./d/.wh.a, /d/.wh.a or d//.wh.a hides d/a", .source = "L8; L18") {
  SameLayersAsModel(
      t, {{DirEntry("d"), FileEntry("d/a"), FileEntry("d/b"), FileEntry("d/c"), FileEntry("d/kept")},
          {FileEntry("./d/.wh.a", "", 0), FileEntry("/d/.wh.b", "", 0), FileEntry("d//.wh.c", "", 0)}});
}

LM_CASE(oci, root_entries_of_every_spelling, .claim = "an entry named ., ./ or / is the root",
        .source = "L8") {
  SameLayersAsModel(t, {{Owned(DirEntry(".", 0711), 1, 2), FileEntry("f")},
                        {Owned(DirEntry("./", 0750), 3, 4)},
                        {Owned(DirEntry("/", 0701), 5, 6), FileEntry("/g")}});
}

LM_CASE(oci, long_paths_and_targets,
        .claim =
            "paths and targets beyond the 100 and 256 bytes of old headers, and names of 255 bytes, are kept",
        .source = "L2; L8; peer-checks C82") {
  const std::string name(200, 'n'), most(240, 'm');
  Tar tar;
  std::string path;
  for (int depth = 0; depth < 5; ++depth) {
    path += (depth == 0 ? "" : "/") + name + std::to_string(depth);
    tar.push_back(DirEntry(path, 0750));
  }
  tar.push_back(FileEntry(path + "/f", "deep"));
  tar.push_back(FileEntry(most, "long name"));
  tar.push_back(SymlinkEntry("link", path + "/f"));
  tar.push_back(LinkEntry("hard", path + "/f"));
  SameLayersAsModel(t, {tar, {Whiteout(path, "f"), FileEntry(path + "/g")}});
}

LM_CASE(oci, names_of_any_bytes,
        .claim = "names with blanks, newlines, quotes, equal signs and bytes beyond UTF-8 are kept",
        .source = "L2; L8; peer-checks C85") {
  SameLayersAsModel(
      t, {{FileEntry("with blank"), FileEntry("new\nline"), FileEntry("quote\"'\\"), FileEntry("a=b=c"),
           FileEntry("caf\xc3\xa9"), FileEntry("\xff\xfe"), DirEntry("..."), FileEntry(".../x"),
           SymlinkEntry("odd link", "new\nline"), LinkEntry("hard\tlink", "a=b=c"), FileEntry("-rf")},
          {Whiteout("", "new\nline"), Whiteout("...", "x"), Whiteout("", "-rf")}});
}

LM_CASE(oci, names_that_almost_are_markers,
        .claim = "names such as .wh, .whx and x.wh.y are ordinary, also beside markers",
        .source = "L18; L25; L27") {
  SameLayersAsModel(t, {{DirEntry("d"), FileEntry("d/.wh"), FileEntry("d/.whx"), FileEntry("d/x.wh.y"),
                         FileEntry("d/wh."), FileEntry("d/a")},
                        {FileEntry("d/.wh", "new"), Whiteout("d", "a"), Whiteout("d", ".whx")},
                        {Opaque("d"), FileEntry("d/.WH.a"), FileEntry("d/..wh.b")}});
}

LM_CASE(
    oci, large_owners_and_extreme_times,
    .claim = "owners beyond 2097151, times before 1970 and after 2038, and a mode without any right are kept",
    .source = "L2; L16", .needs = {Capability::priv_chown}) {
  SameLayersAsModel(
      t, {{Owned(FileEntry("big", "x"), 4'000'000'000U, 3'000'000'000U),
           At(FileEntry("early"), -1'000'000'000LL), At(FileEntry("late"), 4'102'444'800'000'000'001LL),
           FileEntry("none", "x", 0), Owned(DirEntry("d", 0), 2'097'152, 2'097'153),
           Owned(SymlinkEntry("l", "x"), 2'097'152, 7)}});
}

LM_CASE(oci, files_of_many_sizes,
        .claim = "contents around the 512-byte blocks of an archive are kept byte for byte",
        .source = "L2; L50") {
  Tar tar;
  for (size_t size : {size_t{0}, size_t{1}, size_t{511}, size_t{512}, size_t{513}, size_t{1024},
                      size_t{10240}, size_t{65537}, size_t{300'000}}) {
    std::string data(size, '\0');
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 7 + size);
    tar.push_back(FileEntry(fmt::format("f{}", size), data));
  }
  SameLayersAsModel(t, {tar});
}

LM_CASE(
    oci, a_whiteout_leaves_its_directorys_time,
    .claim =
        "a directory that a layer does not list keeps its time although the layer hides and adds names in it",
    .source = "L14; L15; L32") {
  SameLayersAsModel(
      t, {{At(Owned(DirEntry("d", 0751), 7, 8), 1'111'111'111'000'000'001), FileEntry("d/a"),
           FileEntry("d/b"), At(DirEntry("d/s", 0700), 1'222'222'222'000'000'002), FileEntry("d/s/x")},
          {At(DirEntry("d", 0751), 1'333'333'333'000'000'003), Whiteout("d", "a"), Whiteout("d/s", "x")},
          {At(DirEntry("d/s", 0711), 1'444'444'444'000'000'004), FileEntry("d/s/new")}});
}

LM_CASE(oci, whiteouts_at_every_depth_of_one_tree,
        .claim = "a layer that hides a directory and names below it hides all of it, in any order",
        .source = "L18; L23") {
  const Tar base = {DirEntry("a"),        DirEntry("a/b"),    DirEntry("a/b/c"),
                    FileEntry("a/b/c/f"), FileEntry("a/b/g"), DirEntry("k"),
                    DirEntry("k/b"),      FileEntry("k/b/f"), FileEntry("k/stays")};
  SameLayersAsModel(t, {base,
                        {Whiteout("a/b/c", "f"), Whiteout("a/b", "c"), Whiteout("", "a"), Whiteout("k", "b"),
                         Whiteout("k/b", "f")}});
}

LM_CASE(oci, a_whiteout_and_every_type_of_its_name,
        .claim =
            "a layer that hides a name and brings it as file, directory, symlink or hard link shows the new "
            "alone",
        .source = "L19; L20; peer-checks C97; peer-checks C101") {
  const Tar base = {DirEntry("d"),        DirEntry("d/w"),    FileEntry("d/w/old"), DirEntry("d/x"),
                    FileEntry("d/x/old"), DirEntry("d/y"),    FileEntry("d/y/old"), DirEntry("d/z"),
                    FileEntry("d/z/old"), FileEntry("t", "t")};
  SameLayersAsModel(
      t, {base,
          {Whiteout("d", "w"), DirEntry("d/w", 0700), DirEntry("d/w/s"), FileEntry("d/w/s/new"),
           SymlinkEntry("d/x", "w"), Whiteout("d", "x"), Whiteout("d", "y"), FileEntry("d/y", "file"),
           FileEntry("n", "n"), LinkEntry("d/z", "n"), Whiteout("d", "z")}});
}

LM_CASE(oci, opaque_before_and_after_at_several_depths,
        .claim = "opaque markers of a directory and of one below it hide what lower layers brought to each",
        .source = "L27; peer-checks C97; fuse-overlayfs 425") {
  const Tar base = {DirEntry("a"),      FileEntry("a/old"),     DirEntry("a/b"), FileEntry("a/b/old"),
                    DirEntry("a/b/c"),  FileEntry("a/b/c/old"), DirEntry("z"),   FileEntry("z/old"),
                    DirEntry("z/deep"), FileEntry("z/deep/old")};
  SameLayersAsModel(t, {base,
                        {FileEntry("a/b/new"), Opaque("a/b"), DirEntry("a/b/c", 0700), FileEntry("a/b/c/new"),
                         Opaque("z/deep"), Opaque("z"), FileEntry("z/deep/new")},
                        {Opaque("a"), FileEntry("a/b/third")}});
}

LM_CASE(oci, opaque_twice,
        .claim = "an opaque marker that stands twice, before and after entries, means what one means",
        .source = "L27; L1") {
  SameLayersAsModel(t, {{DirEntry("d"), FileEntry("d/old"), FileEntry("d/both", "old")},
                        {Opaque("d"), FileEntry("d/both", "new"), FileEntry("d/new"), Opaque("d")}});
}

LM_CASE(oci, symlinks_after_an_opaque_marker,
        .claim = "symlinks in an opaque directory replace the lower symlinks of their names",
        .source = "peer bug 37; L27; containerd 6991; fuse-overlayfs 423") {
  SameLayersAsModel(
      t, {{DirEntry("dir"), SymlinkEntry("dir/link", "old"), SymlinkEntry("dir/other", "old"),
           DirEntry("dir/sub"), FileEntry("dir/sub/f")},
          {DirEntry("dir"), Opaque("dir"), SymlinkEntry("dir/link", "x"), SymlinkEntry("dir/sub", "link")}});
}

LM_CASE(
    oci, an_opaque_directory_holds_nothing_that_cannot_be_found,
    .claim =
        "every name that is listed in an opaque directory with whiteouts of its own layer can be looked up",
    .source = "L34; fuse-overlayfs 306; fuse-overlayfs 309; peer bug 40") {
  const std::string top = SameLayersAsModel(
      t, {{DirEntry("d"), FileEntry("d/a"), FileEntry("d/b"), DirEntry("d/s"), FileEntry("d/s/x")},
          {Opaque("d"), Whiteout("d", "a"), Whiteout("d", "never"), FileEntry("d/new"), Whiteout("d/s", "x")},
          {Whiteout("d", "new"), Whiteout("d", "b"), DirEntry("d/s")}});
  if (top.empty()) return;
  Result<MountedSnapshot> on_top = t.subject().Prepare("on.top", top);
  if (!t.Ok(on_top, "prepare")) return;
  Ops fs(on_top->root_fd());
  Result<Fd> directory = OpenAt(on_top->root_fd(), "d", O_RDONLY | O_DIRECTORY);
  if (!t.Ok(directory, "open")) return;
  Result<std::vector<std::string>> names = ListDir(directory->get());
  if (!t.Ok(names, "list")) return;
  for (const std::string& name : *names) t.Equal(0, fs.Stat("d/" + name), "errno of stat of d/" + name);
  t.Equal(0, fs.RemoveAll("d"), "errno of removing it all");
}

LM_CASE(oci, whiteouts_of_other_header_types,
        .claim = "whiteouts whose headers say symlink or fifo hide names as well",
        .source = "L26; smolvm 401") {
  SameLayersAsModel(t, {{DirEntry("d"), FileEntry("d/a"), FileEntry("d/b"), FileEntry("d/c")},
                        {SymlinkEntry("d/.wh.a", "x"), FifoEntry("d/.wh.b")}});
}

LM_CASE(oci, a_file_in_the_way_of_a_parent,
        .claim =
            "an entry below a name that is a file in a lower layer gets what the rules say: a directory, or "
            "a refusal",
        .source = "L11; L13; peer-checks C96; peer bug 52") {
  SameLayersAsModel(
      t, {{FileEntry("x", "file"), FileEntry("y", "file")},
          {DirEntry("x", 0700), FileEntry("x/below"), Whiteout("", "y"), FileEntry("y/below/more")}});
}

LM_CASE(oci, implied_parents_of_every_type_of_entry,
        .claim =
            "missing parents are made 0755 of root for directories, links, fifos and hard links as for files",
        .source = "L13; peer bug 52; moby 53257; apple/container 1797; peer-checks C91") {
  SameLayersAsModel(t, {{FileEntry("f"), DirEntry("a/b/c", 0700), SymlinkEntry("d/e/l", "x"),
                         FifoEntry("g/h/p"), LinkEntry("i/j/hard", "f"), Whiteout("k/l", "nothing")}});
}

LM_CASE(oci, implied_parents_keep_what_every_layer_gave,
        .claim = "parents that a layer does not list keep owner, mode and attributes through three layers",
        .source = "L14; peer bug 51; containers/storage 1069",
        .needs = {Capability::priv_chown, Capability::xattr_user}) {
  SameLayersAsModel(
      t, {{With(Owned(DirEntry("d", 01777), 3, 4), {"user.a", "1"}), Owned(DirEntry("d/e", 0710), 5, 6)},
          {FileEntry("d/e/f")},
          {FileEntry("d/e/f", "new"), FileEntry("d/g")},
          {Whiteout("d/e", "f")}});
}

LM_CASE(oci, links_to_links_and_chains,
        .claim =
            "hard links to a hard link's name, to a symlink to a file, and to a name given twice are what "
            "they name",
        .source = "L36; L37; peer-checks C87") {
  SameLayersAsModel(
      t, {{FileEntry("a", "content", 0640), LinkEntry("b", "a"), LinkEntry("c", "b"), SymlinkEntry("s", "a"),
           LinkEntry("t", "s"), LinkEntry("u", "t"), FifoEntry("p"), LinkEntry("q", "p")}});
}

LM_CASE(oci, hard_link_into_a_lower_directory_by_several_names,
        .claim = "names in a new layer that link to one lower file are one file with it",
        .source = "L38; L36; L40", .needs = {Capability::link_across_copy_up}) {
  SameLayersAsModel(t, {{DirEntry("lib"), FileEntry("lib/so.1.2", "elf")},
                        {LinkEntry("lib/so.1", "lib/so.1.2"), LinkEntry("lib/so", "lib/so.1.2")}});
}

LM_CASE(oci, hard_link_to_a_directory_is_refused, .claim = "a hard link to a directory is an error",
        .source = "L36; L37") {
  RefusedAsByModel(t, {{DirEntry("d"), FileEntry("d/f")}, {LinkEntry("again", "d")}});
}

LM_CASE(oci, hard_link_to_a_name_that_this_layer_hides,
        .claim =
            "a hard link to a lower file that its own layer also hides is that file, or a refusal, as the "
            "rules say",
        .source = "L38; L19") {
  SameLayersAsModel(
      t, {{FileEntry("old", "content"), FileEntry("f")}, {LinkEntry("new", "old"), Whiteout("", "old")}});
}

LM_CASE(oci, breakouts_by_dots,
        .claim = "entries that climb out with dots, in the middle or by a symlink, are refused",
        .source = "L51; L8; peer bug 38; CVE-2021-29136; peer-checks C86") {
  RefusedAsByModel(t, {{DirEntry("d")}, {FileEntry("d/../../x")}});
}

LM_CASE(oci, breakouts_by_whiteouts, .claim = "a whiteout that climbs out of the root is refused",
        .source = "L51; L22; L24; peer-checks C89") {
  RefusedAsByModel(t, {{DirEntry("d"), FileEntry("d/f")}, {FileEntry("../.wh.f", "", 0)}});
}

LM_CASE(oci, the_root_stays_a_directory, .claim = "a symlink or file entry for the root itself is refused",
        .source = "L51; L8; CVE-2021-29136; peer bug 38") {
  RefusedAsByModel(t, {{DirEntry("d")}, {SymlinkEntry(".", "/etc")}});
}

LM_CASE(
    oci, symlinked_parents_are_followed_inside,
    .claim =
        "entries below symlinks to directories, relative, absolute and chained, land in the directory meant",
    .source = "L24; L51; peer-checks C86; peer-checks C103") {
  SameLayersAsModel(t, {{DirEntry("real"), DirEntry("real/sub"), SymlinkEntry("rel", "real"),
                         SymlinkEntry("abs", "/real"), SymlinkEntry("chain", "rel"),
                         SymlinkEntry("real/up", "../real/sub"), SymlinkEntry("far", "../../../../real")},
                        {FileEntry("rel/a"), FileEntry("abs/b"), FileEntry("chain/c"), FileEntry("real/up/d"),
                         FileEntry("far/e"), Whiteout("chain", "none")}});
}

LM_CASE(
    oci, attributes_with_any_value,
    .claim = "attributes with empty, binary and long values, and names with dots, are applied byte for byte",
    .source = "L5; L43; peer-checks C90", .needs = {Capability::xattr_user}) {
  SameLayersAsModel(
      t, {{With(With(FileEntry("f"), {"user.empty", ""}), {"user.bin", std::string("a\0=\n\xff", 5)}),
           With(DirEntry("d"), {"user.with.dots.in.it", std::string(1500, 'v')}),
           With(FileEntry("g"), {"user.only", "g"}), LinkEntry("h", "g")}});
}

}  // namespace layermark
