// File server: what filebench's personalities do, as cycles of threads on one mounted container.
#include <fmt/core.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "bench/harness/file_set.h"
#include "core/skip_code.h"
#include "core/sys/fuse_offer.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr int64_t kFiles = 20;  // of each thread, in the image

struct Persona {
  const char* name;
  int64_t file_bytes;  // of the files of the image
  std::function<Status(int root_fd, const std::string& directory, int64_t cycle)> cycle;
};

Status ReadWhole(int root_fd, const std::string& path) {
  return ReadFileAt(root_fd, path).status();
}

Status Append(int root_fd, const std::string& path, size_t bytes, bool flush) {
  LM_ASSIGN(Fd fd, OpenAt(root_fd, path, O_CREAT | O_WRONLY | O_APPEND, 0644));
  LM_TRY(WriteAll(fd.get(), std::string(bytes, 'a')));
  if (flush && fsync(fd.get()) != 0) return Status::Errno("fsync", path);
  return fd.Close();
}

Status Unlink(int root_fd, const std::string& path) {
  return unlinkat(root_fd, path.c_str(), 0) == 0 ? Status::Ok() : Status::Errno("unlinkat", path);
}

std::string Nth(const std::string& directory, int64_t cycle) {
  return fmt::format("{}/f{}", directory, cycle % kFiles);
}

// A new file of 128 KiB written, one read, one appended to by 16 KiB, one removed.
Status FileServer(int root_fd, const std::string& directory, int64_t cycle) {
  const std::string fresh = fmt::format("{}/new{}", directory, cycle);
  LM_TRY(WriteFileAt(root_fd, fresh, std::string(128 << 10, 'n')));
  LM_TRY(Append(root_fd, Nth(directory, cycle), 16 << 10, false));
  LM_TRY(ReadWhole(root_fd, Nth(directory, cycle + 7)));
  return Unlink(root_fd, fresh);
}

// Mail: a message made and flushed, appended to and flushed, read; the one before it removed.
Status MailServer(int root_fd, const std::string& directory, int64_t cycle) {
  const std::string message = fmt::format("{}/mail{}", directory, cycle);
  LM_TRY(Append(root_fd, message, 16 << 10, true));
  LM_TRY(ReadWhole(root_fd, Nth(directory, cycle)));
  LM_TRY(Append(root_fd, message, 16 << 10, true));
  LM_TRY(ReadWhole(root_fd, message));
  return Unlink(root_fd, message);
}

// Ten pages read, a line of the log.
Status WebServer(int root_fd, const std::string& directory, int64_t cycle) {
  for (int64_t i = 0; i < 10; ++i) LM_TRY(ReadWhole(root_fd, Nth(directory, cycle * 10 + i)));
  return Append(root_fd, directory + "/log", 16 << 10, false);
}

// A file of 4 KiB made.
Status CreateFiles(int root_fd, const std::string& directory, int64_t cycle) {
  const std::string fresh = fmt::format("{}/new{}", directory, cycle);
  LM_TRY(WriteFileAt(root_fd, fresh, std::string(4096, 'n')));
  return Status::Ok();
}

const Persona kPersonas[] = {{"fileserver", 128 << 10, FileServer},
                             {"varmail", 16 << 10, MailServer},
                             {"webserver", 16 << 10, WebServer},
                             {"create", 4096, CreateFiles}};

class FileServerLoad : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    for (const Persona& persona : kPersonas) {
      if (context_.Text("persona") == persona.name) persona_ = &persona;
    }
    FileSet set;
    for (int64_t t = 0; t < context_.Number("threads"); ++t) {
      set.directories.push_back(fmt::format("t{}", t));
      for (int64_t i = 0; i < kFiles; ++i)
        set.files.push_back({fmt::format("t{}/f{}", t, i), persona_->file_bytes});
    }
    directories_ = set.directories;
    LM_TRY(CommitFileSet(fixture(), "image", set));
    LM_ASSIGN(pristine_, fixture().subject().ViewManifest("image"));
    set_ = set;
    driver_ = OnFreshSnapshot("image", [this](Stopwatch&) { return Work(fresh().root_fd()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Work(raw_root_.get()); },
                                          [this] { return FreshRaw(); },
                                          [this] { return RemoveTree(fixture().raw_directory() + "/tree"); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(FreshRaw());
    LM_TRY(Work(raw_root_.get()));
    LM_ASSIGN(const Manifest expected, ReadManifest(raw_root_.get()));
    LM_TRY(RemoveTree(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "image"));
    LM_TRY(Work(snapshot.root_fd()));
    LM_ASSIGN(const Manifest seen, ReadManifest(snapshot.root_fd()));
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    LM_TRY(Fixture::SameContent(expected, seen, "after the load"));
    LM_ASSIGN(const Manifest image, fixture().subject().ViewManifest("image"));
    return Fixture::SameContent(pristine_, image, "the image below");
  }

 private:
  Status FreshRaw() {
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    return WriteFileSet(set_, raw_root_.get());
  }

  Status Work(int root_fd) const {
    std::vector<Status> statuses(directories_.size());
    std::vector<std::thread> threads;
    for (size_t t = 0; t < directories_.size(); ++t) {
      threads.emplace_back([&, t] {
        for (int64_t i = 0; i < context_.Number("cycles") && statuses[t].ok(); ++i)
          statuses[t] = persona_->cycle(root_fd, directories_[t], i);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses) LM_TRY(status);
    return Status::Ok();
  }

  const Persona* persona_ = &kPersonas[0];
  std::vector<std::string> directories_;
  FileSet set_;
  Manifest pristine_;
  Fd raw_root_;
};

// Passthrough and io_uring are the daemon's to use: what the kernel offers is asked, and the daemons that
// there are use neither.
std::optional<Lack> TransportIsHere(const WorkloadContext& context) {
  const std::string& transport = context.Text("fuse");
  if (transport == "classic") return std::nullopt;
  if (auto lack = context.instance->WhyMissing({Capability::fuse_daemon})) return lack;
  const Result<std::string> target = WorkspaceDirectory("probe");
  if (!target.ok()) return Lack{SkipCodeName(SkipCode::kernel_missing), target.status().ToString()};
  const Result<FuseOffer> offer = AskFuseOffer(*target);
  if (!offer.ok()) return Lack{SkipCodeName(SkipCode::kernel_missing), offer.status().ToString()};
  const bool offered = transport == "passthrough" ? offer->passthrough : offer->io_uring;
  if (!offered) {
    return Lack{
        SkipCodeName(SkipCode::kernel_missing),
        fmt::format("FUSE_INIT of protocol {}.{} does not offer {}", offer->major, offer->minor, transport)};
  }
  return Lack{SkipCodeName(SkipCode::tool_missing),
              fmt::format("the kernel offers {} (protocol {}.{}); {} does not ask for it", transport,
                          offer->major, offer->minor, context.instance->version)};
}

LM_WORKLOAD(
    file_server,
    {.family = "writing",
     .summary = "cycles of a file server, a mail server, a web server, or of making files, by T threads",
     .source = "performance.md W21; filebench; To FUSE or not to FUSE, FAST 2017",
     .from = From::kFull,
     .params = {{"cycles", {{"5"}, {"20"}, {"100"}}},
                {"fuse", {{"classic"}, {"classic"}, {"classic", "passthrough", "io_uring"}}},
                {"persona",
                 {{"fileserver", "varmail", "webserver", "create"},
                  {"fileserver", "varmail", "webserver", "create"},
                  {"fileserver", "varmail", "webserver", "create"}}},
                {"threads", {{"2"}, {"4"}, {"16"}}}},
     .operation = "each thread its cycles: reads, appends, new files, flushes, removals",
     .raw_twin = "the same in a directory of the bare backing file system",
     .probe = TransportIsHere,
     .backing_bytes = int64_t{2} << 30,
     .min_pairs = 3,
     .max_pairs = 40,
     .deadline_seconds = 240,
     .inexact_counts = {{"", ""}}},
    MakeWorkload<FileServerLoad>);

}  // namespace
}  // namespace layermark
