#include "inspect/scan.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fiemap.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/tree/dir_walk.h"
#include "results/extents.h"
#include "results/union_marks.h"

namespace layermark::inspect {
namespace {

constexpr ino_t kSubvolumeRoot = 256;
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr size_t kMaxRedirectBytes = 4096;

struct InodeKey {
  dev_t device;
  ino_t number;
  bool operator==(const InodeKey&) const = default;
};
struct InodeKeyHash {
  size_t operator()(const InodeKey& key) const {
    return std::hash<uint64_t>()(key.number * 0x9E3779B97F4A7C15u ^ key.device);
  }
};

uint64_t Mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0xbf58476d1ce4e5b9u;
  return hash ^ (hash >> 29);
}

// File systems on which no two files can share an extent: FIEMAP has nothing to say there.
bool CannotShare(const std::string& type) {
  return type == "ext4" || type == "ext3" || type == "ext2" || type == "tmpfs" || type == "ramfs";
}

std::string Joined(const std::string& directory, const std::string& path) {
  return directory.empty() || path.empty() ? directory + path : directory + "/" + path;
}

class Scanner {
 public:
  explicit Scanner(const Root& root) : root_(root) {}
  Status Run();
  Scan Take() { return std::move(scan_); }

 private:
  // Where a directory of the root belongs.
  struct Directory {
    int holder = -1;
    uint32_t path = 0;   // within the layer
    bool delta = false;  // a layer of changes, where whiteouts mean something
  };
  // A mount that the walk covers.
  struct Area {
    std::string path;  // of its mount point, relative to the root; "" for the root
    std::string type;
    dev_t file_system = 0;
  };

  Status FindAreas();
  Status Walk(const Area& area);
  Status Visit(const WalkedName& met);
  Status AddDirectory(const std::string& path, const struct stat& st, int fd);
  Status AddOther(const WalkedName& met, const std::string& path);
  Result<uint32_t> AddInode(const struct stat& st, const std::string& path, int holder, int dir_fd,
                            const std::string& name);
  Status Map(uint32_t index, const Fd& file);
  Directory Place(const std::string& path);
  void AddRedirect(const Directory& from, const std::string& target);
  bool Belongs(const struct stat& st) const {
    return st.st_dev == device_ || devices_.contains(st.st_dev) ||
           (area_->type == "btrfs" && S_ISDIR(st.st_mode) && st.st_ino == kSubvolumeRoot);
  }
  bool IsLayer(int holder) const { return holder >= 0 && holder < static_cast<int>(root_.layers.size()); }

  const Root& root_;
  Scan scan_;
  std::unordered_map<std::string, int> holder_of_;  // by directory
  std::vector<Area> areas_;
  std::set<std::string> left_out_;  // mount points that are no area
  std::string skipped_;             // inside a directory that is left out: its path and a slash
  const Area* area_ = nullptr;
  dev_t device_ = 0;
  std::set<dev_t> devices_;  // of subvolumes met
  std::unordered_map<InodeKey, uint32_t, InodeKeyHash> index_;
  std::map<std::pair<dev_t, uint64_t>, uint32_t> spaces_;
  std::unordered_map<std::string, uint32_t> link_targets_;
  std::string cached_path_;
  Directory cached_;
  bool cache_valid_ = false;
};

// The root's own file system, and each other one that is mounted above layers.
Status Scanner::FindAreas() {
  std::error_code error;
  const std::string canonical = std::filesystem::canonical(root_.path, error).string();
  if (error) return Status::Errno("realpath", root_.path, error.value());
  LM_ASSIGN(const std::vector<MountInfo> mounts, ReadMountInfo());
  const std::string below = canonical == "/" ? "/" : canonical + "/";
  Area own;
  size_t longest = 0;
  std::map<std::string, Area> inner;  // the last one mounted at a place is the one that is seen
  for (const MountInfo& mount : mounts) {
    const std::string& at = mount.mount_point;
    const bool above = at == "/" || canonical == at || canonical.starts_with(at + "/");
    if (above && at.size() >= longest) {
      longest = at.size();
      own = {"", mount.type, mount.dev};
    } else if (at.starts_with(below)) {
      const std::string path = at.substr(below.size());
      inner[path] = {path, mount.type, mount.dev};
    }
  }
  areas_.push_back(own);
  for (const auto& entry : inner) {
    const std::string& path = entry.first;
    const bool needed = std::any_of(root_.layers.begin(), root_.layers.end(), [&](const LayerRecord& layer) {
      return layer.directory == path || layer.directory.starts_with(path + "/");
    });
    if (needed) areas_.push_back(entry.second);
    left_out_.insert(path);
  }
  scan_.file_system = own.type;
  return Status::Ok();
}

Scanner::Directory Scanner::Place(const std::string& path) {
  if (cache_valid_ && cached_path_ == path) return cached_;
  Directory place;
  size_t layer_ends = std::string::npos;
  if (const auto all = holder_of_.find(""); all != holder_of_.end()) place.holder = all->second;
  for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const auto found = path.empty() ? holder_of_.end() : holder_of_.find(path.substr(0, end));
    if (found != holder_of_.end()) place.holder = found->second;
    if (found != holder_of_.end() && IsLayer(place.holder)) layer_ends = std::min(end, path.size());
    if (end == std::string::npos || layer_ends != std::string::npos) break;
  }
  if (layer_ends != std::string::npos) {
    place.delta = root_.layers[static_cast<size_t>(place.holder)].form == LayerForm::kDelta;
    std::string_view rest = std::string_view(path).substr(std::min(layer_ends + 1, path.size()));
    while (!rest.empty()) {
      const size_t slash = std::min(rest.find('/'), rest.size());
      place.path = scan_.paths.Add(place.path, rest.substr(0, slash));
      rest.remove_prefix(std::min(slash + 1, rest.size()));
    }
  }
  cached_path_ = path;
  cached_ = place;
  cache_valid_ = true;
  return place;
}

// An absolute target is a path from the layer's root, another one a name beside the directory.
void Scanner::AddRedirect(const Directory& from, const std::string& target) {
  uint32_t at = target.starts_with('/') ? 0 : scan_.paths.Parent(from.path);
  std::string_view rest = target;
  while (!rest.empty()) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    if (slash > 0) at = scan_.paths.Add(at, rest.substr(0, slash));
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  scan_.redirects.emplace_back(from.holder, at);
}

Status Scanner::Map(uint32_t index, const Fd& file) {
  Inode& inode = scan_.inodes[index];
  uint64_t hash = Mixed(static_cast<uint64_t>(inode.size_bytes), area_->file_system);
  bool placed = true;
  std::map<uint64_t, uint64_t> encoded;  // start on the disk -> bytes as the file sees them
  auto add = [&](uint32_t space, uint64_t start, uint64_t length) {
    scan_.extents.push_back({space, index, start, start + length});
    inode.mapped_bytes += static_cast<int64_t>(length);
  };
  auto space_of = [&](uint64_t key) {
    return spaces_.emplace(std::pair(area_->file_system, key), static_cast<uint32_t>(spaces_.size()))
        .first->second;
  };
  const Status mapped = ForEachExtent(file.get(), [&](const FileExtent& extent) {
    if ((extent.flags & FIEMAP_EXTENT_DATA_INLINE) != 0) {
      inode.inline_data = true;
    } else if ((extent.flags & FIEMAP_EXTENT_ENCODED) != 0) {
      encoded[extent.physical] += extent.length;
    } else if ((extent.flags & FIEMAP_EXTENT_UNKNOWN) == 0) {
      add(space_of(UINT64_MAX), extent.physical, extent.length);
    }
    constexpr uint32_t kUnplaced = FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_UNKNOWN;
    placed = placed && (extent.flags & kUnplaced) == 0;
    for (const uint64_t value :
         {extent.logical, extent.physical, extent.length, uint64_t{extent.flags & FIEMAP_EXTENT_UNWRITTEN}}) {
      hash = Mixed(hash, value);
    }
  });
  if (mapped.code() == Code::kUnimplemented) {
    scan_.extents_known = false;
    return Status::Ok();
  }
  LM_TRY(mapped.WithContext(inode.path));
  // A compressed extent takes less room than its file sees, so that its range would seem to reach into the
  // next one: each is a space of its own.
  for (const auto& [start, length] : encoded) add(space_of(start), 0, length);
  if (placed && inode.mapped_bytes > 0) inode.extents_hash = hash | 1;
  return Status::Ok();
}

Result<uint32_t> Scanner::AddInode(const struct stat& st, const std::string& path, int holder, int dir_fd,
                                   const std::string& name) {
  const auto next = static_cast<uint32_t>(scan_.inodes.size());
  const auto [found, added] = index_.emplace(InodeKey{st.st_dev, st.st_ino}, next);
  const uint32_t index = found->second;
  if (!added) {
    if (scan_.inodes[index].holder != holder) {
      std::vector<int>& further = scan_.further_holders[index];
      const auto at = std::lower_bound(further.begin(), further.end(), holder);
      if (at == further.end() || *at != holder) further.insert(at, holder);
    }
    return index;
  }
  Inode inode;
  inode.mode = st.st_mode;
  inode.rdev = st.st_rdev;
  inode.size_bytes = st.st_size;
  inode.block_bytes = static_cast<int64_t>(st.st_blocks) * 512;
  inode.holder = holder;
  inode.path = path;
  if (S_ISLNK(st.st_mode)) {
    inode.inline_data = area_->type == "btrfs";
    LM_ASSIGN(std::string target, ReadLinkAt(dir_fd, name));
    inode.link_target =
        link_targets_.emplace(std::move(target), static_cast<uint32_t>(link_targets_.size())).first->second;
  }
  scan_.inodes.push_back(std::move(inode));
  if (S_ISREG(st.st_mode) && st.st_blocks > 0 && scan_.extents_known && !CannotShare(area_->type)) {
    LM_ASSIGN(const Fd file, OpenForReading(dir_fd, name, path));
    LM_TRY(Map(index, file));
  }
  return index;
}

Status Scanner::AddDirectory(const std::string& path, const struct stat& st, int fd) {
  Directory place = Place(path);
  LM_ASSIGN(const uint32_t inode, AddInode(st, path, place.holder, fd, "."));
  if (!IsLayer(place.holder)) return Status::Ok();
  uint8_t flags = 0;
  if (place.delta && fd >= 0) {
    if (UnionMark(fd, "opaque") == "y") flags |= kOpaque;
    const std::string redirect = UnionMark(fd, "redirect", kMaxRedirectBytes);
    if (!redirect.empty()) AddRedirect(place, redirect);
  }
  scan_.names[static_cast<size_t>(place.holder)].push_back({place.path, inode, flags});
  return Status::Ok();
}

Status Scanner::AddOther(const WalkedName& met, const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash);
  Directory place = Place(directory);
  LM_ASSIGN(const uint32_t inode, AddInode(met.st, path, place.holder, met.dir_fd, met.name));
  if (!IsLayer(place.holder)) return Status::Ok();
  std::vector<Name>& names = scan_.names[static_cast<size_t>(place.holder)];
  std::string_view name = met.name;
  uint8_t flags = 0;
  if (place.delta) {
    const bool empty_file = S_ISREG(met.st.st_mode) && met.st.st_size == 0;
    if (S_ISCHR(met.st.st_mode) && met.st.st_rdev == makedev(0, 0)) {
      flags = kWhiteout;
    } else if (S_ISREG(met.st.st_mode) && name == kOpaqueName) {
      names.push_back({place.path, inode, kOpaque | kWhiteout});
      return Status::Ok();
    } else if (S_ISREG(met.st.st_mode) && name.starts_with(kWhiteoutPrefix)) {
      flags = kWhiteout;
      name.remove_prefix(kWhiteoutPrefix.size());
    } else if (empty_file || (S_ISREG(met.st.st_mode) && met.st.st_blocks == 0)) {
      // The marks need an open file; only such ones can carry them.
      const char* word = empty_file ? "whiteout" : "metacopy";
      if (!empty_file || UnionMark(met.dir_fd, "opaque") == "x") {
        LM_ASSIGN(const Fd file, OpenForReading(met.dir_fd, met.name, path));
        if (HasUnionMark(file.get(), word)) flags = empty_file ? kWhiteout : kMetaCopy;
        const std::string redirect = UnionMark(file.get(), "redirect", kMaxRedirectBytes);
        place.path = scan_.paths.Add(place.path, name);
        if (flags == kMetaCopy && !redirect.empty()) AddRedirect(place, redirect);
        names.push_back({place.path, inode, flags});
        return Status::Ok();
      }
    }
  }
  names.push_back({scan_.paths.Add(place.path, name), inode, flags});
  return Status::Ok();
}

Status Scanner::Visit(const WalkedName& met) {
  const std::string path = Joined(area_->path, met.path);
  if (!skipped_.empty()) {
    if (path.starts_with(skipped_)) return Status::Ok();
    skipped_.clear();
  }
  if (!Belongs(met.st)) return Status::Ok();
  if (!left_out_.empty() && left_out_.contains(path)) {
    if (met.opened_fd >= 0) skipped_ = path + "/";
    return Status::Ok();
  }
  return met.opened_fd >= 0 ? AddDirectory(path, met.st, met.opened_fd) : AddOther(met, path);
}

Status Scanner::Walk(const Area& area) {
  area_ = &area;
  const std::string start = Joined(root_.path, area.path);
  LM_ASSIGN(Fd directory, Open(start, O_RDONLY | O_DIRECTORY));
  // What was written but has no place yet would have no extents.
  if (syncfs(directory.get()) != 0) return Status::Errno("syncfs", start);
  struct stat st;
  if (fstat(directory.get(), &st) != 0) return Status::Errno("fstat", start);
  device_ = st.st_dev;
  devices_.clear();
  skipped_.clear();
  cache_valid_ = false;
  LM_TRY(AddDirectory(area.path, st, directory.get()));
  return WalkTree(
             std::move(directory),
             [this](const struct stat& entry) {
               if (!Belongs(entry)) return false;
               devices_.insert(entry.st_dev);
               return true;
             },
             [this](const WalkedName& met) { return Visit(met); })
      .WithContext(start);
}

Status Scanner::Run() {
  scan_.names.resize(root_.layers.size());
  int holder = 0;
  for (const LayerRecord& layer : root_.layers) holder_of_.emplace(layer.directory, holder++);
  for (const PartRecord& part : root_.parts) holder_of_.emplace(part.directory, holder++);
  LM_TRY(FindAreas());
  for (const Area& area : areas_) LM_TRY(Walk(area));
  return Status::Ok();
}

}  // namespace

uint32_t PathTable::Add(uint32_t directory, std::string_view name) {
  const auto found = index_.find({directory, name});
  if (found != index_.end()) return found->second;
  const auto number = static_cast<uint32_t>(nodes_.size());
  nodes_.emplace_back(directory, std::string(name));
  index_.emplace(Key{directory, nodes_.back().second}, number);
  return number;
}

std::string PathTable::Text(uint32_t path) const {
  std::string text;
  for (; path != 0; path = Parent(path)) {
    text = text.empty() ? std::string(nodes_[path].second) : nodes_[path].second + "/" + text;
  }
  return text;
}

std::vector<int> Scan::Holders(uint32_t inode) const {
  std::vector<int> holders = {inodes[inode].holder};
  const auto further = further_holders.find(inode);
  if (further != further_holders.end()) {
    holders.insert(holders.end(), further->second.begin(), further->second.end());
    std::sort(holders.begin(), holders.end());
  }
  return holders;
}

Result<Scan> ScanRoot(const Root& root) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    Scanner scanner(root);
    const Status status = scanner.Run();
    if (status.ok()) return scanner.Take();
    if (status.code() != Code::kNotFound)
      return status;  // else a name went between being listed and looked at
  }
  return Status(Code::kUnavailable, root.path + ": changed under each of three walks; is a daemon busy?");
}

}  // namespace layermark::inspect
