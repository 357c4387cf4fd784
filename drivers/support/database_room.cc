#include "drivers/support/database_room.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace layermark {
namespace {

// The database grows by so much at a time.
constexpr int64_t kStepBytes = int64_t{32} << 10;

Result<int64_t> SizeOf(const Fd& file, const std::string& path) {
  struct stat st = {};
  if (fstat(file.get(), &st) != 0) return Status::Errno("fstat", path);
  return static_cast<int64_t>(st.st_size);
}

// Only btrfs has this flag, and only an empty file takes it. Other file systems overwrite in place anyway, so
// that a refusal is no failure.
void OverwriteInPlace(const Fd& file) {
  int flags = 0;
  if (ioctl(file.get(), FS_IOC_GETFLAGS, &flags) != 0) return;
  flags |= FS_NOCOW_FL;
  (void)ioctl(file.get(), FS_IOC_SETFLAGS, &flags);
}

// Written and not only allocated: the first write to an allocated block would still change the tables of the
// file system, which may need a block.
Status AppendZeros(const Fd& file, const std::string& path, int64_t from, int64_t to) {
  LM_TRY(PWriteAll(file.get(), std::string(static_cast<size_t>(to - from), '\0'), from));
  if (fdatasync(file.get()) != 0) return Status::Errno("fdatasync", path);
  return Status::Ok();
}

}  // namespace

Result<DatabaseRoom> DatabaseRoom::Open(const std::string& path) {
  LM_ASSIGN(Fd file, layermark::Open(path, O_RDWR | O_CREAT, 0644));
  LM_ASSIGN(const int64_t size, SizeOf(file, path));
  if (size == 0) OverwriteInPlace(file);
  return DatabaseRoom(path, std::move(file));
}

Status DatabaseRoom::ReserveLog() {
  const std::string path = path_ + "-wal";
  LM_ASSIGN(const Fd log, layermark::Open(path, O_RDWR));
  LM_ASSIGN(const int64_t size, SizeOf(log, path));
  if (size == 0) OverwriteInPlace(log);
  // To SQLite, zeros are the end of the log.
  return size < kReservedLogBytes ? AppendZeros(log, path, size, kReservedLogBytes) : Status::Ok();
}

Status DatabaseRoom::Reserve(int64_t bytes) {
  LM_ASSIGN(const int64_t size, SizeOf(file_, path_));
  if (size >= bytes) return Status::Ok();
  const int64_t wanted = (bytes + kStepBytes - 1) / kStepBytes * kStepBytes;
  // To SQLite, which keeps the number of pages inside the file, these are none.
  return AppendZeros(file_, path_, size, wanted);
}

}  // namespace layermark
