// Unmounting a snapshot while its file system holds data of somebody else that is not written yet.
#include <fmt/core.h>
#include <unistd.h>

#include "bench/harness/fixture.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

class UnmountDirty : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_TRY(fixture().subject().CommitLayer("base", "", Layer().File("f", "base")));
    LM_ASSIGN(target_, WorkspaceDirectory("raw"));
    LM_ASSIGN(unrelated_, Open(fixture().raw_directory() + "/unrelated", O_CREAT | O_RDWR, 0600));
    const std::vector<Mount> bind = {{"bind", fixture().raw_directory(), "", {"rbind", "rw"}}};
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return snapshot_.Unmount(); },
                                             [this]() -> Status {
                                               LM_ASSIGN(snapshot_, Written());
                                               return Dirty();
                                             },
                                             [this] { return api().Remove(snapshot_.key()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return mounted_.Unmount(); },
                                          [this, bind]() -> Status {
                                            LM_ASSIGN(mounted_, MountAll(bind, target_));
                                            LM_TRY(WriteFile(target_ + "/small", "raw"));
                                            return Dirty();
                                          });
    return Status::Ok();
  }

  // What was written before the unmount is there after it.
  Status Verify() override {
    LM_ASSIGN(MountedSnapshot snapshot, Written());
    LM_TRY(Dirty());
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Commit("verify", snapshot.key()));
    LM_ASSIGN(MountedSnapshot view, fixture().subject().View("view", "verify"));
    LM_ASSIGN(const std::string seen, ReadFileAt(view.root_fd(), "own"));
    LM_TRY(view.Unmount());
    LM_TRY(api().Remove("view"));
    return seen == "own" ? Status::Ok() : WrongAnswer("what was written before the unmount is gone");
  }

 private:
  Result<MountedSnapshot> Written() {
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare(NextKey("k"), "base"));
    LM_TRY(WriteFileAt(snapshot.root_fd(), "own", "own"));
    return snapshot;
  }

  // Makes every page of the unrelated file dirty again.
  Status Dirty() {
    const std::string chunk(size_t{1} << 20, static_cast<char>('a' + ++round_ % 26));
    for (int64_t at = 0; at < context_.Number("dirty"); at += static_cast<int64_t>(chunk.size()))
      LM_TRY(PWriteAll(unrelated_.get(), chunk, at));
    return Status::Ok();
  }

  int round_ = 0;
  std::string target_;
  Fd unrelated_;
  MountedSnapshot snapshot_;
  Mounted mounted_;
};

LM_WORKLOAD(unmount_dirty,
            {.family = "unmounting",
             .summary = "unmount of a small snapshot beside data of others that is not written yet "
                        "(option volatile of overlay2 spares the flush)",
             .source = "performance.md W23; containerd issue 2886",
             .from = From::kFull,
             .params = {{"dirty", {{"0", "4MiB"}, {"0", "64MiB"}, {"0", "64MiB", "1GiB"}}}},
             .operation = "unmount",
             .raw_twin = "unmount of a bind mount, beside the same data",
             .backing_bytes = int64_t{3} << 30,
             .min_pairs = 6,
             .max_pairs = 60,
             .deadline_seconds = 240},
            MakeWorkload<UnmountDirty>);

}  // namespace
}  // namespace layermark
