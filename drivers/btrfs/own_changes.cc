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
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/sys/fd.h"

namespace layermark::btrfs {
namespace {

// Where a snapshot comes from: the transaction that it was taken in, and the number of its parent's tree.
struct Birth {
  uint64_t transaction = 0;
  uint64_t parent_tree = 0;
};

// One item of a tree, by its whole key. kNotFound: there is none.
template <typename T>
Result<T> ItemOf(const Fd& fd, uint64_t tree, uint64_t objectid, uint32_t type, uint64_t offset,
                 const std::string& path) {
  struct btrfs_ioctl_search_args args = {};
  args.key.tree_id = tree;
  args.key.min_objectid = args.key.max_objectid = objectid;
  args.key.min_type = args.key.max_type = type;
  args.key.min_offset = args.key.max_offset = offset;
  args.key.max_transid = UINT64_MAX;
  args.key.nr_items = 1;
  if (ioctl(fd.get(), BTRFS_IOC_TREE_SEARCH, &args) < 0) return Status::Errno("BTRFS_IOC_TREE_SEARCH", path);
  struct btrfs_ioctl_search_header header = {};
  T item = {};
  if (args.key.nr_items == 1) std::memcpy(&header, args.buf, sizeof(header));
  if (header.len < sizeof(item)) return Status(Code::kNotFound, path + ": no such item");
  std::memcpy(&item, args.buf + sizeof(header), sizeof(item));
  return item;
}

Result<Birth> BirthOf(const Fd& subvolume, const std::string& path) {
  struct btrfs_ioctl_get_subvol_info_args info = {};
  // Answers 1 on success too.
  if (ioctl(subvolume.get(), BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0) {
    return Status::Errno("BTRFS_IOC_GET_SUBVOL_INFO", path);
  }
  // The key of an entry in the tree of names is the two halves of the name.
  uint64_t halves[2] = {};
  std::memcpy(halves, info.parent_uuid, sizeof(halves));
  LM_ASSIGN(const uint64_t tree,
            ItemOf<uint64_t>(subvolume, BTRFS_UUID_TREE_OBJECTID, le64toh(halves[0]), BTRFS_UUID_KEY_SUBVOL,
                             le64toh(halves[1]), path + ": its parent"));
  return Birth{info.otransid, le64toh(tree)};
}

// Calls `visit` with every item of the subvolume's tree that lies in a leaf written in `min_transaction` or
// later, until it says that something is wrong.
Status EachItem(const Fd& subvolume, const std::string& path, uint64_t min_transaction,
                const std::function<Status(const btrfs_ioctl_search_header&, const char* item)>& visit) {
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
      LM_TRY(visit(header, position));
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
  // Without `birth` there is no parent, and everything counts.
  Counter(const Fd& subvolume, std::string path, std::optional<Birth> birth)
      : subvolume_(subvolume), path_(std::move(path)), birth_(birth) {}

  Status Visit(const btrfs_ioctl_search_header& header, const char* item) {
    if (header.type == BTRFS_INODE_ITEM_KEY) return VisitInode(header, item);
    if (header.type == BTRFS_EXTENT_DATA_KEY) VisitExtent(header, item);
    return Status::Ok();
  }
  const Usage& usage() const { return usage_; }

 private:
  Status VisitInode(const btrfs_ioctl_search_header& header, const char* item) {
    btrfs_inode_item inode = {};
    if (!Load(header, item, inode) || le64toh(inode.nlink) == 0) return Status::Ok();
    LM_ASSIGN(const bool own, IsOwn(header.objectid, inode));
    if (own) ++usage_.inodes;
    return Status::Ok();
  }
  // Written in a later transaction, and in more than its access time different from the parent's. Times alone
  // cannot tell: the parent's last change and the snapshot may fall into one tick of the clock.
  Result<bool> IsOwn(uint64_t number, btrfs_inode_item inode) const {
    if (!birth_) return true;
    if (le64toh(inode.transid) <= birth_->transaction) return false;
    Result<btrfs_inode_item> before =
        ItemOf<btrfs_inode_item>(subvolume_, birth_->parent_tree, number, BTRFS_INODE_ITEM_KEY, 0, path_);
    if (before.status().code() == Code::kNotFound) return true;
    LM_TRY(before.status());
    inode.transid = before->transid;
    inode.atime = before->atime;
    return std::memcmp(&inode, &*before, sizeof(inode)) != 0;
  }

  void VisitExtent(const btrfs_ioctl_search_header& header, const char* item) {
    constexpr size_t kInlineHeader = offsetof(btrfs_file_extent_item, disk_bytenr);
    btrfs_file_extent_item extent = {};
    if (header.len < kInlineHeader) return;
    std::memcpy(&extent, item, std::min<size_t>(header.len, sizeof(extent)));
    if (birth_ && le64toh(extent.generation) <= birth_->transaction) return;
    if (extent.type == BTRFS_FILE_EXTENT_INLINE) {
      usage_.size_bytes += static_cast<int64_t>(header.len - kInlineHeader);
      return;
    }
    const uint64_t start = le64toh(extent.disk_bytenr);
    if (header.len < sizeof(extent) || start == 0) return;  // a hole
    if (seen_.insert(start).second) usage_.size_bytes += static_cast<int64_t>(le64toh(extent.disk_num_bytes));
  }

  const Fd& subvolume_;
  const std::string path_;
  const std::optional<Birth> birth_;
  std::set<uint64_t> seen_;
  Usage usage_;
};

}  // namespace

Result<Usage> OwnChanges(const std::string& subvolume, bool has_parent) {
  LM_ASSIGN(Fd fd, Open(subvolume, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (syncfs(fd.get()) != 0) return Status::Errno("syncfs", subvolume);
  std::optional<Birth> birth;
  if (has_parent) {
    LM_ASSIGN(birth, BirthOf(fd, subvolume));
  }
  Counter counter(fd, subvolume, birth);
  LM_TRY(EachItem(fd, subvolume, birth ? birth->transaction + 1 : 0,
                  [&](const btrfs_ioctl_search_header& header, const char* item) {
                    return counter.Visit(header, item);
                  }));
  return counter.usage();
}

}  // namespace layermark::btrfs
