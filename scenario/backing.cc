#include "scenario/backing.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "core/sys/loop.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// What making one kind of file system takes.
struct KindRow {
  const char* kind;
  const char* program;
  const char* package;
  int64_t minimum_bytes;
  std::vector<std::string> arguments;
};

const KindRow* FindKind(const std::string& kind) {
  // No lazy initialisation (it would write during the measurement) and no discard (the file is all holes).
  static const std::vector<KindRow> rows = {
      {"ext4",
       "mkfs.ext4",
       "e2fsprogs",
       16 * kMiB,
       // Four times the usual number of inodes: copies of small trees run out of those long before space.
       {"-q", "-F", "-b", "4096", "-i", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"}},
      {"xfs", "mkfs.xfs", "xfsprogs", 300 * kMiB, {"-q", "-f", "-K", "-m", "reflink=1"}},
      {"btrfs", "mkfs.btrfs", "btrfs-progs", 128 * kMiB, {"-q", "-f", "-K"}},
  };
  for (const KindRow& row : rows) {
    if (kind == row.kind) return &row;
  }
  return nullptr;
}

// The PATH of an ordinary user lacks the directories where mkfs lives.
Result<std::string> FindMkfs(const KindRow& row) {
  for (const char* directory : {"", "/usr/sbin/", "/sbin/"}) {
    if (std::optional<std::string> found = FindProgram(std::string(directory) + row.program)) return *found;
  }
  return NotFound(std::string(row.program) + " is missing: install the package " + row.package);
}

std::string MiBText(int64_t bytes) {
  return std::to_string(bytes / kMiB) + " MiB";
}

// A size that fits: what was asked for, at least the kind's minimum, at most what `directory` has to give.
Result<int64_t> FittingSize(const BackingSpec& spec, const std::string& directory, int64_t minimum) {
  struct statvfs st = {};
  if (statvfs(directory.c_str(), &st) != 0) return Status::Errno("statvfs", directory);
  auto room = static_cast<int64_t>(st.f_bavail) * static_cast<int64_t>(st.f_frsize);
  // The host's disk is not ours alone.
  if (spec.device == "disk") room /= 4;
  if (room < minimum) {
    return Status(Code::kResourceExhausted, spec.name() + " needs " + MiBText(minimum) + " of " +
                                                spec.device + ", the budget in " + directory + " leaves " +
                                                MiBText(room));
  }
  int64_t size = std::min(std::max(spec.size_bytes, minimum), room);
  return size / kMiB * kMiB;
}

Result<Fd> UnnamedFile(const std::string& directory, int64_t size) {
  Result<Fd> file = Open(directory, O_TMPFILE | O_RDWR, 0600);
  if (!file.ok() &&
      (file.status().code() == Code::kUnimplemented || file.status().error_number() == EISDIR)) {
    std::string path = TempPattern(directory, ".layermark");
    int fd = mkostemp(path.data(), O_CLOEXEC);
    if (fd < 0) return Status::Errno("mkostemp", path);
    file = Fd(fd);
    if (unlink(path.c_str()) != 0) return Status::Errno("unlink", path);
  }
  if (!file.ok()) return file;
  if (ftruncate(file->get(), size) != 0) return Status::Errno("ftruncate", directory);
  return file;
}

// One of the kinds, or "dir" for another.
Result<std::string> FileSystemOf(const std::string& directory) {
  struct statfs st = {};
  if (statfs(directory.c_str(), &st) != 0) return Status::Errno("statfs", directory);
  switch (static_cast<uint32_t>(st.f_type)) {
    case EXT4_SUPER_MAGIC:
      return std::string("ext4");
    case XFS_SUPER_MAGIC:
      return std::string("xfs");
    case BTRFS_SUPER_MAGIC:
      return std::string("btrfs");
    case TMPFS_MAGIC:
      return std::string("tmpfs");
    default:
      return std::string("dir");
  }
}

Status ExplainMount(const Status& status, const std::string& kind) {
  if (status.error_number() != ENODEV) return status;
  return Status(Code::kUnimplemented, "the kernel has no file system " + kind + ": " + status.ToString());
}

}  // namespace

std::string BackingSpec::name() const {
  return kind;
}

Result<BackingSpec> ParseBacking(const std::string& text, const std::string& device) {
  BackingSpec spec;
  if (device != "ram" && device != "disk")
    return InvalidArgument("unknown device " + device + ": ram or disk");
  spec.device = device;
  if (text.starts_with("dir=")) {
    spec.kind = "dir";
    spec.device = "disk";
    spec.directory = text.substr(4);
    if (spec.directory.empty()) return InvalidArgument("backing dir= names no directory");
    struct stat st = {};
    if (stat(spec.directory.c_str(), &st) != 0) return Status::Errno("stat", spec.directory);
    if (!S_ISDIR(st.st_mode)) return InvalidArgument("backing " + spec.directory + " is not a directory");
    return spec;
  }
  spec.kind = text;
  if (text == "tmpfs") {
    spec.device = "ram";
    return spec;
  }
  if (FindKind(text) == nullptr) {
    return InvalidArgument("unknown backing " + text + ": ext4, xfs, btrfs, tmpfs or dir=PATH");
  }
  return spec;
}

struct Backing::State {
  BackingSpec spec;
  std::string file_system;
  std::string path;
  std::string loop_path;
  std::vector<std::string> mount_options;
  int64_t asked_bytes = 0;
  bool mounted = false;
  bool made_path = false;

  ~State() {
    if (mounted) (void)UnmountPath(path, MNT_DETACH);
    if (made_path) (void)Remove();
  }

  Status Mount() {
    Status status =
        MountFilesystem(spec.kind, loop_path.empty() ? "layermark" : loop_path, path, mount_options);
    if (!status.ok()) return ExplainMount(status, spec.kind);
    mounted = true;
    return {};
  }

  // Waits for a short-lived user (a daemon on its way out), then says that there is one.
  Status Unmount() {
    for (int tries = 0;; ++tries) {
      Status status = UnmountPath(path);
      if (status.ok()) break;
      if (status.error_number() != EBUSY || tries == 50) return status;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    mounted = false;
    return {};
  }

  Status Remove() {
    made_path = false;
    if (spec.kind == "dir") return RemoveTree(path);
    return rmdir(path.c_str()) == 0 ? Status() : Status::Errno("rmdir", path);
  }
};

Backing::Backing(std::unique_ptr<State> state) : state_(std::move(state)) {}
Backing::Backing(Backing&&) noexcept = default;
Backing& Backing::operator=(Backing&&) noexcept = default;
Backing::~Backing() = default;

const BackingSpec& Backing::spec() const {
  return state_->spec;
}
const std::string& Backing::path() const {
  return state_->path;
}
const std::string& Backing::file_system() const {
  return state_->file_system;
}
std::string Backing::shrunk() const {
  const BackingSpec& spec = state_->spec;
  if (spec.kind == "dir" || spec.size_bytes / kMiB >= state_->asked_bytes / kMiB) return "";
  return spec.kind + " of " + MiBText(spec.size_bytes) + " in " + spec.device + ", not of " +
         MiBText(state_->asked_bytes) + ": the budget leaves no more";
}

Result<Backing> Backing::Create(const BackingSpec& spec) {
  auto state = std::make_unique<State>();
  state->spec = spec;
  state->file_system = spec.kind;
  state->asked_bytes = spec.size_bytes;
  if (spec.kind == "dir") {
    LM_ASSIGN(state->file_system, FileSystemOf(spec.directory));
    LM_ASSIGN(state->path, MakeTempDirectory(spec.directory, "layermark", 0755));
    state->made_path = true;
    return Backing(std::move(state));
  }

  LM_ASSIGN(state->path, WorkspaceDirectory("backing." + spec.kind));
  state->made_path = true;
  if (spec.kind == "tmpfs") {
    state->spec.device = "ram";
    LM_ASSIGN(state->spec.size_bytes, FittingSize(state->spec, WorkspacePath(), kMiB));
    state->mount_options = {"size=" + std::to_string(state->spec.size_bytes), "mode=0755"};
    if (spec.inodes > 0) state->mount_options.push_back("nr_inodes=" + std::to_string(spec.inodes));
    LM_TRY(state->Mount());
    return Backing(std::move(state));
  }

  const KindRow* row = FindKind(spec.kind);
  if (row == nullptr) return InvalidArgument("unknown backing " + spec.kind);
  LM_ASSIGN(std::string mkfs, FindMkfs(*row));
  const std::string& home = spec.device == "disk" ? DiskDirectory() : WorkspacePath();
  LM_ASSIGN(state->spec.size_bytes, FittingSize(spec, home, row->minimum_bytes));
  Result<Fd> made_file = spec.on_file < 0 ? UnnamedFile(home, state->spec.size_bytes)
                                          : Open("/proc/self/fd/" + std::to_string(spec.on_file), O_RDWR);
  if (!made_file.ok()) return made_file.status();
  const Fd file = std::move(made_file).value();
  // Buffered in RAM, where direct I/O would only copy; direct on disk, so that pages are not cached twice.
  LM_ASSIGN(LoopDevice loop, LoopDevice::Attach(file.get(), spec.device == "disk"));
  state->loop_path = loop.path();

  std::vector<std::string> argv = {mkfs};
  argv.insert(argv.end(), row->arguments.begin(), row->arguments.end());
  if (spec.kind == "ext4" && spec.inodes > 0) {
    argv.insert(argv.end(), {"-N", std::to_string(spec.inodes)});
  }
  argv.push_back(loop.path());
  Result<std::string> made = RunCommandOk(argv);
  if (!made.ok()) return made.status().WithContext("make " + spec.kind);
  LM_TRY(state->Mount());
  return Backing(std::move(state));
}

Result<std::string> Backing::NewDirectory(const std::string& prefix) {
  return MakeTempDirectory(state_->path, prefix, 0755);
}

Status Backing::Remount() {
  if (state_->loop_path.empty()) {
    LM_ASSIGN(Fd root, Open(state_->path, O_RDONLY | O_DIRECTORY));
    return syncfs(root.get()) == 0 ? Status() : Status::Errno("syncfs", state_->path);
  }
  // Between the two mounts this descriptor keeps the device, which detaches itself when nobody holds it.
  LM_ASSIGN(Fd loop, Open(state_->loop_path, O_RDONLY));
  LM_TRY(state_->Unmount());
  return state_->Mount();
}

Status Backing::Close() {
  if (state_->mounted) LM_TRY(state_->Unmount());
  if (state_->made_path) LM_TRY(state_->Remove());
  return {};
}

}  // namespace layermark
