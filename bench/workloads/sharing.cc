// Sharing: what N containers of one image take, and what several images on one base take. Counts, no times.
#include <fmt/core.h>

#include "bench/harness/fixture.h"
#include "bench/harness/space_meter.h"
#include "scenario/model.h"

namespace layermark {
namespace {

class SharingContainers : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_ASSIGN(top_, fixture().Unpack());
    return Status::Ok();
  }

  // Two containers of one image see the image and not each other.
  Status Verify() override {
    LM_ASSIGN(Manifest expected, fixture().ModelOfImage());
    LM_ASSIGN(MountedSnapshot a, fixture().subject().Prepare("a", top_));
    LM_ASSIGN(MountedSnapshot b, fixture().subject().Prepare("b", top_));
    LM_TRY(WriteFileAt(a.root_fd(), "own-log", "a"));
    LM_ASSIGN(Manifest seen, ReadManifest(b.root_fd()));
    LM_TRY(a.Unmount());
    LM_TRY(b.Unmount());
    LM_TRY(Fixture::SameTree(expected, seen, "the second container"));
    LM_TRY(api().Remove("a"));
    return api().Remove("b");
  }

  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    for (int64_t i = 0; i < context_.Number("containers"); ++i) {
      LM_ASSIGN(MountedSnapshot container, fixture().subject().Prepare(fmt::format("c{}", i), top_));
      LM_TRY(WriteFileAt(container.root_fd(), "own-log", std::string(4096, 'l')));
      LM_TRY(container.Unmount());
    }
    return meter.End();
  }

 private:
  std::string top_;
};

LM_WORKLOAD(
    sharing_containers,
    {.family = "sharing",
     .summary = "growth by N containers of one image that each write a file of 4 KiB (counts, not timed)",
     .source = "performance.md 4.1, 4.2; W24",
     .params = {{"containers", {{"1", "10"}, {"1", "10", "50"}, {"1", "10", "50", "100"}}}},
     .operation = "prepare, mount, write 4 KiB, unmount; N times",
     .backing_bytes = int64_t{8} << 30,
     .image = {.stacks = 1, .trees = 2},
     .image_trees_param = "containers",
     .backing_inodes = 400000,
     .gate = {.choices = {{{"containers", "10"}}}, .timed = false}},
    MakeWorkload<SharingContainers>);

class SharingImages : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override { return OpenFixture(); }

  // What the images show is compared after the counting: it is the same images.
  Status Verify() override { return Status::Ok(); }

  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_ASSIGN(const std::string base, fixture().Unpack());
    LM_ASSIGN(const Manifest expected, fixture().ModelOfImage());
    std::vector<std::string> tops;
    std::vector<Manifest> programs;  // what each image's own layer shows alone
    for (int64_t i = 0; i < context_.Number("images"); ++i) {
      Layer own;
      own.Dir(fmt::format("app{}", i))
          .File(fmt::format("app{}/program", i), std::string(65536, static_cast<char>('a' + i)));
      ModelTree alone;
      LM_TRY(alone.Apply(own));
      programs.push_back(alone.ToManifest());
      tops.push_back(fmt::format("image{}", i));
      LM_TRY(fixture().subject().CommitLayer(tops.back(), base, own));
    }
    LM_ASSIGN(Figures figures, meter.End());
    // Each image shows the base and its own program, and nobody else's.
    for (size_t i = 0; i < tops.size(); ++i) {
      LM_ASSIGN(Manifest seen, fixture().subject().ViewManifest(tops[i]));
      Manifest both = expected;
      for (const auto& [path, entry] : programs[i].entries) {
        if (!path.empty()) both.entries[path] = entry;
      }
      both.entries[""].mtime_ns = -1;  // the layer made a name in it and does not state its time
      LM_TRY(Fixture::SameTree(both, seen, fmt::format("image {}", i)));
    }
    return figures;
  }
};

LM_WORKLOAD(
    sharing_images,
    {.family = "sharing",
     .summary =
         "what N images on one base take, each with one layer of 64 KiB of its own (counts, not timed)",
     .source = "performance.md 4.2; W07",
     .params = {{"images", {{"5"}, {"5"}, {"5", "20"}}}},
     .operation = "unpack the base, commit N layers on it",
     .backing_bytes = int64_t{8} << 30,
     .image = {.stacks = 1, .trees = 1},
     .image_trees_param = "images",
     .backing_inodes = 400000,
     .gate = {.choices = {{{"images", "5"}}}, .timed = false}},
    MakeWorkload<SharingImages>);

}  // namespace
}  // namespace layermark
