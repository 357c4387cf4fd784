// Area keeps, the second half: content, names, links and symlinks over their whole range.
#include <fmt/core.h>
#include <sys/sysmacros.h>

#include <array>
#include <string>
#include <vector>

#include "conformance/support/case.h"

namespace layermark {
namespace {

// `bytes` bytes none of which is zero and whose neighbours differ.
std::string Noise(size_t bytes) {
  std::string text(bytes, 0);
  uint32_t state = static_cast<uint32_t>(bytes) * 2654435761U + 1;
  for (char& c : text) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(1 + (state >> 24) % 255);
  }
  return text;
}

}  // namespace

LM_CASE(keeps, data_of_every_length,
        .claim = "files keep every byte at lengths one below, at and above pages, blocks and powers of two",
        .source = "properties 81; C70") {
  Layer layer;
  for (const size_t around :
       {512UL, 1024UL, 4096UL, 8192UL, 16384UL, 32768UL, 65536UL, 131072UL, 1UL << 20}) {
    for (const size_t bytes : {around - 1, around, around + 1})
      layer.File(fmt::format("f{}", bytes), Noise(bytes));
  }
  for (const size_t bytes : {0, 1, 2, 7, 60, 100, 200000})
    layer.File(fmt::format("f{}", bytes), Noise(bytes));
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, data_of_every_kind,
        .claim = "zeros, line ends of any system and bytes beyond ASCII are kept, at the end of files too",
        .source = "properties 81; properties 82; L50") {
  Layer layer;
  layer.File("zeros", std::string(10000, '\0')).File("one_zero", std::string(1, '\0'));
  layer.File("ends_in_zeros", "text" + std::string(5000, '\0'))
      .File("begins_with_zeros", std::string(5000, '\0') + "t");
  layer.File("zero_inside", std::string("a\0b\0\0c", 6)).File("crlf", "a\r\nb\r\n").File("cr", "a\rb\r");
  layer.File("no_newline", "last line")
      .File("blank_end", "line \n\n\n")
      .File("utf8", "\xef\xbb\xbf\xc3\xa9\n");
  layer.File("not_utf8", "\xff\xfe\x80\n")
      .File("escape", "\x1b[0m\x07\x08\x7f\x1a")
      .File("percent", "%s %n \\n");
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, holes_wherever_they_are,
        .claim = "holes at the start, in the middle and at the end of files stay, and so does the length",
        .source = "properties 82; C70; moby 35537", .needs = {Capability::seek_hole}) {
  constexpr int64_t kMiB = 1 << 20;
  t.Given({Layer()
               .Sparse("all", 4 * kMiB, 0, "")
               .Sparse("end", 4 * kMiB, 0, "data")
               .Sparse("start", 4 * kMiB, 4 * kMiB - 4, "data")
               .Sparse("middle", 4 * kMiB, 2 * kMiB + 5, "data")
               .Sparse("odd_end", kMiB + 1, 0, "data")
               .Sparse("short_hole", 300000, 0, std::string(4096, 'x')),
           Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, names_with_any_byte,
        .claim = "names may hold any byte but zero and the slash: alone, first and last",
        .source = "properties 13; L47; C85; C94") {
  Layer files, others;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    const std::string c(1, static_cast<char>(byte));
    if (byte != '.') files.File(c, c);
    files.File(c + "first", c).File("last" + c, c);
    if (byte % 3 == 0) others.Dir("dir/" + c + "d").Symlink("dir/l" + c, c);
  }
  t.Given({files.Dir("dir"), others});
  t.ThenStackIsRight();
}

LM_CASE(keeps, names_that_look_special,
        .claim = "names that tools leave out, fold or tidy are kept, of files, directories and symlinks",
        .source = "C17; C85; C94") {
  constexpr std::array<const char*, 48> kNames = {
      ".hidden", "..a",    "...",    "....",   "-rf", "--",   "-",        "~",        "a~",    "#a#",
      ".#a",     "core",   "a.bak",  "a.swp",  "CVS", ".git", "nul",      "CON",      "a:b",   "a,b",
      "a\\b",    "a\\",    "a b",    " a",     "a ",  "a\t",  "*",        "?",        "$a",    "`a`",
      "a\nb",    "\n",     "%00",    "@eaDir", "A",   "a",    ".nfs01",   "a.db",     "a.ini", "a.tmp",
      "a.new",   "a.orig", "a.lock", "a.pyc",  "a.",  "%41",  "\xc3\xa9", "e\xcc\x81"};
  Layer layer;
  layer.Dir("files")
      .Dir("directories")
      .Dir("symlinks")
      .Dir("fifos")
      .Dir("lost+found")
      .Dir("files/lost+found");
  for (const char* name : kNames) {
    layer.File(std::string("files/") + name, name).Dir(std::string("directories/") + name);
    layer.Symlink(std::string("symlinks/") + name, name).Fifo(std::string("fifos/") + name);
    layer.File(std::string("directories/") + name + "/" + name, "x");
  }
  layer.File("files/case", "1").File("files/Case", "2").File("files/CASE", "3").Symlink("symlinks/l", "a");
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, names_of_every_length,
        .claim = "names of 1 to 243 bytes are kept, of files, directories, symlinks and fifos",
        .source = "properties 13; ovl/066") {
  Layer layer;
  for (size_t bytes = 1; bytes <= 243; bytes += bytes < 20 || bytes >= 240 || bytes == 143 ? 1 : 4) {
    const std::string rest(bytes - 1, 'n');
    layer.File("f" + rest, "x").Dir("d" + rest).Symlink("l" + rest, "x").Fifo("p" + rest);
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, directories_with_many_entries,
        .claim = "every entry of a directory of 2,500 is kept, and so is a chain of 60 directories",
        .source = "properties 19; properties 160") {
  Layer layer;
  layer.Dir("wide").Dir("deep");
  for (int i = 0; i < 2500; ++i) {
    const std::string path = fmt::format("wide/entry{}", i);
    i % 4 == 3 ? layer.Symlink(path, "x") : i % 4 == 2 ? layer.Dir(path) : layer.File(path, "x");
  }
  std::string path = "deep";
  for (int i = 0; i < 60; ++i) layer.Dir(path += "/d").File(path + "/f", "x");
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, empty_objects_and_equal_ones,
        .claim = "empty files and directories are kept, and files that are equal in all stay apart",
        .source = "C56; C77; properties 102") {
  Layer layer;
  layer.Dir("e").Dir("e/e").Dir("e/e/e").File("empty", "").File("e/empty", "").File("e/e/empty", "", 0000);
  layer.Symlink("e/dangling", "nowhere").Fifo("e/fifo").Mknod("e/socket", S_IFSOCK | 0644);
  for (const char* path : {"same1", "same2", "e/same1", "e/same2"})
    layer.File(path, "same").Times(path, 1, 2);
  layer.Dir("single1").File("single1/f", "x").Dir("single2").Dir("single2/d");
  t.Given({layer, Layer().File("other", "x"), Layer().Dir("late"), Layer().File("late/empty", "")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, hard_links_of_every_shape,
        .claim =
            "names of one file stay its names: three and many, across directories, of empty and set-ID files",
        .source = "L36; L40; properties 60; C58; C69") {
  Layer layer;
  layer.Dir("a").Dir("b").Dir("a/c").File("a/two", "2").Link("a/two2", "a/two");
  layer.File("three", "3").Link("three2", "three").Link("three3", "three");
  layer.File("far", "far").Link("a/far", "far").Link("b/far", "far").Link("a/c/other_name", "a/far");
  layer.File("empty", "").Link("empty2", "empty").Link("b/empty", "empty");
  layer.File("setid", "x").Chown("setid", 1000, 1000).Chmod("setid", 06755).Link("b/setid", "setid");
  layer.File("many", "m");
  for (int i = 0; i < 70; ++i) layer.Link(fmt::format("a/c/many{}", i), "many");
  layer.File("unlike", "3").File("a/unlike", "3");
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, hard_links_of_special_files, .claim = "names of one symlink, fifo or socket stay names of one",
        .source = "L36; L40; properties 66; um:hard-link-sym") {
  Layer layer;
  layer.Dir("d").Symlink("l", "target").Link("l2", "l").Link("d/l", "l");
  layer.Fifo("p").Link("p2", "p").Link("d/p", "p").Mknod("s", S_IFSOCK | 0755).Link("s2", "s");
  layer.Symlink("alike", "target").Fifo("alike_p");
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, hard_links_of_devices, .claim = "names of one device stay names of one",
        .source = "L36; L40; properties 97", .needs = {Capability::priv_mknod}) {
  Layer layer;
  layer.Mknod("c", S_IFCHR | 0600, makedev(1, 3))
      .Link("c2", "c")
      .Mknod("b", S_IFBLK | 0600, makedev(7, 1))
      .Link("b2", "b");
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, symlink_targets_to_the_byte,
        .claim = "symlink targets are kept to the byte, whatever they look like and up to 1023 bytes long",
        .source = "properties 10; properties 11; C64") {
  Layer layer;
  for (const size_t bytes :
       {1, 2, 59, 60, 61, 100, 127, 128, 254, 255, 256, 511, 999, 1000, 1001, 1022, 1023}) {
    layer.Symlink(fmt::format("l{}", bytes), std::string(bytes - 1, 't') + "e");
  }
  constexpr std::array<const char*, 24> kTargets = {
      ".",    "..",   "/",    "//",       "./a",   "a/",   "a//b", "a/./b", "a/../b", "../../../../x",  "/a/",
      " a ",  "\n",   "a\nb", "\xff\xfe", "C:\\a", "-> b", "~/a",  "$HOME", "*",      "/proc/self/exe", "l1",
      "loop", "a:b,c"};
  for (size_t i = 0; i < kTargets.size(); ++i) layer.Symlink(fmt::format("t{}", i), kTargets[i]);
  layer.Symlink("loop", "loop").Symlink("x", "y").Symlink("y", "x");
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(keeps, large_files_to_the_byte,
        .claim = "files of several MiB keep every byte, and so do those that follow them",
        .source = "properties 81; C70") {
  t.Given({Layer()
               .File("large", Noise((9 << 20) + 1))
               .File("larger", Noise((17 << 20) - 1))
               .File("small", Noise(3))
               .File("even", Noise(4 << 20)),
           Layer().Write("larger", (16 << 20) - 3, "written").Truncate("large", (8 << 20) + 1)});
  t.ThenStackIsRight();
}

LM_CASE(keeps, everything_through_eight_layers,
        .claim = "what the first of eight layers brought is the same on each of the others, whatever it has",
        .source = "rule 5; rule 27; C3; C14", .needs = {Capability::xattr_user}) {
  Layer base;
  base.Dir("d").Dir("d/e").Dir("d/empty").Chown("d/empty", 70000, 70001).Chmod("d/empty", 03711);
  base.SetXattr("d/empty", "user.directory", "value").File("d/setid", "x").Chown("d/setid", 1000, 1001);
  base.Chmod("d/setid", 06755)
      .SetXattr("d/setid", "user.file", std::string("a\0b", 3))
      .File("d/empty_file", "", 0000);
  base.Symlink("d/link", "../nowhere//").Chown("d/link", 3, 4).Fifo("d/fifo", 0611).Chown("d/fifo", 5, 6);
  base.Mknod("d/socket", S_IFSOCK | 0700).File("d/data", Noise(70001)).File("d/e/old", "x");
  base.File("d/three", "3").Link("d/e/three", "d/three").Link("three", "d/three").Link("d/link2", "d/link");
  base.File("d/\xff name\n", "x").File(".hidden", "x").File("removed_late", "x").File("d/changed_late", "x");
  int64_t time = -1'000'000'000'000'000'007;
  for (const char* path :
       {"d/empty", "d/setid", "d/empty_file", "d/link", "d/fifo", "d/socket", "d/data", "d/e", "d"}) {
    base.Times(path, 1, time += 500'000'000'000'000'011);
  }
  std::vector<Layer> layers = {base};
  for (int i = 1; i < 8; ++i) layers.push_back(Layer().File(fmt::format("layer{}", i), "x"));
  layers.back().Remove("removed_late").Write("d/changed_late", 0, "y");
  t.Given(layers);
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    for (const char* path : {"d/setid", "d/empty_file", "d/link", "d/data", "d/e/three", "d/empty"}) {
      fs.Stat(path);
      fs.StatTimes(path);
    }
    fs.Append("d/e/old", "y");
  });
}

}  // namespace layermark
