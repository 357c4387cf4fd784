// Area oci: layer tars unpacked on the driver, as the OCI image specification's layer page says: the form of
// an archive, and entries over what is there. Whiteouts are in oci_whiteout.cc, links and escapes in
// oci_links.cc.
#include "conformance/support/oci_case.h"

namespace layermark {

LM_CASE(
    oci, user_xattrs_are_applied,
    .claim =
        "PAX records SCHILY.xattr.NAME become extended attributes of files and directories, byte for byte",
    .source = "L5", .needs = {Capability::xattr_user}) {
  const Xattr binary{"user.binary", std::string("a\0\n=b", 5)};
  SameLayersAsModel(t, {{With(With(FileEntry("f"), {"user.text", "value"}), binary),
                         With(DirEntry("d"), {"user.empty", ""})}});
}

LM_CASE(oci, global_header_is_ignored, .claim = "a PAX global header changes nothing of the entries after it",
        .source = "L6") {
  TarEntry global;
  global.path = "pax_global_header";
  global.typeflag = 'g';
  global.data = "19 comment=a-commit\n";
  SameLayersAsModel(t, {{global, FileEntry("f", "content"), DirEntry("d")}});
}

LM_CASE(oci, device_numbers_out_of_range_are_refused,
        .claim = "a header whose device major number the kernel cannot hold is an error, not another device",
        .source = "L7; containerd 13792", .needs = {Capability::priv_mknod}) {
  RefusedAsByModel(t, {{FileEntry("f")}, {DeviceEntry("null", '3', 5000, 3)}});
}

LM_CASE(oci, spellings_of_a_path_are_equal, .claim = "./name, /name and name/ name the same object",
        .source = "L8") {
  SameLayersAsModel(
      t, {{DirEntry("./a/"), FileEntry("/a/absolute"), FileEntry("./a/dotted"), DirEntry("b//c/./"),
           FileEntry("b/c/../up")},
          {FileEntry("a/absolute", "replaced"), FileEntry("/a/dotted", "replaced"), DirEntry("b/c", 0700)}});
}

LM_CASE(
    oci, root_entry_gives_the_root_its_attributes,
    .claim =
        "an entry for ./ sets mode, owner and time of the snapshot's root; a layer without one keeps them",
    .source = "L8; containerd 2485; nydus 139") {
  SameLayersAsModel(t, {{At(Owned(DirEntry("./", 01711), 7, 8), 1'234'567'890'000'000'000), FileEntry("f")},
                        {FileEntry("g"), DirEntry("d")}});
}

LM_CASE(oci, directory_over_directory_keeps_children,
        .claim = "a directory entry over a directory replaces its attributes and keeps its children",
        .source = "L9") {
  SameLayersAsModel(t, {{Owned(DirEntry("d", 0755), 1, 2), FileEntry("d/f", "kept"), DirEntry("d/sub"),
                         FileEntry("d/sub/g")},
                        {At(Owned(DirEntry("d", 02770), 3, 4), 1'111'111'111'000'000'000)}});
}

LM_CASE(oci, directory_over_directory_replaces_xattrs,
        .claim = "a directory entry over a directory leaves no extended attribute of the old one",
        .source = "L9", .needs = {Capability::xattr_user}) {
  SameLayersAsModel(t, {{With(With(DirEntry("d"), {"user.old", "1"}), {"user.both", "1"}), FileEntry("d/f")},
                        {With(With(DirEntry("d"), {"user.new", "2"}), {"user.both", "2"})}});
}

LM_CASE(oci, file_over_file_has_nothing_of_the_old,
        .claim = "a file entry over a file replaces content, mode, owner, time and attributes",
        .source = "L10", .needs = {Capability::xattr_user}) {
  SameLayersAsModel(t, {{With(Owned(FileEntry("f", "a long old content", 0600), 5, 6), {"user.old", "1"})},
                        {At(FileEntry("f", "new", 0755), 1'111'111'111'123'456'789)}});
}

LM_CASE(oci, file_over_one_name_leaves_the_other,
        .claim = "an entry over one name of a hard-linked lower file never writes through the shared inode",
        .source = "L10; L39; containers-storage 2357") {
  SameLayersAsModel(
      t, {{FileEntry("a", "shared"), LinkEntry("b", "a"), LinkEntry("c", "a")}, {FileEntry("b", "own")}});
}

LM_CASE(oci, file_over_symlink_replaces_the_link,
        .claim = "a file entry over a symlink replaces the symlink and does not write to its target",
        .source = "L10; L17") {
  SameLayersAsModel(t, {{FileEntry("target", "kept", 0640), SymlinkEntry("link", "target")},
                        {FileEntry("link", "file now", 0777)}});
}

LM_CASE(oci, directory_over_file, .claim = "a directory entry over a file replaces the file",
        .source = "L11") {
  SameLayersAsModel(
      t, {{FileEntry("x", "file"), FifoEntry("y")}, {DirEntry("x", 0711), FileEntry("x/in"), DirEntry("y")}});
}

LM_CASE(oci, file_over_directory,
        .claim = "a file or symlink entry over a directory removes the directory with everything below it",
        .source = "L11") {
  SameLayersAsModel(t, {{DirEntry("d"), FileEntry("d/f"), DirEntry("d/sub"), FileEntry("d/sub/g"),
                         DirEntry("e"), FileEntry("e/f")},
                        {FileEntry("d", "file now"), SymlinkEntry("e", "d")}});
}

LM_CASE(
    oci, directory_over_symlink_to_directory,
    .claim = "a directory entry over a symlink to a directory replaces the symlink; the target is untouched",
    .source = "L12") {
  SameLayersAsModel(t, {{DirEntry("real", 0700), FileEntry("real/f"), SymlinkEntry("link", "real")},
                        {DirEntry("link", 0755), FileEntry("link/new")}});
}

LM_CASE(oci, implied_parents_are_made,
        .claim =
            "parents without an entry are made as 0755 of root, and an entry that comes later gives its "
            "attributes",
        .source = "L13; containerd 3017; moby 44106") {
  SameLayersAsModel(t, {{FileEntry("a/b/c/f"), FileEntry("x/y/f"), Owned(DirEntry("x", 0700), 9, 9)}});
}

LM_CASE(
    oci, implied_parents_keep_the_lower_directory,
    .claim =
        "an entry below a lower directory that the layer does not list leaves that directory's attributes",
    .source = "L14; containerd 3528") {
  SameLayersAsModel(t, {{Owned(DirEntry("d", 02750), 3, 4), Owned(DirEntry("d/sub", 0700), 5, 6)},
                        {FileEntry("d/sub/new")}});
}

LM_CASE(
    oci, directory_times_are_applied_last,
    .claim =
        "a directory has its header's time although entries below it follow, in this layer or out of order",
    .source = "L15; moby 35537") {
  const int64_t old = 1'000'000'001'000'000'007;
  SameLayersAsModel(t, {{At(DirEntry("d"), old), FileEntry("d/f"), At(DirEntry("d/sub"), old + 1),
                         FileEntry("d/sub/g"), FileEntry("late/f"), At(DirEntry("late"), old + 2)},
                        {At(DirEntry("d"), old + 3), Whiteout("d", "f"), FileEntry("d/sub/h"),
                         At(DirEntry("d/sub"), old + 4)}});
}

LM_CASE(oci, set_id_bits_survive_the_owner,
        .claim = "set-uid, set-gid and sticky bits of an entry that belongs to another user are kept",
        .source = "L16; containers-storage 216", .needs = {Capability::priv_chown}) {
  SameLayersAsModel(t,
                    {{Owned(FileEntry("su", "x", 04755), 12, 34), Owned(FileEntry("sg", "x", 02755), 12, 34),
                      Owned(DirEntry("shared", 03775), 12, 34)},
                     {Owned(FileEntry("su", "y", 06711), 56, 78)}});
}

LM_CASE(oci, capabilities_survive_the_owner,
        .claim = "security.capability of an entry that belongs to another user is kept",
        .source = "L5; L16; containers-storage 217",
        .needs = {Capability::priv_chown, Capability::xattr_security}) {
  SameLayersAsModel(t, {{With(Owned(FileEntry("ping", "x", 0755), 12, 34), CapabilityXattr(1U << 13))},
                        {With(Owned(FileEntry("ping", "y", 04755), 56, 78), CapabilityXattr(1U << 10))}});
}

LM_CASE(oci, times_are_kept_to_the_nanosecond,
        .claim = "modification times with nanoseconds, and of symlinks and fifos, are those of the header",
        .source = "L2; L45") {
  const int64_t time = 1'333'333'333'123'456'789;
  SameLayersAsModel(t, {{At(FileEntry("f"), time), At(SymlinkEntry("l", "f"), time + 1),
                         At(FifoEntry("p"), time + 2), At(DirEntry("d"), time + 3)}});
}

LM_CASE(
    oci, devices_and_fifos_are_made,
    .claim =
        "character and block devices keep their numbers, fifos are made, and each replaces what was there",
    .source = "L41; moby 36756", .needs = {Capability::priv_mknod}) {
  SameLayersAsModel(
      t, {{DeviceEntry("c", '3', 1, 3), DeviceEntry("b", '4', 259, 65537), FifoEntry("p"), FileEntry("f")},
          {DeviceEntry("f", '3', 1, 5), FileEntry("c", "file now"), DirEntry("p")}});
}

}  // namespace layermark
