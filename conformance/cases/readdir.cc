// Area readdir: listing merged directories.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "conformance/support/case.h"

namespace layermark {
namespace {

struct DirCloser {
  void operator()(DIR* d) const { closedir(d); }
};
using DirStream = std::unique_ptr<DIR, DirCloser>;

DirStream OpenStream(int dir_fd, const std::string& path) {
  Result<Fd> fd = OpenAt(dir_fd, path, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return nullptr;
  DIR* d = fdopendir(fd->get());
  if (d != nullptr) (void)fd->Release();
  return DirStream(d);
}

// `count` files over `layers` layers, some in several.
std::vector<Layer> Spread(int count, int layers) {
  std::vector<Layer> all(static_cast<size_t>(layers));
  all[0].Dir("d");
  for (int i = 0; i < count; ++i) {
    all[static_cast<size_t>(i % layers)].File(fmt::format("d/file{:05}", i), "x");
    if (i % 7 == 0) all[static_cast<size_t>(layers - 1)].File(fmt::format("d/file{:05}", i), "newer");
  }
  return all;
}

}  // namespace

LM_CASE(readdir, each_name_once,
        .claim = "a directory merged from three layers lists each name once, with . and .. once each",
        .source = "properties 5; properties 19; ovl/038") {
  t.Given(Spread(300, 3));
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  DirStream stream = OpenStream(snapshot->root_fd(), "d");
  if (!t.Check(stream != nullptr, "opendir")) return;
  std::map<std::string, int> seen;
  while (const dirent* entry = readdir(stream.get())) ++seen[entry->d_name];
  t.Equal(size_t{302}, seen.size(), "names listed");
  for (const auto& [name, times] : seen) t.Equal(1, times, "times that " + name + " was listed");
}

LM_CASE(readdir, many_entries, .claim = "a merged directory of 5,000 entries lists every one of them",
        .source = "properties 19; fo:stress", .deadline_seconds = 120) {
  t.Given(Spread(5000, 2));
  t.When([](Ops& fs) {
    fs.List("d");
    fs.Unlink("d/file00000");
    fs.Create("d/zzz", "x");
    fs.List("d");
  });
}

LM_CASE(readdir, types_are_right, .claim = "d_type of every kind of entry agrees with lstat or is unknown",
        .source = "properties 5; ovl/017") {
  t.Given({Layer().File("f", "x").Dir("d").Symlink("l", "f").Fifo("p"), Layer().File("f2", "x").Dir("d2")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Ops(snapshot->root_fd()).Create("new", "x");
  Ops(snapshot->root_fd()).Chmod("f", 0600);
  DirStream stream = OpenStream(snapshot->root_fd(), ".");
  if (!t.Check(stream != nullptr, "opendir")) return;
  while (const dirent* entry = readdir(stream.get())) {
    struct stat st {};
    if (!t.Check(fstatat(snapshot->root_fd(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, entry->d_name))
      continue;
    t.Check(entry->d_type == DT_UNKNOWN || entry->d_type == IFTODT(st.st_mode),
            std::string("d_type of ") + entry->d_name);
  }
}

LM_CASE(readdir, inode_numbers_agree_with_stat,
        .claim = "d_ino of every entry is its st_ino, before and after copy-up",
        .source = "properties 24; ovl/017; fo:passthrough") {
  t.Given({Layer().File("f", "x").File("g", "x").Dir("d"), Layer().File("h", "x")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Ops(snapshot->root_fd()).Append("f", "changed");
  Ops(snapshot->root_fd()).Create("new", "x");
  DirStream stream = OpenStream(snapshot->root_fd(), ".");
  if (!t.Check(stream != nullptr, "opendir")) return;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat st {};
    if (!t.Check(fstatat(snapshot->root_fd(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, name)) continue;
    t.Equal(static_cast<uint64_t>(st.st_ino), static_cast<uint64_t>(entry->d_ino), "d_ino of " + name);
  }
}

LM_CASE(readdir, seek_back_continues_the_same,
        .claim = "after seekdir to a remembered place the same entries follow",
        .source = "properties 20; generic/257") {
  t.Given(Spread(200, 3));
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  DirStream stream = OpenStream(snapshot->root_fd(), "d");
  if (!t.Check(stream != nullptr, "opendir")) return;
  for (int i = 0; i < 50; ++i) t.Check(readdir(stream.get()) != nullptr, "fewer than 50 entries");
  const long place = telldir(stream.get());
  std::vector<std::string> first;
  std::vector<std::string> second;
  while (const dirent* entry = readdir(stream.get())) first.emplace_back(entry->d_name);
  seekdir(stream.get(), place);
  while (const dirent* entry = readdir(stream.get())) second.emplace_back(entry->d_name);
  t.Check(first == second, fmt::format("{} entries followed at first, {} after seekdir, or in another order",
                                       first.size(), second.size()));
}

LM_CASE(readdir, rewind_sees_changes,
        .claim = "rewinddir shows what was created and removed since the directory was opened",
        .source = "properties 21; ovl/077") {
  t.Given(Spread(20, 2));
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  DirStream stream = OpenStream(snapshot->root_fd(), "d");
  if (!t.Check(stream != nullptr, "opendir")) return;
  while (readdir(stream.get()) != nullptr) {
  }
  Ops fs(snapshot->root_fd());
  fs.Create("d/created", "x");
  fs.Unlink("d/file00003");
  rewinddir(stream.get());
  std::set<std::string> names;
  while (const dirent* entry = readdir(stream.get())) names.insert(entry->d_name);
  t.Check(names.contains("created"), "the created file is not listed after rewinddir");
  t.Check(!names.contains("file00003"), "the removed file is listed after rewinddir");
  t.Equal(size_t{22}, names.size(), "entries after rewinddir");
}

LM_CASE(readdir, removing_while_listing,
        .claim = "entries that are not removed while a merged directory is listed appear exactly once",
        .source = "properties 22; ovl/077") {
  t.Given(Spread(400, 2));
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  DirStream stream = OpenStream(snapshot->root_fd(), "d");
  if (!t.Check(stream != nullptr, "opendir")) return;
  std::map<std::string, int> seen;
  Ops fs(snapshot->root_fd());
  int count = 0;
  while (const dirent* entry = readdir(stream.get())) {
    ++seen[entry->d_name];
    if (++count == 100) {
      for (int i = 1; i < 400; i += 2) fs.Unlink(fmt::format("d/file{:05}", i));
    }
  }
  for (int i = 0; i < 400; i += 2) {
    const std::string name = fmt::format("file{:05}", i);
    t.Equal(1, seen[name], "times that " + name + " was listed");
  }
}

LM_CASE(readdir, remove_in_pieces_until_empty,
        .claim = "listing and removing in turns empties a merged directory, and rmdir works",
        .source = "properties 23; um:rmtree") {
  t.Given(Spread(500, 3));
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  DirStream stream = OpenStream(snapshot->root_fd(), "d");
  if (!t.Check(stream != nullptr, "opendir")) return;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> chunk;
    rewinddir(stream.get());
    while (const dirent* entry = readdir(stream.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") chunk.push_back(name);
      if (chunk.size() == 40) break;
    }
    if (chunk.empty()) break;
    for (const std::string& name : chunk) {
      t.Check(unlinkat(dirfd(stream.get()), name.c_str(), 0) == 0, "unlink of " + name);
    }
  }
  t.Check(unlinkat(snapshot->root_fd(), "d", AT_REMOVEDIR) == 0, "rmdir of the emptied directory");
}

LM_CASE(readdir, whiteouts_are_never_listed,
        .claim = "names removed by any layer are listed by none, nor can they be opened",
        .source = "properties 26; ovl/031") {
  t.Given({Layer().Dir("d").File("d/1", "x").File("d/2", "x").File("d/3", "x").File("d/4", "x"),
           Layer().Remove("d/1"), Layer().Remove("d/2").File("d/1", "back"), Layer().Remove("d/1")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Unlink("d/3");
    fs.List("d");
    for (const char* name : {"d/1", "d/2", "d/3"}) fs.Stat(name);
  });
}

LM_CASE(readdir, deep_trees,
        .claim = "a tree a hundred directories deep can be listed, changed at its end and removed",
        .source = "fo:stress T3") {
  Layer layer;
  std::string path;
  for (int i = 0; i < 100; ++i) {
    path += (i == 0 ? "" : "/") + fmt::format("n{}", i);
    layer.Dir(path);
  }
  layer.File(path + "/leaf", "x");
  t.Given({layer});
  t.When([path](Ops& fs) {
    fs.Append(path + "/leaf", "y");
    fs.Read(path + "/leaf");
    fs.RemoveAll("n0/n1");
    fs.List("n0");
  });
}

}  // namespace layermark
