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

namespace layermark {
namespace {

constexpr int kCandidates = 5;

class StepMaker {
 public:
  StepMaker(FuzzRandom& random, const OriginModel& model)
      : r_(random), directories_(model.Directories()), paths_(model.Paths("")), model_(model) {}

  FuzzStep Make() {
    const auto& rows = AllFuzzOps();
    // The last three rows are the snapshot's own, which the loop puts in.
    FuzzStep s;
    s.op = rows[r_.Below(rows.size() - 3)].op;
    const unsigned fields = RowOf(s.op).fields;
    if ((fields & kFieldPath) != 0) s.path = MakesName(s.op) ? NewPath() : OldPath(s.op);
    if ((fields & kFieldTarget) != 0) s.target = TargetFor(s.op);
    s.slot = static_cast<int>(r_.Below(kFuzzSlots));
    s.from = static_cast<int>(r_.Below(kFuzzSlots));
    if ((fields & kFieldSlot) != 0 && s.op != FuzzOp::kOpen && s.op != FuzzOp::kTmpfile) {
      for (int i = 0; i < 8 && !model_.SlotOpen(s.slot); ++i) s.slot = static_cast<int>(r_.Below(kFuzzSlots));
    }
    if ((fields & kFieldMode) != 0) s.mode = Mode(s.op);
    if ((fields & kFieldData) != 0) s.data = s.op == FuzzOp::kSetXattr ? XattrValue() : RandomData(r_);
    if ((fields & kFieldName) != 0) s.name = XattrName();
    if ((fields & kFieldFlags) != 0) s.flags = Flags(s.op);
    if ((fields & kFieldOwner) != 0) {
      s.uid = Owner();
      s.gid = Owner();
    }
    if (s.op == FuzzOp::kMknod && S_ISCHR(s.mode)) s.rdev = makedev(1, r_.OneIn(2) ? 3 : 7);
    if ((fields & kFieldOffset) != 0) s.offset = Offset(s.op);
    if ((fields & kFieldSize) != 0) s.size = Size(s.op);
    if ((fields & kFieldTimes) != 0) {
      s.atime_ns = Time();
      s.mtime_ns = Time();
    }
    if (r_.OneIn(8)) s.as = 1000;
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
    if (op == FuzzOp::kTmpfile || op == FuzzOp::kRmdir || op == FuzzOp::kList || op == FuzzOp::kListPieces) {
      if (!r_.OneIn(8)) return r_.Pick(directories_);
    }
    if (paths_.empty() || r_.OneIn(10)) return NewPath();
    if (r_.OneIn(20)) return "";
    return r_.Pick(paths_);
  }

  std::string TargetFor(FuzzOp op) {
    if (op == FuzzOp::kSymlink) return paths_.empty() || r_.OneIn(2) ? RandomName(r_) : r_.Pick(paths_);
    return paths_.empty() || !r_.OneIn(3) ? NewPath() : r_.Pick(paths_);
  }

  mode_t Mode(FuzzOp op) {
    static const std::vector<mode_t> modes = {0644, 0600,  0755,  0700,  0444,  0000,
                                              0777, 04755, 02755, 06777, 01777, 02600};
    const mode_t mode = r_.Pick(modes);
    if (op == FuzzOp::kAccess) return static_cast<mode_t>(r_.Below(8));
    if (op == FuzzOp::kMkdir) return mode | 0100;
    if (op != FuzzOp::kMknod) return mode;
    static const std::vector<mode_t> types = {S_IFIFO, S_IFCHR, S_IFREG, S_IFSOCK};
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
        return flags;
      }
      case FuzzOp::kRename:
        return r_.OneIn(4) ? RENAME_NOREPLACE : r_.OneIn(4) ? RENAME_EXCHANGE : 0;
      case FuzzOp::kSetXattr:
        return r_.OneIn(4) ? XATTR_CREATE : r_.OneIn(4) ? XATTR_REPLACE : 0;
      case FuzzOp::kFallocate: {
        static const std::vector<int64_t> modes = {
            0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
            FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
        return r_.Pick(modes);
      }
      case FuzzOp::kLock: {
        static const std::vector<int64_t> kinds = {LOCK_SH, LOCK_EX, LOCK_UN};
        return r_.Pick(kinds);
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
    static const std::vector<int64_t> owners = {-1, 0, 1000, 1001, 65534};
    return r_.Pick(owners);
  }

  int64_t Offset(FuzzOp op) {
    if ((op == FuzzOp::kFdRead || op == FuzzOp::kFdWrite) && r_.OneIn(2)) return -1;
    static const std::vector<int64_t> offsets = {0, 0, 1, 100, 4095, 4096, 5000, 65536};
    return r_.Pick(offsets);
  }

  int64_t Size(FuzzOp op) {
    static const std::vector<int64_t> sizes = {0, 1, 10, 4095, 4096, 4097, 20000, 131072};
    const int64_t size = r_.Pick(sizes);
    return op == FuzzOp::kFallocate ? std::max<int64_t>(size, 1) : size;
  }

  int64_t Time() {
    static const std::vector<int64_t> times = {kTimeOmit,
                                               kTimeNow,
                                               0,
                                               1,
                                               1'000'000'000'123'456'789,
                                               1'500'000'000'999'999'999,
                                               1'234'567'890'000'000'000};
    return r_.Pick(times);
  }

  std::string XattrName() {
    static const std::vector<std::string> names = {"user.u",    "user.u",     "user.v",   "user.long.name",
                                                   "trusted.t", "security.s", "nothing.x"};
    return r_.Pick(names);
  }

  std::string XattrValue() {
    if (r_.OneIn(4)) return "";
    return r_.OneIn(6) ? std::string(1000, 'v') : fmt::format("value{}", r_.Below(10));
  }

  FuzzRandom& r_;
  std::vector<std::string> directories_, paths_;
  const OriginModel& model_;
};

}  // namespace

uint64_t FuzzRandom::Next() {
  state_ += 0x9e3779b97f4a7c15U;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

uint64_t DeriveSeed(uint64_t seed, uint64_t index, std::string_view purpose) {
  uint64_t mixed = seed * 0x9e3779b97f4a7c15U + index;
  for (const char c : purpose) mixed = (mixed ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return FuzzRandom(mixed).Next();
}

std::string Coverage::Key(FuzzOp op, const Target& target) {
  return fmt::format("{} {} {}", RowOf(op).name, target.origin, target.type);
}

double Coverage::Cost(FuzzOp op, const Target& target) const {
  const auto found = counts_.find(Key(op, target));
  if (found == counts_.end()) return 0;
  // What always ends a program is seldom worth it: the rest of the program is lost.
  return static_cast<double>(found->second.ran) + 50.0 * static_cast<double>(found->second.deviated);
}

std::string Coverage::ToText() const {
  std::map<std::string, std::map<std::string, int64_t>> by_op;
  for (const auto& [key, count] : counts_) {
    const size_t first = key.find(' ');
    const size_t second = key.find(' ', first + 1);
    by_op[key.substr(0, first)][key.substr(first + 1, second - first - 1)] += count.ran;
  }
  std::string text;
  for (const auto& [op, origins] : by_op) {
    std::string line = fmt::format("  {:<13}", op);
    for (const auto& [origin, ran] : origins) line += fmt::format(" {} {},", origin, ran);
    line.pop_back();
    text += line + "\n";
  }
  return text;
}

FuzzStep GenerateStep(FuzzRandom& random, const OriginModel& model, const Coverage& coverage) {
  StepMaker maker(random, model);
  FuzzStep best = maker.Make();
  double best_cost = coverage.Cost(best.op, model.TargetOf(best));
  // Now and then whatever comes, so that no long sequence is out of reach.
  const int more = random.OneIn(4) ? 0 : kCandidates - 1;
  for (int i = 0; i < more; ++i) {
    FuzzStep other = maker.Make();
    const double cost = coverage.Cost(other.op, model.TargetOf(other));
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
  if (random.OneIn(60)) return std::string(255, 'L');
  return random.Pick(names);
}

std::string RandomData(FuzzRandom& random) {
  static const std::vector<size_t> sizes = {0, 1, 5, 13, 100, 4096, 5000, 20000};
  const size_t size = random.Pick(sizes);
  return std::string(size, static_cast<char>('A' + random.Below(26)));
}

}  // namespace layermark
