// Page-cache density: N containers of one image that all read all of it. Counts, no times: what the machine
// keeps in memory for them, by two ways of counting that have to agree.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "bench/harness/fixture.h"
#include "results/cache_census.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr int kFiles = 16;
constexpr int kRounds = 3;  // looks at the same thing, until the ways of counting agree
constexpr double kAgreement = 0.02;
constexpr int64_t kMiB = int64_t{1} << 20;

std::string FileName(int i) {
  return fmt::format("data/{:02}", i);
}

// Bytes of which no page is like another, so that nothing can share what is not the same file.
std::string Content(int file, int64_t size, uint64_t seed) {
  std::string data(static_cast<size_t>(size), '\0');
  uint64_t x = 88172645463325252ULL ^ (seed * 1000003) ^ (static_cast<uint64_t>(file) << 32);
  for (size_t i = 0; i + sizeof x <= data.size(); i += sizeof x) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    memcpy(data.data() + i, &x, sizeof x);
  }
  return data;
}

bool Agree(double a, double b) {
  return std::fabs(a - b) <= kAgreement * std::max(std::fabs(a), std::fabs(b));
}

class PageCache : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    // Before the daemons of the containers are started: they read for them.
    if (Result<TracepointCounter> counter = TracepointCounter::Open(CacheTracepoints()); counter.ok()) {
      counter_ = std::make_unique<TracepointCounter>(std::move(*counter));
    } else {
      missing_[Metric::cache_duplication_events] = counter.status().ToString();
    }
    LM_TRY(OpenFixture());
    file_bytes_ = SetBytes() / kFiles;
    Layer layer;
    layer.Dir("data");
    for (int i = 0; i < kFiles; ++i) layer.File(FileName(i), Content(i, file_bytes_, context_.seed));
    return fixture().subject().CommitLayer("image", "", layer);
  }

  // Each of two containers reads, byte for byte, what the image was made of.
  Status Verify() override {
    for (const char* key : {"a", "b"}) {
      LM_ASSIGN(MountedSnapshot container, fixture().subject().Prepare(key, "image"));
      for (int i = 0; i < kFiles; ++i) {
        const Result<std::string> seen = ReadFileAt(container.root_fd(), FileName(i));
        if (!seen.ok()) return WrongAnswer(seen.status().ToString());
        if (*seen != Content(i, file_bytes_, context_.seed))
          return WrongAnswer(fmt::format("container {} reads another {}", key, FileName(i)));
      }
      LM_TRY(container.Unmount());
      LM_TRY(api().Remove(key));
    }
    return Status::Ok();
  }

  Result<Figures> Account() override {
    Census best;
    for (int round = 0; round < kRounds; ++round) {
      LM_ASSIGN(const Census census, Look(round));
      // The machine's figure has others' pages in it; looking again for its sake takes the time of a long
      // run.
      const bool all = context_.profile == "full";
      if (round == 0 || census.Difference(all) < best.Difference(all)) best = census;
      if (best.Difference(all) <= kAgreement) break;
    }
    if (best.events && !Agree(best.inodes, *best.events)) {
      return FailedPrecondition(fmt::format(
          "by inode {} bytes are cached, by events {}: one of them is wrong", best.inodes, *best.events));
    }
    const auto unique = static_cast<double>(file_bytes_ * kFiles);
    Figures figures = {{Metric::logical_bytes, unique},
                       {Metric::cached_bytes, best.inodes},
                       {Metric::cache_duplication, best.inodes / unique},
                       {Metric::cache_per_container_bytes, best.inodes - best.inodes_before_last}};
    if (best.events) figures[Metric::cache_duplication_events] = *best.events / unique;
    if (best.machine) figures[Metric::cache_duplication_global] = *best.machine / unique;
    return figures;
  }

  std::map<Metric, std::string> Missing() override { return missing_; }

 private:
  // Bytes cached for all containers.
  struct Census {
    double inodes = 0;
    double inodes_before_last = 0;
    std::optional<double> events, machine;
    // The largest share by which another way of counting differs.
    double Difference(bool with_machine) const {
      const auto share = [this](const std::optional<double>& other) {
        return other ? std::fabs(*other - inodes) / std::max(inodes, 1.0) : 0;
      };
      return std::max(share(events), with_machine ? share(machine) : 0);
    }
  };

  // What was asked for, or what the budget holds: the image and its layer on the backing and in its cache,
  // and both again for each container that shares neither.
  int64_t SetBytes() const {
    const int64_t each = context_.Number("containers") + 1;
    const int64_t copies = (context_.instance->Has(Capability::shares_bytes) ? 2 : each + 1) +
                           (context_.instance->Has(Capability::shares_page_cache) ? 1 : each);
    const int64_t room = std::min(RamBudgetBytes(), context_.backing->spec().size_bytes) * 3 / 4;
    return std::clamp(room / copies / kMiB * kMiB, kFiles * kMiB / 4, context_.Number("size"));
  }

  // One container that reads all: its descriptors stay open, because FUSE may drop pages at an open.
  struct Reader {
    MountedSnapshot snapshot;
    std::vector<Fd> files;
    bool fuse = false;
  };

  Status ReadAllOf(const Fd& file) const {
    if (context_.Text("access") == "mmap") {
      const auto size = static_cast<size_t>(file_bytes_);
      void* base = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
      if (base == MAP_FAILED) return Status::Errno("mmap", "");
      uint64_t sum = 0;
      for (size_t at = 0; at < size; at += 512) sum += static_cast<const unsigned char*>(base)[at];
      munmap(base, size);
      return sum > 0 ? Status::Ok() : Internal("the file is all zeros");
    }
    static std::vector<char> buffer(size_t{1} << 20);
    for (off_t at = 0; at < file_bytes_;) {
      const ssize_t n = pread(file.get(), buffer.data(), buffer.size(), at);
      if (n < 0) return Status::Errno("pread", "");
      if (n == 0) return DataLoss("the file is shorter than the image's");
      at += n;
    }
    return Status::Ok();
  }

  Status StartAndRead(const std::string& key, std::vector<Reader>& readers) {
    Reader reader;
    LM_ASSIGN(reader.snapshot, fixture().subject().Prepare(key, "image"));
    struct statfs fs;
    if (fstatfs(reader.snapshot.root_fd(), &fs) != 0) return Status::Errno("fstatfs", key);
    reader.fuse = fs.f_type == FUSE_SUPER_MAGIC;
    readers.push_back(std::move(reader));
    return Status::Ok();
  }

  Status ReadIn(Reader& reader) const {
    for (int i = 0; i < kFiles; ++i) {
      LM_ASSIGN(Fd file, OpenAt(reader.snapshot.root_fd(), FileName(i), O_RDONLY));
      LM_TRY(ReadAllOf(file));
      if (reader.fuse) reader.files.push_back(std::move(file));
    }
    return Status::Ok();
  }

  // By inode: those of the backing, and those of FUSE mounts, which have pages of their own.
  Result<double> ByInode(const std::vector<Reader>& readers) {
    LM_ASSIGN(int64_t sum, CachedBytesBelow(fixture().subject().root()));
    for (const Reader& reader : readers) {
      for (const Fd& file : reader.files) {
        LM_ASSIGN(const int64_t bytes, CachedBytes(file.get(), file_bytes_));
        sum += bytes;
      }
    }
    return static_cast<double>(sum);
  }

  Result<Census> Look(int round) {
    const auto containers = static_cast<size_t>(context_.Number("containers"));
    std::vector<Reader> readers;
    for (size_t i = 0; i < containers; ++i)
      LM_TRY(StartAndRead(fmt::format("round{}container{}", round, i), readers));
    Result<Census> census = ReadAndCount(readers);
    for (Reader& reader : readers) {
      reader.files.clear();
      LM_TRY(reader.snapshot.Unmount());
      LM_TRY(api().Remove(reader.snapshot.key()));
    }
    return census;
  }

  Result<Census> ReadAndCount(std::vector<Reader>& readers) {
    Census census;
    // Cold: preparing a copy read and wrote it.
    LM_TRY(DropCacheBelow(fixture().subject().root()));
    LM_ASSIGN(const double at_start, ByInode(readers));
    std::set<dev_t> devices;
    LM_ASSIGN(const dev_t backing, DeviceOfMount(fixture().subject().root()));
    devices.insert(backing);
    for (const Reader& reader : readers) {
      if (!reader.fuse) continue;
      LM_ASSIGN(const dev_t fuse, DeviceOfMount(reader.snapshot.path()));
      devices.insert(fuse);
    }
    const Result<int64_t> machine_before = MachineFileBytes();
    if (counter_) LM_TRY(counter_->Start());
    for (Reader& reader : readers) {
      if (&reader == &readers.back()) {
        LM_ASSIGN(census.inodes_before_last, ByInode(readers));
      }
      LM_TRY(ReadIn(reader));
    }
    Result<std::vector<TracepointCount>> counts = std::vector<TracepointCount>{};
    if (counter_) counts = counter_->Stop();
    const Result<int64_t> machine_after = MachineFileBytes();
    LM_ASSIGN(census.inodes, ByInode(readers));
    if (at_start > kAgreement * census.inodes && !on_tmpfs()) {
      return FailedPrecondition(fmt::format("{} bytes stayed cached that were to be dropped", at_start));
    }
    // On tmpfs the files are pages: they neither come nor go by reading.
    if (on_tmpfs()) {
      missing_[Metric::cache_duplication_events] = missing_[Metric::cache_duplication_global] =
          "on tmpfs a file is its pages, read or not";
      return census;
    }
    census.inodes -= at_start;
    census.inodes_before_last -= at_start;
    if (counter_ && counts.ok()) {
      census.events = static_cast<double>(CachedBytesByEvents(*counts, devices));
    } else if (counter_) {
      missing_[Metric::cache_duplication_events] = counts.status().ToString();
    }
    if (machine_before.ok() && machine_after.ok()) {
      census.machine = static_cast<double>(*machine_after - *machine_before);
    } else {
      missing_[Metric::cache_duplication_global] = machine_before.status().ToString();
    }
    return census;
  }

  bool on_tmpfs() const { return context_.backing->file_system() == "tmpfs"; }

  int64_t file_bytes_ = 0;
  std::unique_ptr<TracepointCounter> counter_;
  std::map<Metric, std::string> missing_;
};

LM_WORKLOAD(page_cache,
            {.family = "page_cache",
             .summary = "page cache of N containers of one image that all read all of it (counts, not timed)",
             .source = "performance.md W26, 4.3",
             .params = {{"containers", {{"1", "2"}, {"1", "2", "8"}, {"1", "2", "8", "32"}}},
                        {"size", {{"8MiB"}, {"32MiB"}, {"256MiB"}}},
                        {"access", {{"read"}, {"read"}, {"read", "mmap"}}}},
             .operation = "start N containers, drop the cache, read each file in each",
             .backing_bytes = int64_t{4} << 30,
             .deadline_seconds = 300},
            MakeWorkload<PageCache>);

}  // namespace
}  // namespace layermark
