// Files of fuzz programs, of system calls and of calls of the contract: what was read and written again is
// read as the same program.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "conformance/fuzz/calls.h"
#include "conformance/fuzz/layer_words.h"
#include "conformance/fuzz/program_text.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {
namespace {

FuzzProgram EveryOperation() {
  FuzzProgram program;
  Layer layer;
  layer.Dir("a", 0755).File("a/f", std::string(100, 'x'), 0644).Link("g", "a/f").Symlink("s", "a");
  layer.Mknod("n", S_IFCHR | 0600, makedev(1, 3)).Chown("a/f", 7, 8).SetXattr("a/f", "user.x", "v");
  layer.Times("a/f", -5, 1'700'000'000'000'000'001).Sparse("h", 100, 50, "data");
  program.layers = {layer, Layer()};
  for (const FuzzOpRow& row : AllFuzzOps()) {
    FuzzStep step;
    step.op = row.op;
    if ((row.fields & kFieldPath) != 0) step.path = "a/f";
    if ((row.fields & kFieldTarget) != 0) step.target = "b";
    if ((row.fields & kFieldName) != 0) step.name = "user.n";
    if ((row.fields & kFieldData) != 0) step.data = "12\n";
    if ((row.fields & kFieldMode) != 0) step.mode = S_IFIFO | 0600;
    if ((row.fields & kFieldRdev) != 0) step.rdev = makedev(1, 3);
    if ((row.fields & kFieldTimes) != 0) step.atime_ns = kTimeOmit;
    if (row.flags != nullptr && !row.flags->empty()) step.flags = row.flags->front().value;
    program.steps.push_back(step);
  }
  return program;
}

// A program with each verb of the contract's calls and each argument.
std::string EveryCall() {
  return "layermark-calls 1\n"
         "prepare key=\"a b\" parent=\"\" label=\"k=v\" label=\"l=\"\n"
         "fill key=\"a b\" mounts=\"given\" step=\"file path=\\\"f\\\" data=\\\"ab\\\"*40 mode=0644\" "
         "step=\"mknod path=\\\"d\\\" mode=020600 rdev=301:300\"\n"
         "look key=\"a b\"\nmounts key=\"a b\"\nusage key=\"a b\"\n"
         "commit name=\"\\303\\274\" key=\"a b\" label=\"m=n\" rebase=\"\"\n"
         "view key=\"v\" parent=\"\\303\\274\"\nstat key=\"v\"\n"
         "update key=\"v\" label=\"k=w\" path=\"labels.k\"\n"
         "walk filter=\"kind==view,name~=v\"\nremove key=\"v\"\ncleanup\nreopen\n";
}

}  // namespace

std::vector<std::string> Seeds() {
  return {ToText(EveryOperation()), EveryCall(), "layermark-fuzz 1\nsteps\n",
          "layermark-fuzz 1\n# c\nlayer\n  file path=\"f\" data=\"x\"*4096 mode=0644\nsteps\n  open slot=0 "
          "path=\"f\" "
          "flags=RDWR|APPEND mode=0644\n  fd_write slot=0 offset=-1 data=\"\\0017\\n\" as=1000\n  check\n",
          "layermark-fuzz 1\nlayer\n dir path=\"..\"\nsteps\n times path=\"a\" atime=now mtime=omit\n"};
}

void SetUp() {}

void RunCallText(std::string_view input) {
  const Result<CallProgram> calls = ParseCallProgram(input);
  if (!calls.ok()) {
    Promise(calls.status().code() == Code::kInvalidArgument, "a bad program of calls is INVALID_ARGUMENT");
    return;
  }
  const Result<CallProgram> again = ParseCallProgram(ToText(*calls));
  Promise(again.ok() && *again == *calls, "what was written is read as the same calls");
}

void Run(std::string_view input) {
  if (IsCallProgram(input)) return RunCallText(input);
  const Result<FuzzProgram> program = ParseFuzzProgram(input);
  if (!program.ok()) {
    Promise(program.status().code() == Code::kInvalidArgument, "a bad program is INVALID_ARGUMENT");
    return;
  }
  Promise(CheckFuzzProgram(*program).ok(), "what was read cannot reach outside");
  const std::string text = ToText(*program);
  const Result<FuzzProgram> again = ParseFuzzProgram(text);
  Promise(again.ok(), "what was written can be read");
  Promise(again->steps == program->steps, "what was written is read as the same steps");
  Promise(again->layers.size() == program->layers.size(), "what was written has the same layers");
  Promise(ToText(*again) == text, "what was written is written as the same text");
}

}  // namespace layermark::fuzz_target
