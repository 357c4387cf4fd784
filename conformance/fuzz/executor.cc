#include "conformance/fuzz/executor.h"

#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "conformance/fuzz/system_calls.h"
#include "core/result.h"

namespace layermark {

std::string ToString(const Outcome& outcome) {
  if (outcome.error != 0) return ErrnoName(outcome.error);
  std::string text = "ok";
  if (outcome.value != 0) text += fmt::format(" {}", outcome.value);
  if (!outcome.seen.empty()) text += " " + outcome.seen;
  return text;
}

namespace {

// Takes "KEY=VALUE " out of a text of such words; answers VALUE, "" where there is none.
std::string CutWord(std::string* text, const std::string& key) {
  const size_t begin = text->find(key);
  if (begin == std::string::npos) return "";
  const size_t value = begin + key.size();
  const size_t end = text->find(' ', value);
  std::string cut = text->substr(value, end == std::string::npos ? end : end - value);
  text->erase(begin, end == std::string::npos ? end : end - begin);
  return cut;
}

}  // namespace

void DropWhatMayDiffer(Outcome* expected, Outcome* seen) {
  if (expected->seen == seen->seen) return;
  static const std::string kLinks = " dirlinks=";
  Outcome left = *expected;
  Outcome right = *seen;
  const std::string links = CutWord(&left.seen, kLinks);
  const std::string other_links = CutWord(&right.seen, kLinks);
  if (links == "1" || other_links == "1") {
    *expected = left;
    *seen = right;
  }
  left = *expected;
  right = *seen;
  const std::string number = CutWord(&left.seen, " ino=");
  (void)CutWord(&right.seen, " ino=");
  if (number != "same") {
    *expected = left;
    *seen = right;
  }
}

void Executor::Attach(int root_fd, int64_t recent_ns) {
  Detach();
  root_ = root_fd;
  recent_ns_ = recent_ns;
}

void Executor::Detach() {
  for (const Fd& fd : flagged_) {
    int flags = 0;
    if (ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) continue;
    flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL);
    (void)ioctl(fd.get(), FS_IOC_SETFLAGS, &flags);
  }
  flagged_.clear();
  numbers_.clear();
  for (Fd& slot : slots_) slot = Fd();
  root_ = -1;
  (void)!chdir("/");
}

Outcome Executor::Run(const FuzzStep& step) {
  if (fchdir(root_) != 0) return fuzz_internal::Done(-1);
  if (step.as == 0) {
    Outcome outcome = Dispatch(step);
    ForgetNumbers(step, outcome);
    return outcome;
  }
  // The group first: setfsuid takes the capability away that setfsgid needs.
  setfsgid(step.as);
  setfsuid(step.as);
  Outcome outcome = Dispatch(step);
  setfsuid(0);
  setfsgid(0);
  ForgetNumbers(step, outcome);
  return outcome;
}

// A number that was given up may be given to another object. A rename keeps it.
void Executor::ForgetNumbers(const FuzzStep& step, const Outcome& outcome) {
  if (step.op != FuzzOp::kUnlink && step.op != FuzzOp::kRmdir && step.op != FuzzOp::kRename &&
      step.op != FuzzOp::kListRemove) {
    return;
  }
  const auto moved = numbers_.find(step.path);
  const bool keep =
      step.op == FuzzOp::kRename && step.flags == 0 && outcome.error == 0 && moved != numbers_.end();
  const ino_t number = keep ? moved->second : 0;
  numbers_.clear();
  if (keep) numbers_[step.target] = number;
}

Outcome Executor::Dispatch(const FuzzStep& step) {
  if (step.op == FuzzOp::kOpen || step.op == FuzzOp::kTmpfile || (RowOf(step.op).fields & kFieldSlot) != 0) {
    return OnSlot(step);
  }
  if (step.op == FuzzOp::kGetFlags || step.op == FuzzOp::kSetFlags) return OnInodeFlags(step);
  return step.op >= FuzzOp::kStat ? OnAttributes(step) : OnPath(step);
}

}  // namespace layermark
