// Lookup: the stat of names whose file lies in the lowest of N layers, or nowhere.
#include <fmt/core.h>
#include <sys/stat.h>

#include "bench/harness/fixture.h"
#include "scenario/model.h"

namespace layermark {
namespace {

constexpr int kNames = 64;

class Lookup : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    hit_ = context_.Text("name") == "hit";
    for (int i = 0; i < kNames; ++i) names_.push_back(fmt::format("d/{}{:02}", hit_ ? "f" : "none", i));
    // The directory is in every layer, so that each has to be asked; its files are in the lowest.
    std::vector<Layer> layers;
    for (int64_t i = 0; i < context_.Number("depth"); ++i) {
      Layer layer;
      if (i == 0) {
        layer.Dir("d");
        for (int f = 0; f < kNames; ++f) layer.File(fmt::format("d/f{:02}", f), fmt::format("{}", f));
      } else {
        layer.File("d/own", fmt::format("{}", i));
      }
      LM_TRY(model_.Apply(layer));
      layers.push_back(std::move(layer));
    }
    LM_ASSIGN(const std::string top, fixture().subject().CommitChain(layers));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", top));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    for (const Layer& layer : layers) LM_TRY(ApplyLayer(layer, raw_root_.get()));
    // A fresh mount knows no name yet; a warm one was asked before, by the pair that warms up.
    const bool cold = context_.Text("cache") == "cold";
    driver_ =
        std::make_unique<FunctionSide>([this](Stopwatch&) { return StatAll(snapshot_.root_fd()); },
                                       [this, cold] { return cold ? snapshot_.Remount() : Status::Ok(); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return StatAll(raw_root_.get()); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(StatAll(snapshot_.root_fd()));
    LM_ASSIGN(Manifest seen, ReadManifest(snapshot_.root_fd()));
    return Fixture::SameContent(model_.ToManifest(), seen, "the stack");
  }

  Status TearDown() override { return snapshot_.Unmount(); }

 private:
  Status StatAll(int root_fd) const {
    for (const std::string& name : names_) {
      struct stat info;
      const bool found = fstatat(root_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
      if (!found && errno != ENOENT) return Status::Errno("fstatat", name);
      if (found != hit_) return WrongAnswer(name + (found ? " is there" : " is not there"));
    }
    return Status::Ok();
  }

  bool hit_ = true;
  std::vector<std::string> names_;
  ModelTree model_;
  MountedSnapshot snapshot_;
  Fd raw_root_;
};

LM_WORKLOAD(lookup,
            {.family = "lookup",
             .summary = "stat of 64 names: files of the lowest of N layers, or names that no layer has",
             .source = "performance.md W17",
             .from = From::kQuick,
             .params = {{"cache", {{"cold"}, {"cold"}, {"cold", "warm"}}},
                        {"depth", {{"1", "8"}, {"1", "32"}, {"1", "8", "32", "64", "128"}}},
                        {"name", {{"hit"}, {"hit"}, {"hit", "miss"}}}},
             .operation = "64 times fstatat; cold: on a fresh mount",
             .raw_twin = "the same in a directory of the bare backing file system, warm",
             .param_needs = {{{"depth", "64"}, Capability::layers_128},
                             {{"depth", "128"}, Capability::layers_128}},
             .backing_inodes = 100000,
             .max_pairs = 100,
             .seconds_quick = 0.1},
            MakeWorkload<Lookup>);

}  // namespace
}  // namespace layermark
