#include "conformance/fuzz/executor.h"

#include <fmt/core.h>
#include <sys/fsuid.h>
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

void Executor::Attach(int root_fd) {
  Detach();
  root_ = root_fd;
}

void Executor::Detach() {
  for (Fd& slot : slots_) slot = Fd();
  root_ = -1;
  (void)!chdir("/");
}

Outcome Executor::Run(const FuzzStep& step) {
  if (fchdir(root_) != 0) return fuzz_internal::Done(-1);
  if (step.as == 0) return Dispatch(step);
  // The group first: setfsuid takes the capability away that setfsgid needs.
  setfsgid(step.as);
  setfsuid(step.as);
  const Outcome outcome = Dispatch(step);
  setfsuid(0);
  setfsgid(0);
  return outcome;
}

Outcome Executor::Dispatch(const FuzzStep& step) {
  if (step.op == FuzzOp::kOpen || step.op == FuzzOp::kTmpfile || (RowOf(step.op).fields & kFieldSlot) != 0) {
    return OnSlot(step);
  }
  return step.op >= FuzzOp::kStat ? OnAttributes(step) : OnPath(step);
}

}  // namespace layermark
