#include "core/tree/layer.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <utility>

#include "core/tree/printable.h"

namespace layermark {
namespace {

Step MakeStep(StepOp op, std::string path) {
  Step step;
  step.op = op;
  step.path = std::move(path);
  return step;
}

// The root is written "/": an empty word would be easy to miss in a message.
std::string PathText(const std::string& path) {
  return path.empty() ? "/" : Printable(path);
}

std::string DeviceKind(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "char";
    case S_IFBLK:
      return "block";
    case 0:
    case S_IFREG:
      return "regular";
    default:
      return fmt::format("type {:#o}", mode & S_IFMT);
  }
}

std::string IdText(unsigned id) {
  return id == static_cast<unsigned>(-1) ? "-1" : fmt::format("{}", id);
}

}  // namespace

std::string ToString(const Step& step) {
  const std::string path = PathText(step.path);
  const std::string target = PathText(step.target);
  const unsigned permissions = step.mode & 07777;
  switch (step.op) {
    case StepOp::kDir:
      return fmt::format("dir({}, {:04o})", path, permissions);
    case StepOp::kFile:
      return fmt::format("file({}, {} bytes, {:04o})", path, step.data.size(), permissions);
    case StepOp::kWrite:
      return fmt::format("write({}, offset {}, {} bytes)", path, step.offset, step.data.size());
    case StepOp::kTruncate:
      return fmt::format("truncate({}, {})", path, step.size);
    case StepOp::kSparse:
      return fmt::format("sparse({}, size {}, {} bytes at {}, {:04o})", path, step.size, step.data.size(),
                         step.offset, permissions);
    case StepOp::kSymlink:
      return fmt::format("symlink({} -> {})", path, Printable(step.target, 128));
    case StepOp::kLink:
      return fmt::format("link({} = {})", path, target);
    case StepOp::kMknod:
      return fmt::format("mknod({}, {}, {:04o}, {}:{})", path, DeviceKind(step.mode), permissions,
                         major(step.rdev), minor(step.rdev));
    case StepOp::kRemove:
      return fmt::format("remove({})", path);
    case StepOp::kRemoveAll:
      return fmt::format("remove_all({})", path);
    case StepOp::kRename:
      return fmt::format("rename({}, {})", path, target);
    case StepOp::kChmod:
      return fmt::format("chmod({}, {:04o})", path, permissions);
    case StepOp::kChown:
      return fmt::format("chown({}, {}, {})", path, IdText(step.uid), IdText(step.gid));
    case StepOp::kSetXattr:
      return fmt::format("setxattr({}, {}, {} bytes)", path, Printable(step.target), step.data.size());
    case StepOp::kRemoveXattr:
      return fmt::format("removexattr({}, {})", path, Printable(step.target));
    case StepOp::kTimes:
      return fmt::format("times({}, atime {}, mtime {})", path, SecondsText(step.atime_ns),
                         SecondsText(step.mtime_ns));
  }
  return fmt::format("step {}({})", static_cast<int>(step.op), path);
}

Layer& Layer::Add(Step step) {
  steps_.push_back(std::move(step));
  return *this;
}

Layer& Layer::Dir(std::string path, mode_t mode) {
  Step step = MakeStep(StepOp::kDir, std::move(path));
  step.mode = mode;
  return Add(std::move(step));
}

Layer& Layer::File(std::string path, std::string data, mode_t mode) {
  Step step = MakeStep(StepOp::kFile, std::move(path));
  step.data = std::move(data);
  step.mode = mode;
  return Add(std::move(step));
}

Layer& Layer::Write(std::string path, int64_t offset, std::string data) {
  Step step = MakeStep(StepOp::kWrite, std::move(path));
  step.offset = offset;
  step.data = std::move(data);
  return Add(std::move(step));
}

Layer& Layer::Truncate(std::string path, int64_t size) {
  Step step = MakeStep(StepOp::kTruncate, std::move(path));
  step.size = size;
  return Add(std::move(step));
}

Layer& Layer::Sparse(std::string path, int64_t size, int64_t data_offset, std::string data, mode_t mode) {
  Step step = MakeStep(StepOp::kSparse, std::move(path));
  step.size = size;
  step.offset = data_offset;
  step.data = std::move(data);
  step.mode = mode;
  return Add(std::move(step));
}

Layer& Layer::Symlink(std::string path, std::string target) {
  Step step = MakeStep(StepOp::kSymlink, std::move(path));
  step.target = std::move(target);
  return Add(std::move(step));
}

Layer& Layer::Link(std::string path, std::string existing) {
  Step step = MakeStep(StepOp::kLink, std::move(path));
  step.target = std::move(existing);
  return Add(std::move(step));
}

Layer& Layer::Mknod(std::string path, mode_t type_and_mode, dev_t rdev) {
  Step step = MakeStep(StepOp::kMknod, std::move(path));
  step.mode = type_and_mode;
  step.rdev = rdev;
  return Add(std::move(step));
}

Layer& Layer::Fifo(std::string path, mode_t mode) {
  return Mknod(std::move(path), S_IFIFO | (mode & 07777));
}

Layer& Layer::Remove(std::string path) {
  return Add(MakeStep(StepOp::kRemove, std::move(path)));
}

Layer& Layer::RemoveAll(std::string path) {
  return Add(MakeStep(StepOp::kRemoveAll, std::move(path)));
}

Layer& Layer::Rename(std::string from, std::string to) {
  Step step = MakeStep(StepOp::kRename, std::move(from));
  step.target = std::move(to);
  return Add(std::move(step));
}

Layer& Layer::Chmod(std::string path, mode_t mode) {
  Step step = MakeStep(StepOp::kChmod, std::move(path));
  step.mode = mode;
  return Add(std::move(step));
}

Layer& Layer::Chown(std::string path, uid_t uid, gid_t gid) {
  Step step = MakeStep(StepOp::kChown, std::move(path));
  step.uid = uid;
  step.gid = gid;
  return Add(std::move(step));
}

Layer& Layer::SetXattr(std::string path, std::string name, std::string value) {
  Step step = MakeStep(StepOp::kSetXattr, std::move(path));
  step.target = std::move(name);
  step.data = std::move(value);
  return Add(std::move(step));
}

Layer& Layer::RemoveXattr(std::string path, std::string name) {
  Step step = MakeStep(StepOp::kRemoveXattr, std::move(path));
  step.target = std::move(name);
  return Add(std::move(step));
}

Layer& Layer::Times(std::string path, int64_t atime_ns, int64_t mtime_ns) {
  Step step = MakeStep(StepOp::kTimes, std::move(path));
  step.atime_ns = atime_ns;
  step.mtime_ns = mtime_ns;
  return Add(std::move(step));
}

}  // namespace layermark
