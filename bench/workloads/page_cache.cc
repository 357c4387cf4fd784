// Page cache: what N containers that all read one image keep in memory, and what a container adds.
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "bench/harness/file_set.h"
#include "core/skip_code.h"
#include "core/sys/cached_pages.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr int64_t kFileBytes = 64 << 10;

// The cached bytes of every file below the workspace, each inode once: the store's files, and those of the
// file systems that a driver mounts. Mount points are crossed: what is asked is what memory holds.
class CacheCount {
 public:
  // `drop`: takes the pages out instead of counting them.
  explicit CacheCount(bool drop) : drop_(drop) {}

  Status Walk(int parent_fd, const std::string& name) {
    LM_ASSIGN(const Fd fd, OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    LM_ASSIGN(const std::vector<std::string> names, ListDir(fd.get()));
    for (const std::string& child : names) {
      struct stat info;
      if (fstatat(fd.get(), child.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
      if (S_ISDIR(info.st_mode)) LM_TRY(Walk(fd.get(), child));
      if (S_ISREG(info.st_mode) && info.st_size > 0) LM_TRY(File(fd.get(), child, info));
    }
    return Status::Ok();
  }

  int64_t bytes() const { return bytes_; }

 private:
  Status File(int dir_fd, const std::string& name, const struct stat& info) {
    const std::pair inode(info.st_dev, info.st_ino);
    if (!drop_ && seen_.contains(inode)) return Status::Ok();
    LM_ASSIGN(const Fd fd, OpenAt(dir_fd, name, O_RDONLY | O_NOFOLLOW));
    if (drop_) {
      (void)posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
      return Status::Ok();
    }
    LM_ASSIGN(const int64_t cached, CachedBytes(fd.get()));
    // A union shows the inode number of the file below and holds no page itself: only who holds some is done.
    if (cached > 0) seen_.insert(inode);
    bytes_ += cached;
    return Status::Ok();
  }

  bool drop_;
  int64_t bytes_ = 0;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

class PageCache : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    set_ = EqualFiles(context_.Number("size") / kFileBytes, kFileBytes);
    LM_ASSIGN(root_, Open(context_.backing->path(), O_RDONLY | O_DIRECTORY));
    return CommitFileSet(fixture(), "image", set_);
  }

  Status Verify() override {
    const std::string tree = fixture().raw_directory() + "/tree";
    LM_TRY(MakeDirs(tree));
    LM_ASSIGN(const Fd root, Open(tree, O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set_, root.get()));
    uint64_t expected = 0, seen = 0;
    LM_TRY(ReadEach(set_, root.get(), &expected));
    LM_TRY(RemoveTree(tree));
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "image"));
    LM_TRY(ReadEach(set_, snapshot.root_fd(), &seen));
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    return seen == expected ? Status::Ok() : WrongAnswer("the container does not show the image");
  }

  Result<Figures> Account() override {
    std::vector<MountedSnapshot> containers;
    for (int64_t i = 0; i < context_.Number("containers"); ++i) {
      LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare(fmt::format("c{}", i), "image"));
      containers.push_back(std::move(snapshot));
    }
    LM_TRY(Drop());
    LM_ASSIGN(const int64_t residue, Count());
    int64_t before = 0;
    for (const MountedSnapshot& snapshot : containers) {
      if (&snapshot == &containers.back()) {
        LM_ASSIGN(before, Count());
      }
      LM_TRY(ReadEach(set_, snapshot.root_fd()));
    }
    LM_ASSIGN(const int64_t after, Count());
    for (MountedSnapshot& snapshot : containers) LM_TRY(snapshot.Unmount());
    return Figures{
        {Metric::cached_bytes, static_cast<double>(after - residue)},
        {Metric::cache_duplication, static_cast<double>(after - residue) / static_cast<double>(set_.bytes())},
        {Metric::cache_per_container_bytes, static_cast<double>(after - before)}};
  }

 private:
  Status Drop() {
    // Only pages that are written can go.
    if (syncfs(root_.get()) != 0) return Status::Errno("syncfs", context_.backing->path());
    CacheCount drop(true);
    return drop.Walk(AT_FDCWD, WorkspacePath());
  }

  static Result<int64_t> Count() {
    CacheCount count(false);
    LM_TRY(count.Walk(AT_FDCWD, WorkspacePath()));
    return count.bytes();
  }

  FileSet set_;
  Fd root_;
};

std::optional<Lack> RoomForContainers(const WorkloadContext& context) {
  const bool shares = context.instance->Has(Capability::shares_bytes);
  return NeedsRoom(context, context.Number("size") * 5 / 4 * (shares ? 2 : context.Number("containers") + 2));
}

LM_WORKLOAD(page_cache,
            {.family = "sharing",
             .summary = "page cache of N containers of one image, all of it read by each (counts)",
             .source = "performance.md W26, 4.3",
             .from = From::kQuick,
             .params = {{"containers", {{"1", "2"}, {"1", "8"}, {"1", "2", "8", "32"}}},
                        {"size", {{"1MiB"}, {"2MiB"}, {"64MiB", "256MiB"}}}},
             .operation = "prepare and mount N times; pages dropped; each reads all files with read(2)",
             .probe = RoomForContainers,
             .backing_bytes = int64_t{4} << 30,
             .backing_inodes = 200000,
             .deadline_seconds = 240},
            MakeWorkload<PageCache>);

}  // namespace
}  // namespace layermark
