#include "scenario/failing_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr uint64_t kDiskNode = 2;  // the root has FUSE_ROOT_ID, 1
constexpr char kDiskName[] = "disk";
constexpr uint32_t kMaxWrite = 1 << 20;
constexpr int64_t kAlways = INT64_MAX;

// Shared by the owner and the child that serves.
struct Commands {
  std::atomic<int64_t> reads_left{kAlways};
  std::atomic<int64_t> writes_left{kAlways};
  std::atomic<int64_t> failed{0};
};

// Serves one file until the connection ends.
class Server {
 public:
  Server(int connection, int file, int64_t size, Commands* commands)
      : connection_(connection), file_(file), size_(size), commands_(commands), request_(kMaxWrite + 65536) {}

  int Run() {
    for (;;) {
      const ssize_t n = read(connection_, request_.data(), request_.size());
      if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
      if (n < static_cast<ssize_t>(sizeof(fuse_in_header))) return 0;  // unmounted
      std::memcpy(&in_, request_.data(), sizeof(in_));
      Serve();
    }
  }

 private:
  template <typename T>
  T Argument() const {
    T argument{};
    std::memcpy(&argument, request_.data() + sizeof(in_), std::min(sizeof(T), size_t{in_.len} - sizeof(in_)));
    return argument;
  }

  void Reply(int error, const void* data, size_t size) {
    fuse_out_header out{};
    out.len = static_cast<uint32_t>(sizeof(out) + size);
    out.error = -error;
    out.unique = in_.unique;
    const iovec parts[] = {{&out, sizeof(out)}, {const_cast<void*>(data), size}};
    // Fails where the request was given up in the meantime.
    (void)!writev(connection_, parts, size == 0 ? 1 : 2);
  }
  void Error(int error) { Reply(error, nullptr, 0); }
  template <typename T>
  void Answer(const T& value) {
    Reply(0, &value, sizeof(value));
  }

  // True where this request is one that the owner wants to fail.
  bool Fails(std::atomic<int64_t>& left) {
    if (left.load() == kAlways) return false;
    if (left.fetch_sub(1) > 0) return false;
    left.store(0);
    ++commands_->failed;
    Error(EIO);
    return true;
  }

  fuse_attr Attributes(uint64_t node) const {
    fuse_attr attr{};
    attr.ino = node;
    attr.nlink = node == kDiskNode ? 1 : 2;
    attr.mode = node == kDiskNode ? S_IFREG | 0600 : S_IFDIR | 0700;
    attr.size = node == kDiskNode ? static_cast<uint64_t>(size_) : 0;
    attr.blksize = 4096;
    return attr;
  }

  void Serve() {
    switch (in_.opcode) {
      case FUSE_INIT: {
        const auto asked = Argument<fuse_init_in>();
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = std::min<uint32_t>(asked.minor, 31);
        out.max_readahead = asked.max_readahead;
        out.flags = asked.flags & (FUSE_BIG_WRITES | FUSE_ASYNC_READ | FUSE_MAX_PAGES);
        out.max_write = kMaxWrite;
        out.max_pages = 256;
        out.time_gran = 1;
        return Answer(out);
      }
      case FUSE_LOOKUP: {
        const char* name = request_.data() + sizeof(in_);
        if (in_.nodeid != FUSE_ROOT_ID || strcmp(name, kDiskName) != 0) return Error(ENOENT);
        fuse_entry_out out{};
        out.nodeid = kDiskNode;
        out.attr = Attributes(kDiskNode);
        out.entry_valid = out.attr_valid = 3600;
        return Answer(out);
      }
      case FUSE_GETATTR:
      case FUSE_SETATTR: {
        fuse_attr_out out{};
        out.attr = Attributes(in_.nodeid);
        out.attr_valid = 3600;
        return Answer(out);
      }
      case FUSE_OPEN:
      case FUSE_OPENDIR:
        return Answer(fuse_open_out{});
      case FUSE_READ:
        return Read();
      case FUSE_WRITE:
        return Write();
      case FUSE_FSYNC:
        if (commands_->writes_left.load() == 0) {
          ++commands_->failed;
          return Error(EIO);
        }
        return Error(0);
      case FUSE_STATFS:
        return Answer(fuse_statfs_out{});
      case FUSE_FLUSH:
      case FUSE_RELEASE:
      case FUSE_RELEASEDIR:
      case FUSE_DESTROY:
        return Error(0);
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;  // these have no answer
      default:
        return Error(ENOSYS);
    }
  }

  void Read() {
    if (Fails(commands_->reads_left)) return;
    const auto asked = Argument<fuse_read_in>();
    std::string data(asked.size, '\0');
    const ssize_t n = pread(file_, data.data(), data.size(), static_cast<off_t>(asked.offset));
    if (n < 0) return Error(errno);
    Reply(0, data.data(), static_cast<size_t>(n));
  }

  void Write() {
    if (Fails(commands_->writes_left)) return;
    const auto asked = Argument<fuse_write_in>();
    const char* data = request_.data() + sizeof(in_) + sizeof(fuse_write_in);
    const ssize_t n = pwrite(file_, data, asked.size, static_cast<off_t>(asked.offset));
    if (n < 0) return Error(errno);
    fuse_write_out out{};
    out.size = static_cast<uint32_t>(n);
    Answer(out);
  }

  const int connection_, file_;
  const int64_t size_;
  Commands* const commands_;
  std::vector<char> request_;
  fuse_in_header in_{};
};

}  // namespace

struct FailingDisk::State {
  Commands* commands = nullptr;
  int64_t size = 0;
  std::string directory;
  bool mounted = false;
  ChildProcess server;
  Fd file;

  ~State() {
    file = Fd();
    if (mounted) (void)UnmountPath(directory, MNT_DETACH);
    server = ChildProcess();  // kills it, which ends the connection
    if (!directory.empty()) (void)rmdir(directory.c_str());
    if (commands != nullptr) munmap(commands, sizeof(Commands));
  }
};

FailingDisk::FailingDisk(std::unique_ptr<State> state) : state_(std::move(state)) {}
FailingDisk::FailingDisk(FailingDisk&&) noexcept = default;
FailingDisk& FailingDisk::operator=(FailingDisk&&) noexcept = default;
FailingDisk::~FailingDisk() = default;

Result<FailingDisk> FailingDisk::Create(int64_t size_bytes) {
  auto state = std::make_unique<State>();
  state->size = size_bytes;
  void* shared = mmap(nullptr, sizeof(Commands), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return Status::Errno("mmap", "shared memory");
  state->commands = new (shared) Commands;
  LM_ASSIGN(Fd content, Open(WorkspacePath(), O_TMPFILE | O_RDWR, 0600));
  if (ftruncate(content.get(), size_bytes) != 0) return Status::Errno("ftruncate", "the disk's content");
  LM_ASSIGN(state->directory, WorkspaceDirectory("failing"));
  LM_ASSIGN(Fd connection, Open("/dev/fuse", O_RDWR));
  LM_TRY(MountFilesystem(
      "fuse", "layermark", state->directory,
      {"fd=" + std::to_string(connection.get()), "rootmode=40000", "user_id=0", "group_id=0"}));
  state->mounted = true;
  LM_ASSIGN(state->server, ChildProcess::Fork([&](int) {
              return Server(connection.get(), content.get(), size_bytes, state->commands).Run();
            }));
  // Only the child holds the connection from here on.
  LM_TRY(connection.Close());
  LM_ASSIGN(state->file, Open(state->directory + "/" + kDiskName, O_RDWR));
  return FailingDisk(std::move(state));
}

int FailingDisk::file_fd() const {
  return state_->file.get();
}
int64_t FailingDisk::size_bytes() const {
  return state_->size;
}
void FailingDisk::FailReadsAfter(int64_t requests) {
  state_->commands->reads_left = requests;
}
void FailingDisk::FailWritesAfter(int64_t requests) {
  state_->commands->writes_left = requests;
}
void FailingDisk::Heal() {
  state_->commands->reads_left = kAlways;
  state_->commands->writes_left = kAlways;
}
int64_t FailingDisk::failed_count() const {
  return state_->commands->failed;
}

Status FailingDisk::DropCache() {
  if (fsync(state_->file.get()) != 0) return Status::Errno("fsync", kDiskName);
  if (const int error = posix_fadvise(state_->file.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) {
    errno = error;
    return Status::Errno("posix_fadvise", kDiskName);
  }
  return Status::Ok();
}

}  // namespace layermark
