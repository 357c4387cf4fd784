// A fuzz program: the lower layers as steps of the tree language, then operations on the mounted snapshot.
//
// A program is data. It is generated, run on both sides of a comparison, shrunk, saved as text and read back.
// Nothing in it can reach outside the root that it runs on: paths are relative and hold no "..", symlink
// targets neither, and only device nodes without effect (null, zero, full,
// and numbers without a driver) are allowed; Check() says so.
// Threads: values.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_PROGRAM_H_
#define LAYERMARK_CONFORMANCE_FUZZ_PROGRAM_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/tree/layer.h"

namespace layermark {

inline constexpr int kFuzzSlots = 6;          // descriptors that live on between steps
inline constexpr size_t kMaxFuzzLayers = 16;  // bounds of a program that comes from a file
inline constexpr size_t kMaxFuzzSteps = 20'000;
inline constexpr size_t kMaxFuzzData = size_t{1} << 20;    // of one content
inline constexpr size_t kMaxFuzzTotal = size_t{16} << 20;  // of all contents together
inline constexpr int64_t kMaxFuzzOffset = int64_t{1} << 24;

enum class FuzzOp {
  // Descriptors in slots.
  kOpen,
  kClose,
  kFdRead,
  kFdWrite,
  kFdStat,
  kFdTruncate,
  kFdChmod,
  kFdChown,
  kFdTimes,
  kFdSetXattr,
  kFdGetXattr,
  kFdSame,  // is the open object the one that the path names?
  kFdSync,
  kFallocate,
  kCopyRange,
  kReflink,
  kMmapWrite,
  kMmapRead,
  kSendfile,
  kLock,
  kSeek,
  kTmpfile,
  kFdLink,
  kFdList,
  // Whole files and names.
  kCreate,
  kRead,
  kWrite,
  kAppend,
  kTruncate,
  kRename,
  kLink,
  kUnlink,
  kRmdir,
  kMkdir,
  kSymlink,
  kReadlink,
  kMknod,
  kList,
  kListPieces,
  kListInodes,  // do the numbers in the directory agree with stat?
  kListRemove,  // what is no directory is unlinked while it is being listed
  kListCreate,  // files are made while it is being listed
  // Attributes.
  kStat,
  kStatfs,
  kSameFile,  // are two names one object?
  kAccess,
  kChmod,
  kChown,
  kTimes,
  kSetXattr,
  kGetXattr,
  kListXattr,
  kRemoveXattr,
  kGetFlags,  // inode flags, of chattr
  kSetFlags,
  // The snapshot itself. Slots are closed, then the whole trees are compared.
  kCheck,    // compares only; slots stay open
  kRemount,  // unmount and mount again
  kCommit,   // commit, and a new snapshot on top
  kDiff,  // as kCommit, and the layer as a tar, applied to a new snapshot on the parent, must give the same
};
inline constexpr size_t kMetaFuzzOps = 4;
inline constexpr int64_t kLockOfd = 0x100;     // of kLock: an open file description lock of all bytes
inline constexpr int64_t kXattrSizeOnly = 16;  // of kGetXattr: no buffer
inline constexpr int64_t kXattrShort = 32;     // a buffer of one byte

// The arguments that an operation takes; every step may also carry `as`.
enum FuzzField : unsigned {
  kFieldPath = 1,
  kFieldTarget = 2,
  kFieldName = 4,
  kFieldData = 8,
  kFieldSlot = 16,
  kFieldFrom = 32,
  kFieldFlags = 64,
  kFieldMode = 128,
  kFieldOwner = 256,
  kFieldRdev = 512,
  kFieldOffset = 1024,
  kFieldSize = 2048,
  kFieldTimes = 4096,
};

struct FuzzStep {
  FuzzOp op = FuzzOp::kCheck;
  std::string path;
  std::string target;  // rename destination, new name of a link, symlink target
  std::string name;    // of an xattr
  std::string data;
  int slot = 0;
  int from = 0;  // a second slot
  int64_t flags = 0;
  mode_t mode = 0;
  int64_t uid = -1, gid = -1;
  dev_t rdev = 0;
  int64_t offset = 0;
  int64_t size = 0;
  int64_t atime_ns = 0, mtime_ns = 0;  // kTimeOmit and kTimeNow besides times
  uid_t as = 0;                        // user and group of the file system calls
  bool operator==(const FuzzStep&) const = default;
};
inline constexpr int64_t kTimeOmit = INT64_MIN;
inline constexpr int64_t kTimeNow = INT64_MIN + 1;

// What an operation is called and takes.
struct FuzzFlag {
  const char* name;
  int64_t value;
};
struct FuzzOpRow {
  FuzzOp op;
  const char* name;
  unsigned fields;
  const std::vector<FuzzFlag>* flags;  // words of `flags`; nullptr where it takes none
};
const std::vector<FuzzOpRow>& AllFuzzOps();
const FuzzOpRow& RowOf(FuzzOp op);
const FuzzOpRow* FindFuzzOp(std::string_view name);
inline bool IsMeta(FuzzOp op) {
  return op >= FuzzOp::kCheck;
}

struct FuzzProgram {
  std::vector<Layer> layers;  // lowest first
  std::vector<FuzzStep> steps;
};

// True for what changes neither the tree nor a descriptor's position.
bool OnlyLooks(FuzzOp op);

// True for a program that asks about its layers alone: nothing, or a check.
bool AsksAboutLayers(const FuzzProgram& program);

// kInvalidArgument for what could reach outside or go beyond the bounds.
Status CheckFuzzStep(const FuzzStep& step);
Status CheckLayerStep(const Step& step);
Status CheckFuzzProgram(const FuzzProgram& program);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_PROGRAM_H_
