#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>
#include <vector>

#include "core/sys/fd.h"
#include "results/accounting.h"

namespace layermark {
namespace {

constexpr auto kCleanerDeadline = std::chrono::seconds(60);

// XFS's own header is no part of the kernel's interface headers.
struct XfsFreeEofBlocks {
  uint32_t version = 1;
  uint32_t flags = 1;  // wait until it is done
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t project = 0;
  uint32_t unused32 = 0;
  uint64_t min_file_size = 0;
  uint64_t unused64[12] = {};
};
static_assert(sizeof(XfsFreeEofBlocks) == 128);
const unsigned long kXfsFreeEofBlocks = _IOR('X', 58, XfsFreeEofBlocks);

// Frees what XFS holds back: preallocated blocks behind the end, and unlinked inodes not yet inactivated.
Status FinishXfs(int fd, const std::string& directory) {
  XfsFreeEofBlocks request;
  if (ioctl(fd, kXfsFreeEofBlocks, &request) == 0) return Status::Ok();
  return Status::Errno("ioctl XFS_IOC_FREE_EOFBLOCKS", directory);
}

// True while the tree of tree roots names a deleted subvolume that the cleaner has not taken apart.
Result<bool> HasDeletedSubvolumes(int fd, const std::string& directory) {
  btrfs_ioctl_search_args args = {};
  btrfs_ioctl_search_key& key = args.key;
  key.tree_id = BTRFS_ROOT_TREE_OBJECTID;
  key.min_objectid = key.max_objectid = static_cast<uint64_t>(BTRFS_ORPHAN_OBJECTID);
  key.min_type = key.max_type = BTRFS_ORPHAN_ITEM_KEY;
  key.max_offset = UINT64_MAX;
  key.max_transid = UINT64_MAX;
  key.nr_items = 1;
  if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) != 0)
    return Status::Errno("ioctl BTRFS_IOC_TREE_SEARCH", directory);
  return key.nr_items > 0;
}

Status FinishBtrfs(int fd, const std::string& directory) {
  auto deadline = std::chrono::steady_clock::now() + kCleanerDeadline;
  for (;;) {
    // Unlike syncfs this wakes the cleaner as well.
    if (ioctl(fd, BTRFS_IOC_SYNC, nullptr) != 0) return Status::Errno("ioctl BTRFS_IOC_SYNC", directory);
    LM_ASSIGN(bool pending, HasDeletedSubvolumes(fd, directory));
    if (!pending) break;
    if (std::chrono::steady_clock::now() > deadline) {
      return {Code::kDeadlineExceeded, directory + ": btrfs still has deleted subvolumes to clean"};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  // What the cleaner freed is free after the next commit.
  if (ioctl(fd, BTRFS_IOC_SYNC, nullptr) != 0) return Status::Errno("ioctl BTRFS_IOC_SYNC", directory);
  return Status::Ok();
}

int64_t Copies(uint64_t profile) {
  if ((profile & BTRFS_BLOCK_GROUP_RAID1C4) != 0) return 4;
  if ((profile & BTRFS_BLOCK_GROUP_RAID1C3) != 0) return 3;
  return (profile & (BTRFS_BLOCK_GROUP_DUP | BTRFS_BLOCK_GROUP_RAID1 | BTRFS_BLOCK_GROUP_RAID10)) != 0 ? 2
                                                                                                       : 1;
}

Result<int64_t> BtrfsUsedBytes(int fd, const std::string& directory) {
  btrfs_ioctl_space_args count = {};
  if (ioctl(fd, BTRFS_IOC_SPACE_INFO, &count) != 0)
    return Status::Errno("ioctl BTRFS_IOC_SPACE_INFO", directory);
  // Room for groups that appear between the two calls.
  const uint64_t slots = count.total_spaces + 4;
  std::vector<uint64_t> room((sizeof count + slots * sizeof(btrfs_ioctl_space_info)) / sizeof(uint64_t) + 1);
  auto* args = reinterpret_cast<btrfs_ioctl_space_args*>(room.data());
  args->space_slots = slots;
  if (ioctl(fd, BTRFS_IOC_SPACE_INFO, args) != 0)
    return Status::Errno("ioctl BTRFS_IOC_SPACE_INFO", directory);
  int64_t used = 0;
  for (uint64_t i = 0; i < args->total_spaces; ++i) {
    const btrfs_ioctl_space_info& space = args->spaces[i];
    if ((space.flags & BTRFS_SPACE_INFO_GLOBAL_RSV) != 0) continue;
    used += static_cast<int64_t>(space.used_bytes) * Copies(space.flags);
  }
  return used;
}

}  // namespace

Result<PoolState> ReadPool(const std::string& directory) {
  LM_ASSIGN(Fd fd, Open(directory, O_RDONLY | O_DIRECTORY));
  if (syncfs(fd.get()) != 0) return Status::Errno("syncfs", directory);
  struct statfs kind;
  if (fstatfs(fd.get(), &kind) != 0) return Status::Errno("fstatfs", directory);
  if (kind.f_type == XFS_SUPER_MAGIC) LM_TRY(FinishXfs(fd.get(), directory));
  if (kind.f_type == BTRFS_SUPER_MAGIC) LM_TRY(FinishBtrfs(fd.get(), directory));

  struct statvfs fs;
  if (fstatvfs(fd.get(), &fs) != 0) return Status::Errno("fstatvfs", directory);
  PoolState pool;
  pool.used_bytes = static_cast<int64_t>((fs.f_blocks - fs.f_bfree) * fs.f_frsize);
  pool.used_inodes = fs.f_files == 0 ? -1 : static_cast<int64_t>(fs.f_files - fs.f_ffree);
  if (kind.f_type == BTRFS_SUPER_MAGIC) {
    LM_ASSIGN(pool.used_bytes, BtrfsUsedBytes(fd.get(), directory));
  }
  return pool;
}

}  // namespace layermark
