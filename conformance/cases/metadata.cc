// Area metadata, xattr and acl: attributes through layers.
#include <fmt/core.h>
#include <sys/xattr.h>

#include <array>

#include "conformance/support/case.h"

namespace layermark {
namespace {

// A POSIX ACL in the kernel's xattr form: version 2, then entries of tag, permissions, id (little endian).
std::string AclValue(std::initializer_list<std::array<uint32_t, 3>> entries) {
  std::string value("\x02\x00\x00\x00", 4);
  for (const auto& [tag, perm, id] : entries) {
    for (uint32_t v : {tag, perm}) {
      value.push_back(static_cast<char>(v & 0xff));
      value.push_back(static_cast<char>(v >> 8));
    }
    for (int shift = 0; shift < 32; shift += 8) value.push_back(static_cast<char>((id >> shift) & 0xff));
  }
  return value;
}

constexpr uint32_t kUserObj = 1, kUser = 2, kGroupObj = 4, kMask = 16, kOther = 32, kNoId = 0xffffffff;

std::string UserAcl(uint32_t uid, uint32_t perm) {
  return AclValue({{kUserObj, 6, kNoId},
                   {kUser, perm, uid},
                   {kGroupObj, 4, kNoId},
                   {kMask, 7, kNoId},
                   {kOther, 0, kNoId}});
}

}  // namespace

LM_CASE(metadata, modes_of_every_kind,
        .claim = "all twelve permission bits of files and directories pass through layers",
        .source = "L16; um:chmod") {
  Layer layer;
  for (mode_t mode : {0000, 0001, 0777, 01777, 02755, 04755, 06711, 07777}) {
    layer.File(fmt::format("f{:04o}", mode), "x", mode).Dir(fmt::format("d{:04o}", mode), mode);
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(metadata, owners_of_every_kind,
        .claim = "owner and group of files, directories, symlinks and fifos pass through layers",
        .source = "properties 91; L16; ovl/020") {
  t.Given({Layer()
               .File("f", "x")
               .Chown("f", 1, 2)
               .Dir("d")
               .Chown("d", 3, 4)
               .Symlink("l", "f")
               .Chown("l", 65534, 65533)
               .Fifo("p")
               .Chown("p", 4294967294U, 7),
           Layer().Chown("d", 5, 6)});
  t.ThenStackIsRight();
}

LM_CASE(metadata, times_of_every_kind,
        .claim = "nanosecond mtimes of files, directories, symlinks and fifos pass through layers",
        .source = "properties 84; L15; L45") {
  t.Given({Layer()
               .File("f", "x")
               .Dir("d")
               .File("d/g", "y")
               .Symlink("l", "f")
               .Fifo("p")
               .Times("f", 1, 1'234'567'890'123'456'789)
               .Times("l", 1, 987'654'321'000'000'001)
               .Times("p", 1, 999'999'999)
               .Times("d", 1, 1'111'111'111'000'000'007)});
  t.ThenStackIsRight();
}

LM_CASE(metadata, times_before_1970_and_after_2038,
        .claim = "mtimes before 1970 and after 2038 pass through layers",
        .source = "properties 84; generic/258") {
  t.Given({Layer()
               .File("old", "x")
               .Times("old", -1'000'000'000, -315'619'200'000'000'000)
               .File("new", "y")
               .Times("new", 4'102'444'800'000'000'000, 4'102'444'800'123'456'789)});
  t.ThenStackIsRight();
}

LM_CASE(metadata, new_objects_belong_to_their_maker,
        .claim = "what a user creates in a snapshot belongs to that user",
        .source = "properties 91; ovl/008") {
  t.Given({Layer().Dir("shared", 01777).Dir("sgid").Chown("sgid", 0, 500).Chmod("sgid", 02777)});
  t.When([](Ops& fs) {
    fs.AsUser(1000, 1001, [&] {
      fs.Create("shared/f", "x");
      fs.Mkdir("shared/d");
      fs.Symlink("f", "shared/l");
      fs.Create("sgid/f", "x");
      fs.Mkdir("sgid/d");
    });
    for (const char* path : {"shared/f", "shared/d", "shared/l", "sgid/f", "sgid/d"}) fs.Stat(path);
  });
}

LM_CASE(metadata, permissions_are_checked_on_lower_objects,
        .claim = "a user without the right is refused on lower files, before and after copy-up",
        .source = "properties 126; um:impermissible; ovl/004") {
  t.Given({Layer()
               .File("secret", "x", 0600)
               .File("readable", "x", 0644)
               .Dir("closed", 0700)
               .File("closed/f", "x")
               .Dir("sticky", 01777)
               .File("sticky/root", "x")});
  t.When([](Ops& fs) {
    for (int round = 0; round < 2; ++round) {
      fs.AsUser(1000, 1000, [&] {
        fs.Read("secret");
        fs.Read("readable");
        fs.Append("readable", "y");
        fs.Chmod("readable", 0666);
        fs.Stat("closed/f");
        fs.Create("new", "x");
        fs.Unlink("sticky/root");
        fs.Rename("sticky/root", "sticky/mine");
        fs.Truncate("readable", 0);
      });
      fs.Append("secret", "z");
      fs.Append("readable", "z");
    }
  });
}

LM_CASE(metadata, an_owner_may_change_what_is_his,
        .claim = "the owner of a lower file may write, chmod, and remove it in his directory",
        .source = "properties 126; pjd:chmod") {
  t.Given({Layer().Dir("home").Chown("home", 1000, 1000).File("home/f", "x").Chown("home/f", 1000, 1000)});
  t.When([](Ops& fs) {
    fs.AsUser(1000, 1000, [&] {
      fs.Append("home/f", "y");
      fs.Chmod("home/f", 0600);
      fs.Create("home/g", "g");
      fs.Rename("home/f", "home/h");
      fs.Unlink("home/g");
    });
    fs.List("home");
    fs.Stat("home/h");
  });
}

LM_CASE(metadata, set_group_id_directory_keeps_the_bit,
        .claim = "a lower set-group-ID directory keeps the bit when something is made in it",
        .source = "properties 90; L16; no peer") {
  t.Given({Layer().Dir("d", 02775).Chown("d", 0, 500).File("d/f", "x")});
  t.When([](Ops& fs) {
    fs.Create("d/new", "x");
    fs.Stat("d");
  });
}

LM_CASE(metadata, directory_mtime_changes_with_its_entries,
        .claim = "creating and removing entries updates the mtime of a lower directory, reading does not",
        .source = "properties 86; pjd:mkdir") {
  t.Given({Layer().Dir("a").Dir("b").Dir("c").File("c/f", "x")});
  t.When([](Ops& fs) {
    fs.Create("a/new", "x");
    fs.List("b");
    fs.Unlink("c/f");
    for (const char* path : {"a", "b", "c"}) fs.StatTimes(path);
  });
}

LM_CASE(xattr, user_attributes_pass_through_layers,
        .claim = "user.* attributes of files and directories pass through layers and merge by topmost object",
        .source = "properties 93; ovl/011", .needs = {Capability::xattr_user}) {
  t.Given({Layer()
               .File("f", "x")
               .SetXattr("f", "user.a", "1")
               .Dir("d")
               .SetXattr("d", "user.b", std::string("\0\xff\n", 3)),
           Layer().SetXattr("f", "user.c", "2").RemoveXattr("f", "user.a")});
  t.ThenStackIsRight();
}

LM_CASE(xattr, trusted_attributes_pass_through_layers,
        .claim = "trusted.* attributes pass through layers, symlinks' too", .source = "properties 93",
        .needs = {Capability::xattr_trusted, Capability::priv_trusted_xattr}) {
  t.Given({Layer()
               .File("f", "x")
               .SetXattr("f", "trusted.a", "1")
               .Symlink("l", "f")
               .SetXattr("l", "trusted.l", "2")
               .Fifo("p")
               .SetXattr("p", "trusted.p", "3")});
  t.ThenStackIsRight();
}

LM_CASE(xattr, file_capabilities_pass_through_layers, .claim = "security.capability passes through layers",
        .source = "L16; L43; containers/storage 217", .needs = {Capability::xattr_security}) {
  const std::string cap("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                        20);
  t.Given({Layer().File("ping", "program", 0755).SetXattr("ping", "security.capability", cap),
           Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(xattr, flags_and_errors,
        .claim = "XATTR_CREATE, XATTR_REPLACE and missing names answer EEXIST and ENODATA on lower files",
        .source = "properties 93; pjd; ovl/011", .needs = {Capability::xattr_user}) {
  t.Given({Layer().File("f", "x").SetXattr("f", "user.there", "1")});
  t.When([](Ops& fs) {
    fs.SetXattr("f", "user.there", "2", XATTR_CREATE);
    fs.SetXattr("f", "user.none", "2", XATTR_REPLACE);
    fs.GetXattr("f", "user.none");
    fs.RemoveXattr("f", "user.none");
    fs.SetXattr("f", "user.there", "3", XATTR_REPLACE);
    fs.SetXattr("f", "user.new", "4", XATTR_CREATE);
    fs.ListXattr("f");
    fs.GetXattr("f", "user.there");
  });
}

LM_CASE(xattr, removed_attribute_stays_removed,
        .claim = "an attribute removed from a lower file does not come back after commit",
        .source = "properties 93", .needs = {Capability::xattr_user}) {
  t.Given({Layer()
               .File("f", "x")
               .SetXattr("f", "user.a", "1")
               .SetXattr("f", "user.b", "2")
               .Dir("d")
               .SetXattr("d", "user.c", "3")});
  t.When([](Ops& fs) {
    fs.RemoveXattr("f", "user.a");
    fs.RemoveXattr("d", "user.c");
    fs.ListXattr("f");
    fs.ListXattr("d");
  });
}

LM_CASE(xattr, not_on_special_files, .claim = "user.* on a symlink or fifo is refused as on any file system",
        .source = "xattr(7); properties 93", .needs = {Capability::xattr_user}) {
  t.Given({Layer().Symlink("l", "x").Fifo("p")});
  t.When([](Ops& fs) {
    fs.SetXattr("l", "user.a", "1");
    fs.SetXattr("p", "user.a", "1");
    fs.ListXattr("p");
  });
}

LM_CASE(acl, access_lists_pass_through_layers, .claim = "access and default ACLs of lower objects are kept",
        .source = "properties 95; ovl/023", .needs = {Capability::acl}) {
  t.Given({Layer()
               .File("f", "x", 0640)
               .SetXattr("f", "system.posix_acl_access", UserAcl(1000, 4))
               .Dir("d", 0750)
               .SetXattr("d", "system.posix_acl_default", UserAcl(1000, 6)),
           Layer().File("g", "y")});
  t.ThenStackIsRight();
}

LM_CASE(acl, access_lists_are_enforced,
        .claim = "an ACL entry of a lower file gives just the access that it names",
        .source = "properties 95; ovl/025", .needs = {Capability::acl}) {
  t.Given({Layer().File("f", "x", 0640).SetXattr("f", "system.posix_acl_access", UserAcl(1000, 4))});
  t.When([](Ops& fs) {
    fs.AsUser(1000, 1000, [&] {
      fs.Read("f");
      fs.Append("f", "y");
    });
    fs.AsUser(1001, 1001, [&] { fs.Read("f"); });
    fs.Append("f", "z");
    fs.AsUser(1000, 1000, [&] { fs.Read("f"); });
    fs.AsUser(1001, 1001, [&] { fs.Read("f"); });
  });
}

LM_CASE(acl, default_lists_are_inherited,
        .claim = "a lower directory's default ACL is inherited by what is made in it",
        .source = "properties 95; ovl/023; fuse-overlayfs issue 363", .needs = {Capability::acl}) {
  t.Given({Layer().Dir("d", 0770).SetXattr("d", "system.posix_acl_default", UserAcl(1000, 6))});
  t.When([](Ops& fs) {
    fs.Create("d/f", "x", 0666);
    fs.Mkdir("d/sub");
    fs.GetXattr("d/f", "system.posix_acl_access");
    fs.GetXattr("d/sub", "system.posix_acl_default");
  });
}

LM_CASE(acl, chmod_changes_the_mask, .claim = "chmod of a lower file with an ACL changes its mask",
        .source = "properties 95; acl(5)", .needs = {Capability::acl}) {
  t.Given({Layer().File("f", "x", 0660).SetXattr("f", "system.posix_acl_access", UserAcl(1000, 6))});
  t.When([](Ops& fs) {
    fs.Chmod("f", 0640);
    fs.GetXattr("f", "system.posix_acl_access");
    fs.AsUser(1000, 1000, [&] { fs.Append("f", "y"); });
  });
}

LM_CASE(metadata, the_mounters_rights_are_not_the_callers,
        .claim =
            "a user without privilege gets nothing through the mounter's: no foreign file, device, owner or "
            "trusted attribute",
        .source = "properties 127; properties 126; ovl/020; um:impermissible") {
  t.Given({Layer()
               .Dir("closed", 0700)
               .File("closed/f", "secret")
               .File("mine", "m", 0600)
               .Chown("mine", 1000, 1000)
               .File("secret", "s", 0600)
               .File("ro", "r", 0444)
               .Dir("open", 0777)
               .Dir("sticky", 01777)
               .File("sticky/other", "o", 0666)});
  t.When([](Ops& fs) {
    fs.AsUser(1000, 1000, [&] {
      fs.Read("secret");
      fs.Read("closed/f");
      fs.List("closed");
      fs.Append("ro", "x");
      fs.Chmod("secret", 0666);
      fs.Chown("mine", 0, 0);
      fs.Chown("mine", 1001, -1);
      fs.Create("new", "x");
      fs.Create("open/new", "x");
      fs.Mknod("open/dev", S_IFCHR | 0600, 0x103);
      fs.Unlink("sticky/other");
      fs.Rename("sticky/other", "sticky/stolen");
      fs.Append("sticky/other", "x");
      fs.Append("mine", "x");
      fs.Utimens("ro", 1, 2);
      fs.SetXattr("open/new", "trusted.x", "1");
      fs.Unlink("ro");
      fs.Link("secret", "open/link");
    });
    fs.Stat("open/new");
    fs.Stat("mine");
  });
}

}  // namespace layermark
