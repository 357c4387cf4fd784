// Image formats: listing and reading a tree as a read-only image, alone and below overlayfs.
#include <fmt/core.h>

#include <optional>

#include "bench/harness/image_format.h"
#include "bench/harness/tree_walk.h"
#include "core/skip_code.h"
#include "core/sys/process.h"

namespace layermark {
namespace {

template <Walk how>
class OnImage : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    const int64_t files = context_.Number("files");
    const FileSet set =
        WideTree(std::max<int64_t>(1, files / 10), files, how == Walk::kContent ? 16 << 10 : 1024);
    const std::string tree = fixture().raw_directory() + "/tree", work = fixture().raw_directory() + "/image";
    LM_TRY(MakeDirs(tree));
    LM_TRY(MakeDirs(work));
    LM_ASSIGN(raw_root_, Open(tree, O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set, raw_root_.get()));
    LM_ASSIGN(ImageFormat image, ImageFormat::Make(context_.Text("form"), set, tree, work));
    image_.emplace(std::move(image));
    const bool cold = context_.Text("cache") == "cold";
    LM_TRY(image_->Mount());
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return WalkPath(how).status(); },
                                             [this, cold]() -> Status {
                                               if (!cold) return Status::Ok();
                                               LM_TRY(image_->Unmount());
                                               return image_->Mount();
                                             });
    raw_ = std::make_unique<FunctionSide>(
        [this](Stopwatch&) { return WalkTree(raw_root_.get(), how).status(); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(const TreeWalk expected, WalkTree(raw_root_.get(), Walk::kChecksum));
    LM_ASSIGN(const TreeWalk seen, WalkPath(Walk::kChecksum));
    if (seen == expected) return Status::Ok();
    return WrongAnswer(fmt::format(
        "the image shows {} entries with {} bytes (sum {:x}), the tree {} with {} ({:x})", seen.entries,
        seen.file_bytes, seen.sum, expected.entries, expected.file_bytes, expected.sum));
  }

  Status TearDown() override { return image_->Unmount(); }

 private:
  Result<TreeWalk> WalkPath(Walk walk) const {
    LM_ASSIGN(const Fd root, Open(image_->root(), O_RDONLY | O_DIRECTORY));
    return WalkTree(root.get(), walk);
  }

  Fd raw_root_;
  std::optional<ImageFormat> image_;
};

// The mount of the form is tried on a tree of one file.
std::optional<Lack> FormIsHere(const WorkloadContext& context) {
  const std::string& form = context.Text("form");
  const std::string program = ImageProgram(form);
  if (!program.empty() && !FindProgram(program))
    return Lack{SkipCodeName(SkipCode::tool_missing), "program " + program + " is not on PATH"};
  const auto attempt = [&]() -> Status {
    LM_ASSIGN(const std::string scratch, context.backing->NewDirectory("probe"));
    const FileSet set = EqualFiles(1, 10);
    LM_TRY(MakeDirs(scratch + "/tree"));
    LM_TRY(MakeDirs(scratch + "/work"));
    LM_ASSIGN(const Fd root, Open(scratch + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set, root.get()));
    LM_ASSIGN(ImageFormat image, ImageFormat::Make(form, set, scratch + "/tree", scratch + "/work"));
    LM_TRY(image.Mount());
    return image.Unmount();
  };
  const Status tried = attempt();
  if (tried.ok()) return std::nullopt;
  return Lack{SkipCodeName(SkipCode::kernel_missing), tried.ToString()};
}

constexpr const char* kWithoutDriver = "; the driver lends only its overlayfs";

WorkloadInfo Info(const std::string& summary, const char* source, std::vector<std::string> forms,
                  ParamValues files, const char* operation) {
  WorkloadInfo info;
  info.family = "image_formats";
  info.summary = summary + kWithoutDriver;
  info.source = source;
  info.from = From::kFull;
  info.params = {{"form", {forms, forms, forms}},
                 {"cache", {{"cold"}, {"cold", "warm"}, {"cold", "warm"}}},
                 {"files", std::move(files)}};
  info.operation = std::string(operation) + "; cold: on fresh mounts";
  info.raw_twin = "the same on the tree, warm";
  info.needs = {Capability::kernel_overlay, Capability::layer_stack, Capability::priv_loop};
  info.probe = FormIsHere;
  info.backing_bytes = int64_t{4} << 30;
  info.backing_inodes = 300000;
  info.min_pairs = 10;
  info.max_pairs = 60;
  info.deadline_seconds = 300;
  return info;
}

LM_WORKLOAD(image_list,
            Info("ls -lR of a tree as EROFS or SquashFS, below overlay, and in composefs's form",
                 "performance.md W18, W19; composefs mailing-list thread of 2023",
                 {"directory", "erofs", "overlay_on_erofs", "squashfs", "overlay_on_squashfs", "composefs"},
                 {{"200"}, {"4000"}, {"40000"}}, "getdents and fstatat of everything"),
            (MakeWorkload<OnImage<Walk::kAttributes>>));
LM_WORKLOAD(image_read,
            Info("whole-tree read of EROFS and SquashFS images, by cluster size",
                 "performance.md W20; erofs-utils PERFORMANCE.md",
                 {"erofs", "erofs_4k", "erofs_128k", "squashfs", "squashfs_4k", "squashfs_128k", "composefs"},
                 {{"200"}, {"1000"}, {"7000"}}, "every file read to its end"),
            (MakeWorkload<OnImage<Walk::kContent>>));

}  // namespace
}  // namespace layermark
