#include "conformance/fuzz/generator.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace layermark {
namespace {

constexpr int kCandidates = 5;

class StepMaker {
 public:
  StepMaker(FuzzRandom& random, const OriginModel& model)
      : r_(random), directories_(model.Directories()), paths_(model.Paths("")), model_(model) {}

  FuzzStep Make() {
    const auto& rows = AllFuzzOps();
    // The last rows are the snapshot's own, which the loop puts in.
    FuzzStep s;
    s.op = rows[r_.Below(rows.size() - kMetaFuzzOps)].op;
    const unsigned fields = RowOf(s.op).fields;
    if ((fields & kFieldPath) != 0) s.path = MakesName(s.op) ? NewPath() : OldPath(s.op);
    if ((fields & kFieldTarget) != 0) s.target = TargetFor(s.op);
    s.slot = static_cast<int>(r_.Below(kFuzzSlots));
    s.from = static_cast<int>(r_.Below(kFuzzSlots));
    if ((fields & kFieldSlot) != 0 && s.op != FuzzOp::kOpen && s.op != FuzzOp::kTmpfile) {
      for (int i = 0; i < 8 && !model_.SlotOpen(s.slot); ++i) s.slot = static_cast<int>(r_.Below(kFuzzSlots));
    }
    if ((fields & kFieldMode) != 0) s.mode = Mode(s.op);
    if ((fields & kFieldData) != 0) s.data = RandomData(r_);
    if ((fields & kFieldName) != 0) {
      FuzzXattr xattr = RandomXattr(r_);
      s.name = std::move(xattr.name);
      if ((fields & kFieldData) != 0) s.data = std::move(xattr.value);
    }
    if ((fields & kFieldFlags) != 0) s.flags = Flags(s.op);
    if ((fields & kFieldOwner) != 0) {
      s.uid = Owner();
      s.gid = Owner();
    }
    if (s.op == FuzzOp::kMknod && S_ISCHR(s.mode) && !r_.OneIn(4)) s.rdev = makedev(1, r_.OneIn(2) ? 3 : 7);
    const bool device = S_ISCHR(s.mode) || S_ISBLK(s.mode);
    if (s.op == FuzzOp::kMknod && device && r_.OneIn(3))
      s.rdev = makedev(r_.OneIn(2) ? 301 : 300, static_cast<unsigned>(1 + r_.Below(600)));
    if ((fields & kFieldOffset) != 0) s.offset = Offset(s.op);
    if ((fields & kFieldSize) != 0) s.size = Size(s.op);
    if ((fields & kFieldTimes) != 0) {
      s.atime_ns = Time();
      s.mtime_ns = Time();
    }
    if (r_.OneIn(8)) s.as = r_.OneIn(3) ? 1001 : 1000;
    if ((fields & kFieldPath) != 0 && !s.path.empty() && r_.OneIn(60)) s.path += r_.OneIn(2) ? "/" : "/.";
    return s;
  }

 private:
  static bool MakesName(FuzzOp op) {
    return op == FuzzOp::kCreate || op == FuzzOp::kMkdir || op == FuzzOp::kSymlink || op == FuzzOp::kMknod ||
           op == FuzzOp::kFdLink;
  }

  std::string NewPath() {
    if (const auto& gone = model_.whiteouts(); !gone.empty() && r_.OneIn(3)) {
      return *std::next(gone.begin(), static_cast<long>(r_.Below(gone.size())));
    }
    const std::string& home = r_.Pick(directories_);
    // Not deeper than is useful.
    const bool deep = std::count(home.begin(), home.end(), '/') >= 4;
    return home.empty() || deep ? RandomName(r_) : home + "/" + RandomName(r_);
  }

  std::string OldPath(FuzzOp op) {
    if (op == FuzzOp::kTmpfile || op == FuzzOp::kRmdir || op == FuzzOp::kList || op == FuzzOp::kListPieces ||
        op == FuzzOp::kListInodes || op == FuzzOp::kListRemove || op == FuzzOp::kListCreate) {
      if (!r_.OneIn(8)) return r_.Pick(directories_);
    }
    if (paths_.empty() || r_.OneIn(10)) return NewPath();
    if (r_.OneIn(20)) return "";
    return r_.Pick(paths_);
  }

  std::string TargetFor(FuzzOp op) {
    if (op == FuzzOp::kSymlink && r_.OneIn(30)) return std::string(r_.OneIn(2) ? 1000 : 4000, 't');
    if (op == FuzzOp::kSymlink) return paths_.empty() || r_.OneIn(2) ? RandomName(r_) : r_.Pick(paths_);
    if (op == FuzzOp::kSameFile && !paths_.empty()) return r_.Pick(paths_);
    return paths_.empty() || !r_.OneIn(3) ? NewPath() : r_.Pick(paths_);
  }

  mode_t Mode(FuzzOp op) {
    static const std::vector<mode_t> modes = {0644, 0600,  0755,  0700,  0444,  0000,
                                              0777, 04755, 02755, 06777, 01777, 02600};
    const mode_t mode = r_.Pick(modes);
    if (op == FuzzOp::kAccess) return static_cast<mode_t>(r_.Below(8));
    if (op == FuzzOp::kMkdir) return mode | 0100;
    if (op != FuzzOp::kMknod) return mode;
    static const std::vector<mode_t> types = {S_IFIFO, S_IFCHR, S_IFREG, S_IFSOCK, S_IFBLK};
    return r_.Pick(types) | (mode & 0777);
  }

  int64_t Flags(FuzzOp op) {
    switch (op) {
      case FuzzOp::kOpen: {
        static const std::vector<int64_t> access = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
        int64_t flags = r_.Pick(access);
        if (r_.OneIn(4)) flags |= O_CREAT;
        if (r_.OneIn(8)) flags |= O_EXCL | O_CREAT;
        if (r_.OneIn(6) && (flags & (O_WRONLY | O_RDWR)) != 0) flags |= O_TRUNC;
        if (r_.OneIn(6)) flags |= O_APPEND;
        if (r_.OneIn(12) && (flags & O_CREAT) == 0) flags |= O_DIRECTORY;
        if (r_.OneIn(8)) flags |= O_NOFOLLOW;
        if (r_.OneIn(16)) flags |= O_SYNC;
        if (r_.OneIn(16)) flags |= O_NOATIME;
        if (r_.OneIn(20)) flags = O_PATH | (flags & O_NOFOLLOW);
        return flags;
      }
      case FuzzOp::kRename:
        if (r_.OneIn(24)) return RENAME_WHITEOUT | (r_.OneIn(2) ? RENAME_NOREPLACE : 0);
        if (r_.OneIn(40)) return RENAME_NOREPLACE | RENAME_EXCHANGE;
        return r_.OneIn(4) ? RENAME_NOREPLACE : r_.OneIn(4) ? RENAME_EXCHANGE : 0;
      case FuzzOp::kLink:
        return r_.OneIn(3) ? AT_SYMLINK_FOLLOW : 0;
      case FuzzOp::kGetXattr:
        return r_.OneIn(5) ? kXattrSizeOnly : r_.OneIn(5) ? kXattrShort : 0;
      case FuzzOp::kSetFlags: {
        static const std::vector<int64_t> kinds = {0, FS_NODUMP_FL, FS_NOATIME_FL, FS_IMMUTABLE_FL,
                                                   FS_APPEND_FL};
        return r_.Pick(kinds);
      }
      case FuzzOp::kSetXattr:
      case FuzzOp::kFdSetXattr:
        return r_.OneIn(4) ? XATTR_CREATE : r_.OneIn(4) ? XATTR_REPLACE : 0;
      case FuzzOp::kFallocate: {
        static const std::vector<int64_t> modes = {0,
                                                   FALLOC_FL_KEEP_SIZE,
                                                   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                   FALLOC_FL_ZERO_RANGE,
                                                   FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                                   FALLOC_FL_COLLAPSE_RANGE,
                                                   FALLOC_FL_INSERT_RANGE};
        return r_.Pick(modes);
      }
      case FuzzOp::kLock: {
        static const std::vector<int64_t> kinds = {LOCK_SH, LOCK_EX, LOCK_UN};
        return r_.Pick(kinds) | (r_.OneIn(2) ? kLockOfd : 0);
      }
      case FuzzOp::kSeek: {
        static const std::vector<int64_t> kinds = {SEEK_DATA, SEEK_HOLE, SEEK_END};
        return r_.Pick(kinds);
      }
      default:  // stat, chown, times
        return r_.OneIn(2) ? AT_SYMLINK_NOFOLLOW : 0;
    }
  }

  int64_t Owner() {
    static const std::vector<int64_t> owners = {-1, 0, 1000, 1001, 65534, 70'000};
    return r_.Pick(owners);
  }

  int64_t Offset(FuzzOp op) {
    if ((op == FuzzOp::kFdRead || op == FuzzOp::kFdWrite) && r_.OneIn(2)) return -1;
    static const std::vector<int64_t> offsets = {0, 0, 1, 100, 4095, 4096, 5000, 65536, 70'000, 1'100'000};
    return r_.Pick(offsets);
  }

  int64_t Size(FuzzOp op) {
    static const std::vector<int64_t> sizes = {0, 1, 10, 4095, 4096, 4097, 20000, 131072};
    const int64_t size = r_.Pick(sizes);
    return op == FuzzOp::kFallocate && !r_.OneIn(10) ? std::max<int64_t>(size, 1) : size;
  }

  int64_t Time() {
    static const std::vector<int64_t> times = {kTimeOmit,
                                               kTimeNow,
                                               0,
                                               1,
                                               1'000'000'000'123'456'789,
                                               1'500'000'000'999'999'999,
                                               1'234'567'890'000'000'000,
                                               -1'500'000'000,
                                               int64_t{4'500'000'000} * 1'000'000'000};
    return r_.Pick(times);
  }

  FuzzRandom& r_;
  std::vector<std::string> directories_, paths_;
  const OriginModel& model_;
};

}  // namespace

uint64_t DeriveSeed(uint64_t seed, uint64_t index, std::string_view purpose) {
  uint64_t mixed = seed * 0x9e3779b97f4a7c15U + index;
  for (const char c : purpose) mixed = (mixed ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return FuzzRandom(mixed).Next();
}

std::string Coverage::Key(const FuzzStep& step, const OriginModel& model) {
  const Target target = model.TargetOf(step);
  return fmt::format("{} {} {} {}", RowOf(step.op).name, target.origin, target.type, model.StateOf(step));
}

double Coverage::Cost(const FuzzStep& step, const OriginModel& model) const {
  const auto found = counts_.find(Key(step, model));
  if (found == counts_.end()) return 0;
  // What always ends a program is seldom worth it: the rest of the program is lost.
  return static_cast<double>(found->second.ran) + 20.0 * static_cast<double>(found->second.deviated);
}

std::string Coverage::ToText() const {
  using Table = std::map<std::string, int64_t>;
  std::map<std::string, Table> by_op;
  Table types, states;
  for (const auto& [key, count] : counts_) {
    std::array<std::string, 4> words;
    std::istringstream in(key);
    for (std::string& word : words) in >> word;
    by_op[words[0]][words[1]] += count.ran;
    types[words[2]] += count.ran;
    states[words[3]] += count.ran;
  }
  const auto line = [](const std::string& head, const Table& table) {
    std::string text = fmt::format("  {:<13}", head);
    for (const auto& [name, ran] : table) text += fmt::format(" {} {},", name, ran);
    text.back() = '\n';
    return text;
  };
  std::string text;
  for (const auto& [op, origins] : by_op) text += line(op, origins);
  if (text.empty()) return text;
  return text + line("by type:", types) + line("by state:", states) +
         fmt::format("  {} combinations of operation, origin, type and state\n", counts_.size());
}

FuzzStep GenerateStep(FuzzRandom& random, const OriginModel& model, const Coverage& coverage) {
  StepMaker maker(random, model);
  FuzzStep best = maker.Make();
  double best_cost = coverage.Cost(best, model);
  // Now and then whatever comes, so that no long sequence is out of reach.
  const int more = random.OneIn(4) ? 0 : kCandidates - 1;
  for (int i = 0; i < more; ++i) {
    FuzzStep other = maker.Make();
    const double cost = coverage.Cost(other, model);
    if (cost < best_cost) {
      best = std::move(other);
      best_cost = cost;
    }
  }
  return best;
}

std::string RandomName(FuzzRandom& random) {
  static const std::vector<std::string> names = {"a", "b", "c",   "d",        "e",
                                                 "f", "g", "x y", "\xc3\xbc", "n:o,p\\q"};
  // Odd ones: the longest, one too long, and what union file systems, layers and kernels have a meaning for.
  static const std::vector<std::string> odd = {".wh.a",
                                               ".wh..wh..opq",
                                               ".wh.",
                                               ".fuse_hidden0001",
                                               "a_HIDDEN~",
                                               ".unionfs",
                                               ".unionfs-fuse",
                                               "lost+found",
                                               "...",
                                               " ",
                                               "-",
                                               "a\nb",
                                               "\xff",
                                               "A",
                                               "#0",
                                               "a\tb\"c",
                                               ".overlayfs",
                                               "work",
                                               "a ",
                                               ".a",
                                               "-a",
                                               "a~"};
  if (random.OneIn(60)) return std::string(random.OneIn(2) ? 255 : 210 + random.Below(45), 'L');
  if (random.OneIn(400)) return std::string(256, 'M');
  if (random.OneIn(25)) return random.Pick(odd);
  return random.Pick(names);
}

FuzzXattr RandomXattr(FuzzRandom& random) {
  static const std::vector<std::string> names = {"user.u",     "user.u",      "user.v",      "user.long.name",
                                                 "trusted.t",  "security.s",  "nothing.x",   "user.",
                                                 "user.u.u.u", "trusted.t.t", "system.other"};
  // The names under which unions keep their own notes: to whoever sets one it is an attribute like any other.
  static const std::vector<std::string> theirs = {"trusted.overlay.opaque",    "trusted.overlay.redirect",
                                                  "trusted.overlay.metacopy",  "user.overlay.opaque",
                                                  "user.fuseoverlayfs.opaque", "user.fuseoverlayfs.origin"};
  FuzzXattr xattr{random.Pick(names), fmt::format("value{}", random.Below(10))};
  if (random.OneIn(4)) {
    xattr.value = "";
  } else if (random.OneIn(6)) {
    static const std::vector<size_t> sizes = {1000, 1000, 5000, 65536, 65537};
    xattr.value = std::string(random.Pick(sizes), 'v');
  }
  if (random.OneIn(100)) xattr.name = "user." + std::string(random.OneIn(2) ? 250 : 251, 'n');
  if (random.OneIn(24)) return {random.Pick(theirs), random.OneIn(2) ? "y" : "x"};
  if (random.OneIn(20)) {  // cap_net_raw+ep or so; version 2
    std::string value(20, '\0');
    value[0] = 1;
    value[3] = 2;
    value[5] = 0x20;
    return {"security.capability", value};
  }
  if (!random.OneIn(5)) return xattr;
  std::string list("\2\0\0\0", 4);
  const auto item = [&](int tag, size_t permissions, uint32_t id) {
    const char bytes[] = {static_cast<char>(tag),         0,
                          static_cast<char>(permissions), 0,
                          static_cast<char>(id),          static_cast<char>(id >> 8),
                          static_cast<char>(id >> 16),    static_cast<char>(id >> 24)};
    list.append(bytes, sizeof bytes);
  };
  constexpr uint32_t kNobody = UINT32_MAX;
  item(1, 6 + random.Below(2), kNobody);
  const bool named = !random.OneIn(4);
  if (named) item(2, random.Below(8), 1000);
  item(4, random.Below(8), kNobody);
  if (named) item(16, random.Below(8), kNobody);
  item(32, random.Below(8), kNobody);
  return {random.OneIn(2) ? "system.posix_acl_access" : "system.posix_acl_default", list};
}

std::string RandomData(FuzzRandom& random) {
  // Mostly one letter for all, by which one write is told from another; else what is told apart by its place,
  // or what a program may take for text. Sizes around those of pages, and now and then what readahead and
  // copies cut into pieces.
  static const std::vector<size_t> sizes = {0, 1, 5, 13, 100, 4096, 5000, 20000};
  static const std::vector<std::string> pieces = {"line\r\n", std::string("nul\0l", 5), "\xff\xfe",
                                                  "01234567", "a b\n\n"};
  const size_t size = random.OneIn(40)    ? 70'000
                      : random.OneIn(200) ? kMaxFuzzData - 8 + random.Below(8)
                                          : random.Pick(sizes);
  if (size < 13 || !random.OneIn(4)) return std::string(size, static_cast<char>('A' + random.Below(26)));
  const std::string& piece = random.Pick(pieces);
  std::string data;
  while (data.size() + piece.size() <= size) data += piece;
  return data;
}

}  // namespace layermark
