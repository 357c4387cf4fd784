#include "inspect/contents.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/sys/fd.h"
#include "core/tree/sha256.h"

namespace layermark::inspect {
namespace {

bool IsCandidate(const Root& root, const Inode& inode) {
  return S_ISREG(inode.mode) && inode.size_bytes > 0 && inode.block_bytes > 0 &&
         inode.holder < static_cast<int>(root.layers.size());
}

Result<Fd> OpenFile(int root_fd, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  Result<Fd> file = OpenInRoot(root_fd, path, kFlags | O_NOATIME);
  if (!file.ok() && file.status().error_number() == EPERM) file = OpenInRoot(root_fd, path, kFlags);
  return file;
}

}  // namespace

Result<Contents> ReadContents(const Root& root, const Scan& scan) {
  Contents contents;
  contents.number.resize(scan.inodes.size(), 0);
  std::map<int64_t, std::vector<uint32_t>> by_size;
  for (uint32_t i = 0; i < scan.inodes.size(); ++i) {
    if (IsCandidate(root, scan.inodes[i])) by_size[scan.inodes[i].size_bytes].push_back(i);
  }
  LM_ASSIGN(const Fd root_fd, Open(root.path, O_RDONLY | O_DIRECTORY));
  Sha256Stream sha;
  std::unordered_map<std::string, uint32_t> number_of;                 // by digest
  std::map<std::pair<int64_t, uint64_t>, uint32_t> number_of_extents;  // by size and extents
  for (const auto& [size, group] : by_size) {
    bool several = false;
    for (const uint32_t i : group) {
      several = several || scan.inodes[i].holder != scan.inodes[group.front()].holder ||
                scan.further_holders.contains(i);
    }
    if (!several) continue;
    for (const uint32_t i : group) {
      const Inode& inode = scan.inodes[i];
      uint32_t& by_extents = number_of_extents[{size, inode.extents_hash}];
      if (inode.extents_hash == 0 || by_extents == 0) {
        LM_ASSIGN(const Fd file, OpenFile(root_fd.get(), inode.path));
        LM_ASSIGN(const std::string digest, sha.HashFile(file.get(), inode.path));
        ++contents.files_read_count;
        contents.bytes_read += size;
        by_extents = number_of.emplace(digest, static_cast<uint32_t>(number_of.size()) + 1).first->second;
      }
      contents.number[i] = by_extents;
    }
  }
  return contents;
}

}  // namespace layermark::inspect
