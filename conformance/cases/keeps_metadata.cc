// Area keeps: what a layer brought is what every later snapshot shows, over the whole range of each
// attribute. The other areas ask about one value; these cases ask about the values at which implementations
// round, cut and wrap. Each layer is kept through a commit, a copy or stack, and a second commit on top.
#include <fmt/core.h>
#include <sys/sysmacros.h>

#include <array>
#include <bit>

#include "conformance/support/case.h"

namespace layermark {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// One object of each type that can be made anywhere, devices apart, with names that begin with `prefix`.
void OneOfEach(Layer& layer, const std::string& prefix) {
  layer.File(prefix + "file", "x").Dir(prefix + "dir").Symlink(prefix + "link", "target");
  layer.Fifo(prefix + "fifo").Mknod(prefix + "socket", S_IFSOCK | 0644);
}

constexpr std::array<const char*, 5> kTypes = {"file", "dir", "link", "fifo", "socket"};

std::string Acl(std::initializer_list<std::array<uint32_t, 3>> entries) {
  std::string value("\x02\x00\x00\x00", 4);
  for (const auto& [tag, perm, id] : entries) {
    for (const uint32_t half : {tag, perm}) {
      value.push_back(static_cast<char>(half & 0xff));
      value.push_back(static_cast<char>(half >> 8));
    }
    for (int shift = 0; shift < 32; shift += 8) value.push_back(static_cast<char>((id >> shift) & 0xff));
  }
  return value;
}

constexpr uint32_t kNobody = 0xffffffff;

}  // namespace

LM_CASE(keeps, modes_with_every_bit,
        .claim = "every permission bit of files and directories is kept, alone and where it alone is missing",
        .source = "rule 33; L16; properties 126; C18") {
  Layer layer;
  for (mode_t mode = 0; mode <= 07777; ++mode) {
    const int bits = std::popcount(mode);
    const bool wide = (mode & 07000) != 0 && ((mode & 0777) == 0755 || (mode & 0777) == 0644);
    if (bits > 1 && bits < 11 && !wide) continue;
    layer.File(fmt::format("f{:04o}", mode), "x", mode).Dir(fmt::format("d{:04o}", mode), mode);
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, modes_of_special_files, .claim = "fifos and sockets keep all twelve permission bits",
        .source = "properties 97; L16; L41") {
  Layer layer;
  for (const mode_t mode : {0000, 0001, 0111, 0222, 0444, 0604, 0755, 01777, 02755, 04711, 07777}) {
    layer.Fifo(fmt::format("p{:04o}", mode), mode);
    layer.Mknod(fmt::format("s{:04o}", mode), S_IFSOCK | mode);
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, modes_of_set_id_files_of_users,
        .claim = "set-ID bits of files that belong to users are kept, whoever may execute them",
        .source = "L16; containers/storage 216") {
  Layer layer;
  for (const mode_t mode : {02644, 02755, 04644, 04755, 06000, 06711, 07777}) {
    for (const uid_t id : {1U, 1000U, 100000U}) {
      const std::string name = fmt::format("f{:04o}.{}", mode, id);
      layer.File(name, "x").Chown(name, id, id + 1).Chmod(name, mode);
      layer.Dir(name + ".d").Chown(name + ".d", id, id + 1).Chmod(name + ".d", mode);
    }
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, owners_of_32_bits,
        .claim = "user and group are kept with all their 32 bits, for objects of every type",
        .source = "properties 91; L2; L16") {
  Layer layer;
  constexpr std::array<uid_t, 10> kIds = {1,     255,        256,        32768,      65535,
                                          65536, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe};
  for (size_t i = 0; i < kIds.size(); ++i) {
    const std::string prefix = fmt::format("{}.", kIds[i]);
    OneOfEach(layer, prefix);
    for (const char* type : kTypes) layer.Chown(prefix + type, kIds[i], kIds[kIds.size() - 1 - i]);
    layer.File(prefix + "user", "x").Chown(prefix + "user", kIds[i], 0);
    layer.File(prefix + "group", "x").Chown(prefix + "group", 0, kIds[i]);
    layer.Dir(prefix + "group.d").Chown(prefix + "group.d", 0, kIds[i]);
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, times_of_every_kind_to_the_nanosecond,
        .claim = "mtimes of objects of every type are kept to the nanosecond, near 1901, 1970, 2038 and 2106",
        .source = "properties 84; L15; L45; generic/258") {
  Layer layer;
  constexpr std::array<int64_t, 9> kSeconds = {
      -0x7fffffff, -1, 0, 1, 1'000'000'007, 0x7fffffff, 0x80000000L, 0xffffffffL, 0x100000001L};
  constexpr std::array<int64_t, 6> kNanoseconds = {0, 1, 999, 1'001, 500'000'000, 999'999'999};
  for (size_t i = 0; i < kSeconds.size(); ++i) {
    for (size_t j = 0; j < kNanoseconds.size(); ++j) {
      const std::string prefix = fmt::format("{}.{}.", i, j);
      const int64_t time = kSeconds[i] * kSecond + kNanoseconds[j];
      layer.File(prefix + "file", "x").Times(prefix + "file", time, time);
      if (j % 3 != 1) continue;
      OneOfEach(layer, prefix + "x.");
      for (const char* type : kTypes) layer.Times(prefix + "x." + type, time, time);
    }
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, attributes_of_every_length,
        .claim = "user attributes of files and directories are kept whatever the lengths of name and value",
        .source = "properties 93; fuse-overlayfs issue 284", .needs = {Capability::xattr_user}) {
  Layer layer;
  for (const size_t bytes : {0, 1, 2, 127, 128, 255, 256, 257, 1000, 1024, 1025, 2001, 3000}) {
    std::string value(bytes, 'v');
    if (bytes > 0) value.back() = 'e';
    for (const std::string& path : {fmt::format("f{}", bytes), fmt::format("d{}", bytes)}) {
      path[0] == 'f' ? layer.File(path, "x") : layer.Dir(path);
      layer.SetXattr(path, "user.value", value);
    }
  }
  for (const size_t bytes : {1, 16, 100, 200, 201, 250}) {
    const std::string path = fmt::format("n{}", bytes);
    layer.File(path, "x").SetXattr(path, "user." + std::string(bytes, 'n'), "value");
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, attributes_with_any_bytes,
        .claim = "an attribute's value may hold any bytes, its name any but zero; many of one file are kept",
        .source = "properties 93; C65", .needs = {Capability::xattr_user}) {
  Layer layer;
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  layer.File("all", "x").SetXattr("all", "user.all", all);
  layer.File("zero", "x").SetXattr("zero", "user.first", std::string("\0x", 2));
  layer.SetXattr("zero", "user.middle", std::string("x\0y", 3))
      .SetXattr("zero", "user.last", std::string("x\0", 2));
  layer.SetXattr("zero", "user.only", std::string(1, '\0'));
  layer.File("text", "x").SetXattr("text", "user.newline", "a\nb\n").SetXattr("text", "user.blank", " a ");
  layer.SetXattr("text", "user.hex", "0x41").SetXattr("text", "user.quote", "\"a\"");
  layer.File("names", "x").SetXattr("names", "user.a.b.c", "1").SetXattr("names", "user.a=b", "2");
  layer.SetXattr("names", "user. ", "3")
      .SetXattr("names", "user.\xc3\xa9", "4")
      .SetXattr("names", "user.A", "5");
  layer.SetXattr("names", "user.a", "6").SetXattr("names", "user.new\nline", "7");
  layer.File("many", "x").Dir("many.d");
  for (int i = 0; i < 40; ++i) {
    layer.SetXattr("many", fmt::format("user.number{}", i), fmt::format("{}", i));
    layer.SetXattr("many.d", fmt::format("user.number{}", i), fmt::format("{}", i));
  }
  for (const mode_t mode : {0000, 0200, 0111, 04755}) {
    const std::string path = fmt::format("m{:04o}", mode);
    layer.File(path, "", mode).SetXattr(path, "user.mode", "1");
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, trusted_attributes_of_every_type,
        .claim = "trusted attributes are kept on objects of every type, empty values too",
        .source = "properties 93; C65",
        .needs = {Capability::xattr_trusted, Capability::priv_trusted_xattr}) {
  Layer layer;
  OneOfEach(layer, "");
  for (const char* type : kTypes) {
    layer.SetXattr(type, "trusted.empty", "").SetXattr(type, "trusted.zero", std::string("\0a\0", 3));
    layer.SetXattr(type, "trusted.long", std::string(1500, 'l'));
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, security_attributes_of_every_owner,
        .claim =
            "file capabilities are kept on files of root and of users, with and without set-ID bits, and so "
            "are other security attributes",
        .source = "properties 89; L16; L43; containers/storage 742", .needs = {Capability::xattr_security}) {
  const std::string capability(
      "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  Layer layer;
  for (const uid_t id : {0U, 1000U, 100000U}) {
    for (const mode_t mode : {0644, 0755, 02755, 04711}) {
      const std::string path = fmt::format("{}.{:04o}", id, mode);
      layer.File(path, "program").Chown(path, id, id).Chmod(path, mode);
      layer.SetXattr(path, "security.capability", capability);
    }
  }
  layer.File("other", "x").SetXattr("other", "security.layermark", "label").Dir("dir");
  layer.SetXattr("dir", "security.layermark", "label");
  t.Given({layer, Layer().File("another", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, access_lists_of_every_shape,
        .claim = "access and default lists are kept apart, on files and directories, short and long",
        .source = "properties 95; properties 93", .needs = {Capability::acl}) {
  const std::string small =
      Acl({{1, 6, kNobody}, {2, 5, 1000}, {4, 4, kNobody}, {16, 5, kNobody}, {32, 0, kNobody}});
  const std::string groups =
      Acl({{1, 7, kNobody}, {4, 1, kNobody}, {8, 6, 100}, {8, 3, 70000}, {16, 7, kNobody}, {32, 4, kNobody}});
  const std::string plain_default = Acl({{1, 7, kNobody}, {4, 5, kNobody}, {32, 1, kNobody}});
  const std::string access = "system.posix_acl_access", inherited = "system.posix_acl_default";
  Layer layer;
  layer.File("f", "x", 0640).SetXattr("f", access, small).File("g", "x", 0640).SetXattr("g", access, groups);
  layer.Fifo("p", 0640).SetXattr("p", access, small);
  layer.Dir("a", 0750).SetXattr("a", access, small).Dir("d", 0750).SetXattr("d", inherited, groups);
  layer.Dir("b", 0750).SetXattr("b", access, groups).SetXattr("b", inherited, small);
  layer.Dir("s", 0750).SetXattr("s", inherited, plain_default);
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(
    keeps, devices_of_every_number,
    .claim = "block and character devices keep their type, all bits of their numbers, owner, mode and time",
    .source = "properties 97; L7; L41", .needs = {Capability::priv_mknod}) {
  Layer layer;
  // XFS takes no major number of more than nine bits.
  const unsigned highest = t.backing().file_system() == "xfs" ? 511 : 4095;
  for (const auto& [major, minor] : {std::pair{1U, 3U},
                                     {0U, 1U},
                                     {1U, 0U},
                                     {8U, 255U},
                                     {8U, 256U},
                                     {8U, 65537U},
                                     {255U, 1U},
                                     {256U, 1U},
                                     {511U, 300U},
                                     {highest, 262143U}}) {
    for (const mode_t type : {mode_t{S_IFCHR}, mode_t{S_IFBLK}}) {
      const std::string path = fmt::format("{}.{}.{}", type == S_IFCHR ? "c" : "b", major, minor);
      layer.Mknod(path, type | (minor % 2 == 0 ? 0711 : 02604), makedev(major, minor))
          .Chown(path, major, minor);
      layer.Chmod(path, minor % 2 == 0 ? 0711 : 02604);
      layer.Times(path, kSecond, 1'234'567'890'123'456'789 + minor);
    }
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, attributes_of_devices, .claim = "devices keep trusted attributes",
        .source = "properties 93; properties 97",
        .needs = {Capability::priv_mknod, Capability::xattr_trusted, Capability::priv_trusted_xattr}) {
  t.Given({Layer()
               .Mknod("c", S_IFCHR | 0600, makedev(1, 3))
               .SetXattr("c", "trusted.c", "1")
               .Mknod("b", S_IFBLK | 0600, makedev(7, 3))
               .SetXattr("b", "trusted.b", "1"),
           Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, what_the_root_directory_has,
        .claim = "owner, mtime and attributes that a layer gave to the root are those of every later root",
        .source = "rule 34; properties 4; containers/storage 743", .needs = {Capability::xattr_user}) {
  t.Given({Layer()
               .Chown("", 70000, 70001)
               .SetXattr("", "user.root", "yes")
               .File("f", "x")
               .Times("", 1, 1'234'567'890'123'456'789),
           Layer().File("g", "x"), Layer().File("h", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, the_mode_of_the_root_directory,
        .claim = "a mode that a layer gave to the root is that of every later root",
        .source = "rule 34; C19; containers/storage 743") {
  t.Given({Layer().Chmod("", 01711).File("f", "x"), Layer().File("g", "x")});
  t.ThenStackIsRight();
}

}  // namespace layermark
