#include "conformance/fuzz/layer_words.h"

#include <algorithm>
#include <iterator>

namespace layermark {
namespace {

constexpr LayerOpRow kRows[] = {
    {StepOp::kDir, "dir", kFieldPath | kFieldMode},
    {StepOp::kFile, "file", kFieldPath | kFieldData | kFieldMode},
    {StepOp::kWrite, "write", kFieldPath | kFieldOffset | kFieldData},
    {StepOp::kTruncate, "truncate", kFieldPath | kFieldSize},
    {StepOp::kSparse, "sparse", kFieldPath | kFieldSize | kFieldOffset | kFieldData | kFieldMode},
    {StepOp::kSymlink, "symlink", kFieldPath | kFieldTarget},
    {StepOp::kLink, "link", kFieldPath | kFieldTarget},
    {StepOp::kMknod, "mknod", kFieldPath | kFieldMode | kFieldRdev},
    {StepOp::kRemove, "remove", kFieldPath},
    {StepOp::kRemoveAll, "remove_all", kFieldPath},
    {StepOp::kRename, "rename", kFieldPath | kFieldTarget},
    {StepOp::kChmod, "chmod", kFieldPath | kFieldMode},
    {StepOp::kChown, "chown", kFieldPath | kFieldOwner},
    {StepOp::kSetXattr, "setxattr", kFieldPath | kFieldName | kFieldData},
    {StepOp::kRemoveXattr, "removexattr", kFieldPath | kFieldName},
    {StepOp::kTimes, "times", kFieldPath | kFieldTimes},
};

bool NamesXattr(StepOp op) {
  return op == StepOp::kSetXattr || op == StepOp::kRemoveXattr;
}

}  // namespace

const LayerOpRow& RowOf(StepOp op) {
  return kRows[static_cast<size_t>(op)];
}

const LayerOpRow* FindLayerOp(std::string_view name) {
  const auto* found = std::find_if(std::begin(kRows), std::end(kRows),
                                   [&](const LayerOpRow& row) { return row.name == name; });
  return found == std::end(kRows) ? nullptr : found;
}

FuzzStep ArgumentsOf(const Step& step) {
  FuzzStep s;
  s.path = step.path;
  (NamesXattr(step.op) ? s.name : s.target) = step.target;
  s.data = step.data;
  s.mode = step.mode;
  s.uid = static_cast<int32_t>(step.uid);
  s.gid = static_cast<int32_t>(step.gid);
  s.rdev = step.rdev;
  s.offset = step.offset;
  s.size = step.size;
  s.atime_ns = step.atime_ns;
  s.mtime_ns = step.mtime_ns;
  return s;
}

Step LayerStepOf(StepOp op, const FuzzStep& a) {
  Step s;
  s.op = op;
  s.path = a.path;
  s.target = NamesXattr(op) ? a.name : a.target;
  s.data = a.data;
  s.mode = a.mode;
  if (op == StepOp::kChown) {
    s.uid = static_cast<uid_t>(a.uid);
    s.gid = static_cast<gid_t>(a.gid);
  }
  s.rdev = a.rdev;
  s.offset = a.offset;
  s.size = a.size;
  s.atime_ns = a.atime_ns;
  s.mtime_ns = a.mtime_ns;
  return s;
}

}  // namespace layermark
