#include "drivers/btrfs/own_changes.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "core/sys/fd.h"

namespace layermark::btrfs {
namespace {

// When the snapshot came into being: the transaction, and the clock.
struct Birth {
  uint64_t transaction = 0;
  uint64_t seconds = 0;
  uint32_t nanoseconds = 0;
};

Result<Birth> BirthOf(const Fd& subvolume, const std::string& path) {
  struct btrfs_ioctl_get_subvol_info_args info = {};
  // Answers 1 on success too.
  if (ioctl(subvolume.get(), BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0) {
    return Status::Errno("BTRFS_IOC_GET_SUBVOL_INFO", path);
  }
  return Birth{info.otransid, info.otime.sec, info.otime.nsec};
}

// Calls `visit` with every item of the subvolume's tree that lies in a leaf written in `min_transaction` or
// later.
Status EachItem(const Fd& subvolume, const std::string& path, uint64_t min_transaction,
                const std::function<void(const btrfs_ioctl_search_header&, const char* item)>& visit) {
  constexpr size_t kBufferBytes = 256 * 1024;
  std::vector<uint64_t> memory((sizeof(btrfs_ioctl_search_args_v2) + kBufferBytes) / sizeof(uint64_t));
  auto* args = reinterpret_cast<btrfs_ioctl_search_args_v2*>(memory.data());
  btrfs_ioctl_search_key& key = args->key;
  key.tree_id = 0;  // the tree of the descriptor's own subvolume
  key.min_objectid = BTRFS_FIRST_FREE_OBJECTID;
  key.max_objectid = BTRFS_LAST_FREE_OBJECTID;
  key.max_type = UINT8_MAX;
  key.max_offset = UINT64_MAX;
  key.min_transid = min_transaction;
  key.max_transid = UINT64_MAX;
  while (true) {
    args->buf_size = kBufferBytes;
    key.nr_items = UINT32_MAX;
    if (ioctl(subvolume.get(), BTRFS_IOC_TREE_SEARCH_V2, args) < 0) {
      return Status::Errno("BTRFS_IOC_TREE_SEARCH_V2", path);
    }
    if (key.nr_items == 0) return Status::Ok();
    const char* position = reinterpret_cast<const char*>(args->buf);
    btrfs_ioctl_search_header header = {};
    for (uint32_t i = 0; i < key.nr_items; ++i) {
      std::memcpy(&header, position, sizeof(header));
      position += sizeof(header);
      visit(header, position);
      position += header.len;
    }
    // On with the key behind the last one.
    key.min_objectid = header.objectid;
    key.min_type = header.type;
    key.min_offset = header.offset + 1;
    if (key.min_offset == 0 && ++key.min_type > UINT8_MAX) {
      key.min_type = 0;
      ++key.min_objectid;
    }
  }
}

template <typename T>
bool Load(const btrfs_ioctl_search_header& header, const char* item, T& out) {
  if (header.len < sizeof(T)) return false;
  std::memcpy(&out, item, sizeof(T));
  return true;
}

class Counter {
 public:
  Counter(const Birth& birth, bool has_parent) : birth_(birth), has_parent_(has_parent) {}

  void Visit(const btrfs_ioctl_search_header& header, const char* item) {
    if (header.type == BTRFS_INODE_ITEM_KEY) VisitInode(header, item);
    if (header.type == BTRFS_EXTENT_DATA_KEY) VisitExtent(header, item);
  }
  const Usage& usage() const { return usage_; }

 private:
  void VisitInode(const btrfs_ioctl_search_header& header, const char* item) {
    btrfs_inode_item inode = {};
    if (Load(header, item, inode) && le32toh(inode.nlink) != 0 && IsOwn(inode)) ++usage_.inodes;
  }
  // An access time alone is written in a later transaction, but leaves the change time behind the snapshot's
  // birth.
  bool IsOwn(const btrfs_inode_item& inode) const {
    if (!has_parent_) return true;
    if (le64toh(inode.transid) <= birth_.transaction) return false;
    const uint64_t seconds = le64toh(inode.ctime.sec);
    return seconds != birth_.seconds ? seconds > birth_.seconds
                                     : le32toh(inode.ctime.nsec) >= birth_.nanoseconds;
  }

  void VisitExtent(const btrfs_ioctl_search_header& header, const char* item) {
    constexpr size_t kInlineHeader = offsetof(btrfs_file_extent_item, disk_bytenr);
    btrfs_file_extent_item extent = {};
    if (header.len < kInlineHeader) return;
    std::memcpy(&extent, item, std::min<size_t>(header.len, sizeof(extent)));
    if (has_parent_ && le64toh(extent.generation) <= birth_.transaction) return;
    if (extent.type == BTRFS_FILE_EXTENT_INLINE) {
      usage_.size_bytes += static_cast<int64_t>(header.len - kInlineHeader);
      return;
    }
    const uint64_t start = le64toh(extent.disk_bytenr);
    if (header.len < sizeof(extent) || start == 0) return;  // a hole
    if (seen_.insert(start).second) usage_.size_bytes += static_cast<int64_t>(le64toh(extent.disk_num_bytes));
  }

  const Birth birth_;
  const bool has_parent_;
  std::set<uint64_t> seen_;
  Usage usage_;
};

}  // namespace

Result<Usage> OwnChanges(const std::string& subvolume, bool has_parent) {
  LM_ASSIGN(Fd fd, Open(subvolume, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (syncfs(fd.get()) != 0) return Status::Errno("syncfs", subvolume);
  LM_ASSIGN(const Birth birth, BirthOf(fd, subvolume));
  Counter counter(birth, has_parent);
  LM_TRY(EachItem(
      fd, subvolume, has_parent ? birth.transaction + 1 : 0,
      [&](const btrfs_ioctl_search_header& header, const char* item) { counter.Visit(header, item); }));
  return counter.usage();
}

}  // namespace layermark::btrfs
