#include "conformance/fuzz/program.h"

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
#include <iterator>

namespace layermark {
namespace {

const std::vector<FuzzFlag> kOpenWords = {
    {"WRONLY", O_WRONLY},     {"RDWR", O_RDWR},       {"CREAT", O_CREAT}, {"EXCL", O_EXCL},
    {"TRUNC", O_TRUNC},       {"APPEND", O_APPEND},   {"SYNC", O_SYNC},   {"DIRECTORY", O_DIRECTORY},
    {"NOFOLLOW", O_NOFOLLOW}, {"NOATIME", O_NOATIME}, {"PATH", O_PATH}};
const std::vector<FuzzFlag> kRenameWords = {
    {"NOREPLACE", RENAME_NOREPLACE}, {"EXCHANGE", RENAME_EXCHANGE}, {"WHITEOUT", RENAME_WHITEOUT}};
const std::vector<FuzzFlag> kXattrWords = {{"CREATE", XATTR_CREATE}, {"REPLACE", XATTR_REPLACE}};
const std::vector<FuzzFlag> kFallocateWords = {{"KEEP_SIZE", FALLOC_FL_KEEP_SIZE},
                                               {"PUNCH_HOLE", FALLOC_FL_PUNCH_HOLE},
                                               {"ZERO_RANGE", FALLOC_FL_ZERO_RANGE},
                                               {"COLLAPSE_RANGE", FALLOC_FL_COLLAPSE_RANGE},
                                               {"INSERT_RANGE", FALLOC_FL_INSERT_RANGE}};
const std::vector<FuzzFlag> kLockWords = {
    {"SHARED", LOCK_SH}, {"EXCLUSIVE", LOCK_EX}, {"UNLOCK", LOCK_UN}, {"OFD", kLockOfd}};
const std::vector<FuzzFlag> kSeekWords = {{"DATA", SEEK_DATA}, {"HOLE", SEEK_HOLE}, {"END", SEEK_END}};
const std::vector<FuzzFlag> kLinkWords = {{"FOLLOW", AT_SYMLINK_FOLLOW}};
const std::vector<FuzzFlag> kBufferWords = {{"SIZE_ONLY", kXattrSizeOnly}, {"SHORT", kXattrShort}};
const std::vector<FuzzFlag> kInodeWords = {{"IMMUTABLE", FS_IMMUTABLE_FL},
                                           {"APPEND", FS_APPEND_FL},
                                           {"NODUMP", FS_NODUMP_FL},
                                           {"NOATIME", FS_NOATIME_FL}};
const std::vector<FuzzFlag> kFollowWords = {{"NOFOLLOW", AT_SYMLINK_NOFOLLOW}};

constexpr unsigned kP = kFieldPath, kS = kFieldSlot;

bool StaysInside(const std::string& path, bool may_be_empty) {
  if (path.empty()) return may_be_empty;
  if (path.size() > 4095 || path[0] == '/' || path.find('\0') != std::string::npos) return false;
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (std::string_view(path).substr(begin, end - begin) == "..") return false;
    begin = end + 1;
  }
  return true;
}

// Majors of which no driver has any: between those that are fixed and those that are handed out (384 to 511).
constexpr unsigned kUnusedMajors[] = {300, 301};

// Nodes that do nothing when they are opened, read or written.
bool IsHarmless(mode_t mode, dev_t rdev) {
  const mode_t type = mode & S_IFMT;
  if (type == S_IFIFO || type == S_IFSOCK || type == S_IFREG || type == 0) return true;
  if ((type == S_IFCHR || type == S_IFBLK) && rdev == 0) return true;  // there is no driver for 0:0
  const bool unused =
      std::find(std::begin(kUnusedMajors), std::end(kUnusedMajors), major(rdev)) != std::end(kUnusedMajors);
  if ((type == S_IFCHR || type == S_IFBLK) && unused) return true;
  return type == S_IFCHR && major(rdev) == 1 && (minor(rdev) == 3 || minor(rdev) == 5 || minor(rdev) == 7);
}

bool InRange(int64_t value) {
  return value >= 0 && value <= kMaxFuzzOffset;
}

bool IsHarmlessName(const std::string& name) {
  return name.size() <= 300 && name.find('\0') == std::string::npos;
}

}  // namespace

const std::vector<FuzzOpRow>& AllFuzzOps() {
  static const std::vector<FuzzOpRow> rows = {
      {FuzzOp::kOpen, "open", kS | kP | kFieldFlags | kFieldMode, &kOpenWords},
      {FuzzOp::kClose, "close", kS, nullptr},
      {FuzzOp::kFdRead, "fd_read", kS | kFieldOffset | kFieldSize, nullptr},
      {FuzzOp::kFdWrite, "fd_write", kS | kFieldOffset | kFieldData, nullptr},
      {FuzzOp::kFdStat, "fd_stat", kS, nullptr},
      {FuzzOp::kFdTruncate, "fd_truncate", kS | kFieldSize, nullptr},
      {FuzzOp::kFdChmod, "fd_chmod", kS | kFieldMode, nullptr},
      {FuzzOp::kFdChown, "fd_chown", kS | kFieldOwner, nullptr},
      {FuzzOp::kFdTimes, "fd_times", kS | kFieldTimes, nullptr},
      {FuzzOp::kFdSetXattr, "fd_setxattr", kS | kFieldName | kFieldData | kFieldFlags, &kXattrWords},
      {FuzzOp::kFdGetXattr, "fd_getxattr", kS | kFieldName, nullptr},
      {FuzzOp::kFdSame, "fd_same", kS | kP, nullptr},
      {FuzzOp::kFdSync, "fd_sync", kS, nullptr},
      {FuzzOp::kFallocate, "fallocate", kS | kFieldFlags | kFieldOffset | kFieldSize, &kFallocateWords},
      {FuzzOp::kCopyRange, "copy_range", kS | kFieldFrom | kFieldOffset | kFieldSize, nullptr},
      {FuzzOp::kReflink, "reflink", kS | kFieldFrom, nullptr},
      {FuzzOp::kMmapWrite, "mmap_write", kS | kFieldOffset | kFieldData, nullptr},
      {FuzzOp::kMmapRead, "mmap_read", kS | kFieldOffset | kFieldSize, nullptr},
      {FuzzOp::kSendfile, "sendfile", kS | kFieldFrom | kFieldOffset | kFieldSize, nullptr},
      {FuzzOp::kLock, "lock", kS | kFieldFlags, &kLockWords},
      {FuzzOp::kSeek, "seek", kS | kFieldFlags | kFieldOffset, &kSeekWords},
      {FuzzOp::kTmpfile, "tmpfile", kS | kP | kFieldMode, nullptr},
      {FuzzOp::kFdLink, "fd_link", kS | kP, nullptr},
      {FuzzOp::kFdList, "fd_list", kS, nullptr},
      {FuzzOp::kCreate, "create", kP | kFieldData | kFieldMode, nullptr},
      {FuzzOp::kRead, "read", kP, nullptr},
      {FuzzOp::kWrite, "write", kP | kFieldOffset | kFieldData, nullptr},
      {FuzzOp::kAppend, "append", kP | kFieldData, nullptr},
      {FuzzOp::kTruncate, "truncate", kP | kFieldSize, nullptr},
      {FuzzOp::kRename, "rename", kP | kFieldTarget | kFieldFlags, &kRenameWords},
      {FuzzOp::kLink, "link", kP | kFieldTarget | kFieldFlags, &kLinkWords},
      {FuzzOp::kUnlink, "unlink", kP, nullptr},
      {FuzzOp::kRmdir, "rmdir", kP, nullptr},
      {FuzzOp::kMkdir, "mkdir", kP | kFieldMode, nullptr},
      {FuzzOp::kSymlink, "symlink", kP | kFieldTarget, nullptr},
      {FuzzOp::kReadlink, "readlink", kP, nullptr},
      {FuzzOp::kMknod, "mknod", kP | kFieldMode | kFieldRdev, nullptr},
      {FuzzOp::kList, "list", kP, nullptr},
      {FuzzOp::kListPieces, "list_pieces", kP, nullptr},
      {FuzzOp::kListInodes, "list_inodes", kP, nullptr},
      {FuzzOp::kListRemove, "list_remove", kP, nullptr},
      {FuzzOp::kListCreate, "list_create", kP, nullptr},
      {FuzzOp::kStat, "stat", kP | kFieldFlags, &kFollowWords},
      {FuzzOp::kStatfs, "statfs", kP, nullptr},
      {FuzzOp::kSameFile, "same_file", kP | kFieldTarget, nullptr},
      {FuzzOp::kAccess, "access", kP | kFieldMode, nullptr},
      {FuzzOp::kChmod, "chmod", kP | kFieldMode, nullptr},
      {FuzzOp::kChown, "chown", kP | kFieldOwner | kFieldFlags, &kFollowWords},
      {FuzzOp::kTimes, "times", kP | kFieldTimes | kFieldFlags, &kFollowWords},
      {FuzzOp::kSetXattr, "setxattr", kP | kFieldName | kFieldData | kFieldFlags, &kXattrWords},
      {FuzzOp::kGetXattr, "getxattr", kP | kFieldName | kFieldFlags, &kBufferWords},
      {FuzzOp::kListXattr, "listxattr", kP, nullptr},
      {FuzzOp::kRemoveXattr, "removexattr", kP | kFieldName, nullptr},
      {FuzzOp::kGetFlags, "getflags", kP, nullptr},
      {FuzzOp::kSetFlags, "setflags", kP | kFieldFlags, &kInodeWords},
      {FuzzOp::kCheck, "check", 0, nullptr},
      {FuzzOp::kRemount, "remount", 0, nullptr},
      {FuzzOp::kCommit, "commit", 0, nullptr},
      {FuzzOp::kDiff, "diff", 0, nullptr},
  };
  return rows;
}

const FuzzOpRow& RowOf(FuzzOp op) {
  return AllFuzzOps()[static_cast<size_t>(op)];  // in the order of the enum; the test holds it to that
}

const FuzzOpRow* FindFuzzOp(std::string_view name) {
  const auto& rows = AllFuzzOps();
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const FuzzOpRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

bool OnlyLooks(FuzzOp op) {
  switch (op) {
    case FuzzOp::kCheck:
    case FuzzOp::kRemount:
    case FuzzOp::kCommit:
    case FuzzOp::kDiff:
    case FuzzOp::kClose:
    case FuzzOp::kFdStat:
    case FuzzOp::kFdGetXattr:
    case FuzzOp::kFdSame:
    case FuzzOp::kFdSync:
    case FuzzOp::kFdList:
    case FuzzOp::kMmapRead:
    case FuzzOp::kRead:
    case FuzzOp::kReadlink:
    case FuzzOp::kList:
    case FuzzOp::kListPieces:
    case FuzzOp::kListInodes:
    case FuzzOp::kStat:
    case FuzzOp::kStatfs:
    case FuzzOp::kSameFile:
    case FuzzOp::kAccess:
    case FuzzOp::kGetXattr:
    case FuzzOp::kListXattr:
    case FuzzOp::kGetFlags:
      return true;
    default:
      return false;
  }
}

bool AsksAboutLayers(const FuzzProgram& program) {
  return program.steps.empty() || (program.steps.size() == 1 && program.steps[0].op == FuzzOp::kCheck);
}

Status CheckFuzzStep(const FuzzStep& s) {
  const FuzzOpRow& row = RowOf(s.op);
  auto bad = [&](const std::string& what) { return InvalidArgument(fmt::format("{}: {}", row.name, what)); };
  const auto needs = [&](unsigned field) { return (row.fields & field) != 0; };
  if (needs(kFieldPath) && !StaysInside(s.path, true)) return bad("path must be relative, without \"..\"");
  if (needs(kFieldTarget) && !StaysInside(s.target, false))
    return bad("target must be relative, without \"..\"");
  if (!IsHarmlessName(s.name)) return bad("the name of an xattr is too long or holds NUL");
  if (s.slot < 0 || s.slot >= kFuzzSlots || s.from < 0 || s.from >= kFuzzSlots) {
    return bad(fmt::format("a slot must be 0 to {}", kFuzzSlots - 1));
  }
  if (s.data.size() > kMaxFuzzData) return bad("data is too long");
  if (s.offset < -1 || s.offset > kMaxFuzzOffset || !InRange(s.size))
    return bad("offset or size out of range");
  if (s.op == FuzzOp::kMknod && !IsHarmless(s.mode, s.rdev)) {
    return bad(
        "only fifos, sockets, regular files and the devices 0:0, 1:3, 1:5, 1:7, 300:N and 301:N may be made");
  }
  return Status::Ok();
}

Status CheckLayerStep(const Step& s) {
  if (!StaysInside(s.path, true)) return InvalidArgument("layer: path must be relative, without \"..\"");
  const bool is_xattr = s.op == StepOp::kSetXattr || s.op == StepOp::kRemoveXattr;
  if (is_xattr ? !IsHarmlessName(s.target) : !StaysInside(s.target, true)) {
    return InvalidArgument("layer: target must be relative, without \"..\"");
  }
  if (s.data.size() > kMaxFuzzData || !InRange(s.offset) || !InRange(s.size)) {
    return InvalidArgument("layer: data, offset or size out of range");
  }
  if (s.op == StepOp::kMknod && !IsHarmless(s.mode, s.rdev)) {
    return InvalidArgument(
        "layer: only fifos, sockets and the devices 0:0, 1:3, 1:5, 1:7, 300:N and 301:N may be made");
  }
  return Status::Ok();
}

Status CheckFuzzProgram(const FuzzProgram& program) {
  if (program.layers.size() > kMaxFuzzLayers) return InvalidArgument("too many layers");
  size_t steps = program.steps.size();
  size_t total = 0;
  for (const Layer& layer : program.layers) {
    steps += layer.steps().size();
    for (const Step& step : layer.steps()) {
      LM_TRY(CheckLayerStep(step));
      total += step.data.size();
    }
  }
  for (const FuzzStep& step : program.steps) {
    LM_TRY(CheckFuzzStep(step));
    total += step.data.size();
  }
  if (steps > kMaxFuzzSteps) return InvalidArgument("too many steps");
  if (total > kMaxFuzzTotal) return InvalidArgument("too much data");
  return Status::Ok();
}

}  // namespace layermark
