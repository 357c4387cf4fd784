// The trees that calls of the contract are fuzzed with: one layer of steps on what a snapshot shows.
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <set>

#include "conformance/fuzz/generator.h"

namespace layermark {
namespace {

// Names that copying programs, archives and shells stumble over.
std::string OddName(FuzzRandom& random) {
  static const std::vector<std::string> names = {"ends in a space ",
                                                 " begins",
                                                 "-dash",
                                                 "--",
                                                 "backup~",
                                                 ".dot",
                                                 "..two",
                                                 "...",
                                                 "back\\slash",
                                                 "new\nline",
                                                 "tab\t",
                                                 "bell\a",
                                                 "\x01",
                                                 "\x7f",
                                                 "\xff",
                                                 "\xc3\x28",
                                                 "\xe2\x82\xac",
                                                 "A",
                                                 "a",
                                                 "B",
                                                 "lost+found",
                                                 "#0",
                                                 "100%s",
                                                 "a;b",
                                                 "$HOME",
                                                 "*",
                                                 "?",
                                                 "core",
                                                 "CVS",
                                                 ".git",
                                                 "x.tmp",
                                                 ".#lock",
                                                 "q\"q",
                                                 "it's",
                                                 "a:b,c=d",
                                                 "z"};
  if (random.OneIn(8)) {
    static const std::vector<size_t> lengths = {100, 129, 201, 243, 244, 251, 255};
    return std::string(random.Pick(lengths), random.OneIn(2) ? 'n' : 'N');
  }
  return random.Pick(names);
}

// Contents that are not the same everywhere, of sizes around those of blocks and pages.
std::string OddData(FuzzRandom& random) {
  static const std::vector<std::string> pieces = {
      "x",        "line\r\n",    "line\n", std::string("nul\0l", 5),
      "\xff\xfe", "01234567",    "tail ",  std::string("\0", 1),
      "a\tb\n\n", "\xef\xbb\xbf"};
  static const std::vector<size_t> sizes = {1, 2, 7, 64, 4095, 4096, 4097, 8192, 10000, 65535, 65537, 70000};
  const std::string& piece = random.Pick(pieces);
  size_t size = random.OneIn(12) ? (size_t{1} << 20) - 8 : random.Pick(sizes);
  if (random.OneIn(4)) size = piece.size();
  std::string data;
  while (data.size() < size) data += piece;
  if (piece.size() == 1) data.resize(size);
  return data;
}

std::string OddTarget(FuzzRandom& random) {
  static const std::vector<std::string> targets = {"nowhere", "a/./b", "./a",       "a//b",
                                                   "dir/",    ".",     "new\nline", "a b ",
                                                   "\xff",    "-",     "other/",    "somewhere"};
  if (random.OneIn(8)) return std::string(random.OneIn(2) ? 1500 : 300, 't');
  return random.Pick(targets);
}

uint32_t OddOwner(FuzzRandom& random) {
  static const std::vector<uint32_t> owners = {0, 0, 1, 1000, 1001, 65534, 65536, 70000, 100000, 1 << 30};
  return random.Pick(owners);
}

mode_t OddMode(FuzzRandom& random) {
  static const std::vector<mode_t> modes = {0644,  0600,  0755,  0700,  0444,  0000,  0777,
                                            0666,  04755, 02755, 06711, 01777, 02660, 04600,
                                            01644, 0111,  02770, 07777, 0222,  0640,  0311};
  return random.Pick(modes);
}

int64_t OddTime(FuzzRandom& random) {
  constexpr int64_t kSecond = 1'000'000'000;
  static const std::vector<int64_t> seconds = {0,
                                               1,
                                               1'000'000'000,
                                               1'234'567'890,
                                               1'600'000'000,
                                               -1,
                                               -100'000,
                                               2'147'483'647,
                                               2'147'483'700,
                                               4'294'967'300,
                                               4'500'000'000};
  static const std::vector<int64_t> parts = {0,           1,           999,         1'000,
                                             123'456'789, 500'000'000, 999'999'999, 1'000'000};
  return random.Pick(seconds) * kSecond + random.Pick(parts);
}

FuzzXattr OddXattr(FuzzRandom& random, FileType type, bool root) {
  const bool plain = type == FileType::kRegular || type == FileType::kDirectory;
  // Files and directories have user attributes; others only those of root.
  std::vector<std::string> names = {"trusted.t", "trusted.other", "security.other"};
  if (plain)
    names.insert(names.end(),
                 {"user.u", "user.v", "user.u", "user.long.name", "user." + std::string(220, 'n')});
  static const std::vector<size_t> sizes = {0, 1, 5, 255, 257, 1001, 2001, 3000};
  FuzzXattr xattr{random.Pick(names), std::string(random.Pick(sizes), 'v')};
  if (random.OneIn(4)) xattr.value = std::string("nul\0in it\n", 10);
  if (!plain || root || !random.OneIn(3)) return xattr;
  for (int i = 0; i < 20; ++i) {
    FuzzXattr other = RandomXattr(random);
    const bool list = other.name == "system.posix_acl_access" ||
                      (other.name == "system.posix_acl_default" && type == FileType::kDirectory);
    if (list || (other.name == "security.capability" && type == FileType::kRegular)) return other;
  }
  return xattr;
}

class TreeMaker {
 public:
  TreeMaker(FuzzRandom& random, const ModelTree& tree, bool lower) : r_(random), tree_(tree) {
    for (const auto& [path, entry] : tree.ToManifest().entries) {
      if (entry.type == FileType::kDirectory) directories_.push_back(path);
      types_[path] = entry.type;
      if (lower && !entry.link_group.empty()) linked_.insert(path);
    }
  }

  Layer Make(size_t steps) {
    for (size_t tries = 0; layer_.steps().size() < steps && tries < 4 * steps; ++tries) Draw();
    if (r_.OneIn(12)) Deep();
    return std::move(layer_);
  }

 private:
  // Takes the steps if all of them work on the tree.
  bool Take(const Layer& steps) {
    ModelTree next = tree_;
    if (!next.Apply(steps).ok()) return false;
    tree_ = std::move(next);
    for (const Step& step : steps.steps()) layer_.Add(step);
    return true;
  }
  void Made(const Layer& steps, const std::string& path, FileType type) {
    if (!Take(steps)) return;
    types_[path] = type;
    if (type == FileType::kDirectory) directories_.push_back(path);
    Mark(path, type);
  }

  std::string NewPath() {
    const std::string& home = r_.Pick(directories_);
    const std::string name = r_.OneIn(3) ? OddName(r_) : RandomName(r_);
    if (std::count(home.begin(), home.end(), '/') >= 3) return name;
    return home.empty() ? name : home + "/" + name;
  }
  // An object whose metadata may be changed; "" is the root.
  std::string OldPath() {
    if (types_.empty() || r_.OneIn(12)) return "";
    return std::next(types_.begin(), static_cast<long>(r_.Below(types_.size())))->first;
  }
  std::string OldOf(FileType type) {
    std::vector<std::string> of;
    for (const auto& [path, its] : types_) {
      if (its == type && !path.empty() && !linked_.contains(path)) of.push_back(path);
    }
    return of.empty() ? "" : r_.Pick(of);
  }

  // Owner, mode, attribute and times, each now and then, in the order in which none undoes another.
  void Mark(const std::string& path, FileType type) {
    if (linked_.contains(path)) return;
    Layer steps;
    if (r_.OneIn(3)) steps.Chown(path, OddOwner(r_), OddOwner(r_));
    if (type != FileType::kSymlink && r_.OneIn(3)) {
      const mode_t mode = OddMode(r_);
      steps.Chmod(path, path.empty() ? mode | 0700 : mode);
    }
    if (r_.OneIn(3)) {
      const FuzzXattr xattr = OddXattr(r_, type, path.empty());
      steps.SetXattr(path, xattr.name, xattr.value);
    }
    if (r_.OneIn(2)) {
      const int64_t time = OddTime(r_);
      steps.Times(path, time, time);
    }
    if (!steps.empty()) Take(steps);
  }

  void Draw() {
    const std::string path = NewPath();
    switch (r_.Below(20)) {
      case 0:
      case 1:
        return Made(Layer().Dir(path, 0755), path, FileType::kDirectory);
      case 2:
      case 3:
      case 4:
        if (types_.contains(path)) return;
        return Made(Layer().File(path, r_.OneIn(3) ? "" : OddData(r_), OddMode(r_)), path,
                    FileType::kRegular);
      case 5: {
        const int64_t size = r_.OneIn(2) ? 8 << 20 : 300'000;
        const int64_t at = r_.OneIn(2) ? 0 : 200'000;
        return Made(Layer().Sparse(path, size, at, r_.OneIn(3) ? "" : "data", OddMode(r_)), path,
                    FileType::kRegular);
      }
      case 6:
      case 7:
        return Made(Layer().Symlink(path, OddTarget(r_)), path, FileType::kSymlink);
      case 8:
      case 9:
        return Link(path);
      case 10:
        return Special(path);
      case 11:
      case 12:
      case 13: {
        const std::string old = OldPath();
        return Mark(old, old.empty() ? FileType::kDirectory : types_[old]);
      }
      case 14:
        return Edit();
      case 15:
      case 16:
        return Remove();
      default:
        return Replace();
    }
  }

  void Link(const std::string& path) {
    const std::string old = OldOf(r_.OneIn(5) ? FileType::kSymlink : FileType::kRegular);
    if (old.empty() || !Take(Layer().Link(path, old))) return;
    types_[path] = types_[old];
    // A third name, so that groups of three come up.
    if (r_.OneIn(2) && Take(Layer().Link(path + "3", old))) types_[path + "3"] = types_[old];
  }

  void Special(const std::string& path) {
    struct Kind {
      mode_t mode;
      dev_t device;
      FileType type;
    };
    static const std::vector<Kind> kinds = {{S_IFIFO, 0, FileType::kFifo},
                                            {S_IFSOCK, 0, FileType::kSocket},
                                            {S_IFCHR, makedev(1, 3), FileType::kCharDevice},
                                            {S_IFCHR, makedev(301, 300), FileType::kCharDevice},
                                            {S_IFCHR, makedev(300, 70'000), FileType::kCharDevice},
                                            {S_IFBLK, makedev(301, 1), FileType::kBlockDevice},
                                            {S_IFBLK, makedev(300, 513), FileType::kBlockDevice}};
    const Kind& kind = r_.Pick(kinds);
    // The same name with other numbers: what a comparison of types alone misses.
    if (types_.contains(path) && !linked_.contains(path) && kind.type == types_[path]) {
      Take(Layer().Remove(path).Mknod(path, kind.mode | (OddMode(r_) & 07777), kind.device));
      return;
    }
    Made(Layer().Mknod(path, kind.mode | (OddMode(r_) & 07777), kind.device), path, kind.type);
  }

  // Changes of a file's content that leave much as it was.
  void Edit() {
    const std::string file = OldOf(FileType::kRegular);
    if (file.empty()) return;
    const Manifest now = tree_.ToManifest();
    const Entry& entry = now.entries.at(file);
    Layer steps;
    switch (r_.Below(4)) {
      case 0:  // of the same size, and the time put back
        if (entry.size_bytes == 0) return;
        steps.Write(file, entry.size_bytes - 1, "!").Times(file, entry.mtime_ns, entry.mtime_ns);
        break;
      case 1:
        steps.Write(file, entry.size_bytes, "more");
        if (r_.OneIn(2)) steps.Times(file, entry.mtime_ns, entry.mtime_ns);
        break;
      case 2:
        steps.Truncate(file, entry.size_bytes / 2);
        break;
      default:
        steps.Write(file, entry.size_bytes / 2, "in the middle");
    }
    Take(steps);
  }

  void Forget(const std::string& path) {
    std::erase_if(types_,
                  [&](const auto& item) { return item.first == path || item.first.starts_with(path + "/"); });
    std::erase_if(directories_,
                  [&](const std::string& of) { return of == path || of.starts_with(path + "/"); });
  }

  void Remove() {
    const std::string old = OldPath();
    if (old.empty() || !Take(Layer().RemoveAll(old))) return;
    Forget(old);
  }

  // Another object under the same name, of another type or with what it leads to changed.
  void Replace() {
    const std::string old = OldPath();
    if (old.empty() || linked_.contains(old)) return;
    const FileType type = types_[old];
    const Manifest now = tree_.ToManifest();
    const Entry entry = now.entries.at(old);
    Layer steps;
    steps.RemoveAll(old);
    FileType made = FileType::kRegular;
    if (type == FileType::kSymlink && r_.OneIn(2)) {
      std::string target = entry.link_target;
      target.back() = target.back() == 'Z' ? 'Y' : 'Z';
      steps.Symlink(old, target).Times(old, entry.mtime_ns, entry.mtime_ns);
      made = FileType::kSymlink;
    } else if (type == FileType::kDirectory && r_.OneIn(2)) {  // opaque: made anew, with other content
      steps.Dir(old, 0755);
      if (r_.OneIn(2)) steps.File(old + "/new", "new");
      made = FileType::kDirectory;
    } else if (r_.OneIn(3)) {
      steps.Symlink(old, OddTarget(r_));
      made = FileType::kSymlink;
    } else if (r_.OneIn(2)) {
      steps.Dir(old, 0750);
      made = FileType::kDirectory;
    } else {
      steps.File(old, "another type", OddMode(r_));
    }
    if (!Take(steps)) return;
    Forget(old);
    types_[old] = made;
    if (made == FileType::kDirectory) directories_.push_back(old);
  }

  // A file far below the root.
  void Deep() {
    std::string path = "deep";
    Layer steps;
    if (types_.contains(path)) return;
    for (int i = 0; i < 32; ++i, path += "/d") steps.Dir(path, 0755);
    Take(steps.File(path, "deep"));
  }

  FuzzRandom& r_;
  ModelTree tree_;
  Layer layer_;
  std::vector<std::string> directories_;
  std::map<std::string, FileType> types_;
  std::set<std::string> linked_;  // of several names below
};

}  // namespace

Layer GenerateTree(FuzzRandom& random, const ModelTree& tree, size_t steps, bool lower) {
  return TreeMaker(random, tree, lower).Make(steps);
}

}  // namespace layermark
