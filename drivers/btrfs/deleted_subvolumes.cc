#include "drivers/btrfs/deleted_subvolumes.h"

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <sys/ioctl.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <thread>

#include "core/sys/fd.h"

namespace layermark::btrfs {
namespace {

// Numbers of the subvolumes that are deleted and not yet gone: the orphans of the tree of roots.
Result<std::set<uint64_t>> Deleted(const Fd& directory, const std::string& path) {
  std::set<uint64_t> numbers;
  btrfs_ioctl_search_args args = {};
  btrfs_ioctl_search_key& key = args.key;
  key.tree_id = BTRFS_ROOT_TREE_OBJECTID;
  key.min_objectid = key.max_objectid = BTRFS_ORPHAN_OBJECTID;
  key.min_type = key.max_type = BTRFS_ORPHAN_ITEM_KEY;
  key.max_offset = UINT64_MAX;
  key.max_transid = UINT64_MAX;
  while (true) {
    key.nr_items = 4096;
    if (ioctl(directory.get(), BTRFS_IOC_TREE_SEARCH, &args) < 0)
      return Status::Errno("BTRFS_IOC_TREE_SEARCH", path);
    if (key.nr_items == 0) return numbers;
    const char* position = args.buf;
    btrfs_ioctl_search_header header = {};
    for (uint32_t i = 0; i < key.nr_items; ++i) {
      std::memcpy(&header, position, sizeof(header));
      position += sizeof(header) + header.len;
      numbers.insert(header.offset);
    }
    if (header.offset == UINT64_MAX) return numbers;
    key.min_offset = header.offset + 1;
  }
}

// Writes the transaction, which gives freed blocks back, and wakes the kernel thread that frees them.
Status Sync(const Fd& directory, const std::string& path) {
  if (ioctl(directory.get(), BTRFS_IOC_SYNC) < 0) return Status::Errno("BTRFS_IOC_SYNC", path);
  return Status::Ok();
}

}  // namespace

Status WaitForDeletedSubvolumes(const std::string& path, std::chrono::milliseconds deadline) {
  LM_ASSIGN(const Fd directory, Open(path, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(std::set<uint64_t> awaited, Deleted(directory, path));
  if (awaited.empty()) return Status::Ok();
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (true) {
    LM_TRY(Sync(directory, path));
    LM_ASSIGN(const std::set<uint64_t> there, Deleted(directory, path));
    std::erase_if(awaited, [&](uint64_t number) { return !there.contains(number); });
    if (awaited.empty()) break;
    if (std::chrono::steady_clock::now() >= end) {
      return {Code::kDeadlineExceeded, path + ": " + std::to_string(awaited.size()) +
                                           " deleted subvolumes are not gone yet, number " +
                                           std::to_string(*awaited.begin()) + " among them"};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Sync(directory, path);
}

}  // namespace layermark::btrfs
