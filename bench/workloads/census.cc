// Census: the inodes that an image of many layers takes, and what happens when a file gets too many links.
#include <fmt/core.h>

#include "bench/harness/file_set.h"
#include "bench/harness/space_meter.h"

namespace layermark {
namespace {

// A base of D directories and F files; each later layer changes one file and adds one.
class InodeCensus : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    set_ = WideTree(context_.Number("directories"), context_.Number("files"), 16);
    return Status::Ok();
  }

  // The chain is made once, in Account, and looked at there.
  Status Verify() override { return Status::Ok(); }

  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_TRY(CommitFileSet(fixture(), "layer0", set_));
    const int64_t layers = context_.Number("layers");
    for (int64_t i = 1; i < layers; ++i) {
      const FileSet::File& changed = set_.files[static_cast<size_t>(i) % set_.files.size()];
      LM_TRY(
          fixture().subject().CommitLayer(fmt::format("layer{}", i), fmt::format("layer{}", i - 1),
                                          Layer().Write(changed.path, 0, "changed").File(NewName(i), "new")));
    }
    LM_ASSIGN(const Figures figures, meter.End());
    LM_ASSIGN(MountedSnapshot view, fixture().subject().View("view", fmt::format("layer{}", layers - 1)));
    LM_ASSIGN(const Manifest seen, ReadManifest(view.root_fd()));
    const size_t expected = 1 + set_.directories.size() + set_.files.size() + static_cast<size_t>(layers) - 1;
    if (seen.entries.size() != expected)
      return WrongAnswer(
          fmt::format("the top layer shows {} entries, not {}", seen.entries.size(), expected));
    for (int64_t i = 1; i < layers; ++i) {
      const std::string& changed = set_.files[static_cast<size_t>(i) % set_.files.size()].path;
      LM_ASSIGN(const std::string content, ReadFileAt(view.root_fd(), changed));
      if (content.substr(0, 7) != "changed" || !seen.entries.contains(NewName(i)))
        return WrongAnswer(fmt::format("the top layer does not show what layer {} did", i));
    }
    LM_TRY(view.Unmount());
    return figures;
  }

 private:
  static std::string NewName(int64_t layer) { return fmt::format("new{}", layer); }

  FileSet set_;
};

std::optional<Lack> RoomForCensus(const WorkloadContext& context) {
  const int64_t tree = context.Number("directories") + context.Number("files");
  // A hard-link farm takes a directory of each layer's directories; a copy takes the files as well.
  const int64_t inodes =
      tree * (context.instance->Has(Capability::shares_inodes) ? 2 : context.Number("layers") + 1);
  return NeedsRoom(context, inodes * 5120);
}

LM_WORKLOAD(
    inode_census,
    {.family = "sharing",
     .summary = "inodes and bytes of a tree in L layers, each of which changes a file and adds one (counts)",
     .source = "performance.md W24; moby issue 22126",
     .from = From::kQuick,
     .params = {{"directories", {{"20"}, {"20"}, {"1000"}}},
                {"files", {{"200"}, {"200"}, {"10000"}}},
                {"layers", {{"1", "10"}, {"10"}, {"1", "10", "50", "125"}}}},
     .operation = "prepare, mount, change, unmount, commit; L times",
     .param_needs = {{{"layers", "50"}, Capability::layers_128}, {{"layers", "125"}, Capability::layers_128}},
     .probe = RoomForCensus,
     .backing_bytes = int64_t{4} << 30,
     .backing_inodes = 700000,
     .deadline_seconds = 300},
    MakeWorkload<InodeCensus>);

// One file with N names; a snapshot on it. What makes more names of a file meets its file system's bound
// (65,000 on ext4) before anything else is used up.
class LinkLimit : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    Layer layer;
    layer.Dir("d").File("d/f0", "linked");
    for (int64_t i = 1; i < context_.Number("names"); ++i) layer.Link(fmt::format("d/f{}", i), "d/f0");
    return fixture().subject().CommitLayer("base", "", layer);
  }

  Status Verify() override { return Status::Ok(); }  // a snapshot that is made is looked at in Account

  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    double failures = 0;
    const Result<std::vector<Mount>> mounts = api().Prepare("child", "base");
    if (!mounts.ok()) {
      if (mounts.status().error_number() != EMLINK) return mounts.status();
      failures = 1;
    } else {
      LM_ASSIGN(MountedSnapshot snapshot, MountedSnapshot::Mount("child", *mounts));
      LM_ASSIGN(const std::vector<std::string> names, ListDir(snapshot.root_fd(), "d"));
      if (static_cast<int64_t>(names.size()) != context_.Number("names"))
        return WrongAnswer(
            fmt::format("the child shows {} names, not {}", names.size(), context_.Text("names")));
      LM_TRY(snapshot.Unmount());
    }
    LM_ASSIGN(Figures figures, meter.End());
    figures[Metric::link_failures] = failures;
    return figures;
  }
};

LM_WORKLOAD(
    link_limit,
    {.family = "sharing",
     .summary = "a snapshot on a file with N names: a hard-link farm meets the bound on links (counts)",
     .source = "performance.md W24; moby issue 32732",
     .from = From::kFull,
     .params = {{"names", {{"100"}, {"1000"}, {"33000"}}}},
     .operation = "prepare",
     .backing_inodes = 200000,
     .deadline_seconds = 300},
    MakeWorkload<LinkLimit>);

}  // namespace
}  // namespace layermark
