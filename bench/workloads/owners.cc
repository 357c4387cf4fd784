// Owners: a container whose users are others than the image's: chown of everything, or id-mapped layers.
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "bench/harness/file_set.h"
#include "bench/harness/mapped_mounts.h"
#include "bench/harness/space_meter.h"
#include "bench/harness/tree_walk.h"
#include "core/skip_code.h"
#include "core/sys/owners.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr uid_t kFirstId = 200000;

class ChangeOwners : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    const int64_t files = context_.Number("files");
    set_ = WideTree(files / 20, files, context_.Number("size"));
    LM_TRY(CommitFileSet(fixture(), "image", set_));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set_, raw_root_.get()));
    LM_ASSIGN(scratch_, WorkspaceDirectory("mapped"));
    if (context_.Text("method") == "idmap") {
      LM_ASSIGN(IdMapping mapping, IdMapping::Create(kFirstId));
      mapping_ = std::move(mapping);
    }
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Make(); }, FunctionSide::Step{},
                                             [this] { return Remove(); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Chown(raw_root_.get(), ++raw_id_); });
    return Status::Ok();
  }

  // Every file belongs to the other user, and shows what it showed.
  Status Verify() override {
    uint64_t expected = 0, seen = 0;
    LM_TRY(ReadEach(set_, raw_root_.get(), &expected));
    LM_TRY(Make());
    for (const FileSet::File& file : set_.files) {
      struct stat info;
      if (fstatat(snapshot_.root_fd(), file.path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        return Status::Errno("fstatat", file.path);
      if (info.st_uid != kFirstId)
        return WrongAnswer(fmt::format("{} belongs to {}", file.path, info.st_uid));
    }
    LM_TRY(ReadEach(set_, snapshot_.root_fd(), &seen));
    LM_TRY(Remove());
    return seen == expected ? Status::Ok() : WrongAnswer("the files have other content");
  }

  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_TRY(Make());
    LM_ASSIGN(Figures figures, meter.End());
    LM_TRY(Remove());
    return figures;
  }

 private:
  Status Chown(int root_fd, uid_t id) const {
    for (const std::string& directory : set_.directories) {
      if (ChownAt(root_fd, directory.c_str(), id, id, AT_SYMLINK_NOFOLLOW) != 0)
        return Status::Errno("fchownat", directory);
    }
    for (const FileSet::File& file : set_.files) {
      if (ChownAt(root_fd, file.path.c_str(), id, id, AT_SYMLINK_NOFOLLOW) != 0)
        return Status::Errno("fchownat", file.path);
    }
    return Status::Ok();
  }

  Status Make() {
    LM_ASSIGN(const std::vector<Mount> mounts, api().Prepare("container", "image"));
    if (mapping_) {
      LM_ASSIGN(mapped_, MappedMounts::Make(*mapping_, mounts, scratch_, MapStyle::kLayers));
      LM_ASSIGN(snapshot_, MountedSnapshot::Mount("container", mapped_.mounts()));
      return Status::Ok();
    }
    LM_ASSIGN(snapshot_, MountedSnapshot::Mount("container", mounts));
    return Chown(snapshot_.root_fd(), kFirstId);
  }

  Status Remove() {
    LM_TRY(snapshot_.Unmount());
    LM_TRY(mapped_.Unmount());
    return api().Remove("container");
  }

  FileSet set_;
  Fd raw_root_;
  std::string scratch_;
  std::optional<IdMapping> mapping_;
  MappedMounts mapped_;
  MountedSnapshot snapshot_;
  uid_t raw_id_ = 1000;
};

std::optional<Lack> MappingWorks(const WorkloadContext& context) {
  if (auto lack = NeedsRoom(context, (context.Number("size") + 1024) * context.Number("files") * 4))
    return lack;
  if (context.Text("method") != "idmap") return std::nullopt;
  const Result<std::string> target = WorkspaceDirectory("probe");
  const Status bound =
      target.ok() ? BindIdMapped(context.backing->path(), *target, kFirstId) : target.status();
  if (!bound.ok()) return Lack{SkipCodeName(SkipCode::id_mapped_mounts), bound.ToString()};
  const Status gone = UnmountPath(*target);
  if (!gone.ok()) return Lack{SkipCodeName(SkipCode::id_mapped_mounts), gone.ToString()};
  return std::nullopt;
}

LM_WORKLOAD(change_owners,
            {.family = "owners",
             .summary = "a container whose users are others than the image's: chown -R, or id-mapped layers "
                        "(option metacopy of overlay2 spares the data)",
             .source = "performance.md W14; podman issue 20794",
             .from = From::kFull,
             .params = {{"files", {{"100"}, {"1000"}, {"20000"}}},
                        {"method", {{"chown", "idmap"}, {"chown", "idmap"}, {"chown", "idmap"}}},
                        {"size", {{"4KiB"}, {"16KiB"}, {"16KiB"}}}},
             .operation = "prepare, mount, fchownat of everything; idmap: prepare, bind mounts, mount",
             .raw_twin = "fchownat of everything on the bare backing file system",
             .probe = MappingWorks,
             .backing_bytes = int64_t{4} << 30,
             .backing_inodes = 300000,
             .min_pairs = 6,
             .max_pairs = 40,
             .deadline_seconds = 240},
            MakeWorkload<ChangeOwners>);

}  // namespace
}  // namespace layermark
