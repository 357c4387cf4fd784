#include "core/oci/diff_scan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/oci/apply_walk.h"
#include "core/oci/tar_header.h"

namespace layermark {
namespace {

constexpr size_t kOpenDescriptors = 64;

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

Result<ssize_t> ReadSome(int fd, std::vector<char>* buffer, const std::string& path) {
  ssize_t n = 0;
  do {
    n = read(fd, buffer->data(), buffer->size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Status::Errno("read", path);
  return n;
}

class Scanner {
 public:
  Scanner(TreeCursor upper, std::optional<TreeCursor> lower, const DiffOptions& options)
      : upper_(std::move(upper)),
        lower_(std::move(lower)),
        options_(options),
        a_(128 * 1024),
        b_(128 * 1024) {}

  Result<DiffPlan> Run();

 private:
  Status ScanDirectory(size_t index, bool with_lower);
  // Fills in whether `node` differs from the lower tree's object of the same name.
  Status CompareWithLower(int upper_fd, int lower_fd, const std::string& name, const struct stat& lower,
                          DiffNode* node);
  Result<bool> SameContent(int upper_fd, int lower_fd, const std::string& name, const std::string& path);
  void MarkLinks();
  void MarkParents();

  TreeCursor upper_;
  std::optional<TreeCursor> lower_;
  const DiffOptions& options_;
  std::vector<char> a_, b_;
  DiffPlan plan_;
};

Result<DiffPlan> Scanner::Run() {
  DiffNode root;
  LM_ASSIGN(const int upper_fd, upper_.Goto(""));
  if (fstatat(upper_fd, ".", &root.upper, 0) != 0) return Status::Errno("stat", "the upper tree's root");
  if (lower_) {
    LM_ASSIGN(const int lower_fd, lower_->Goto(""));
    struct stat lower;
    if (fstatat(lower_fd, ".", &lower, 0) != 0) return Status::Errno("stat", "the lower tree's root");
    LM_TRY(CompareWithLower(upper_fd, lower_fd, ".", lower, &root));
  } else {
    root.emit = true;
  }
  plan_.nodes.push_back(std::move(root));
  LM_TRY(ScanDirectory(0, lower_.has_value()));
  MarkLinks();
  MarkParents();
  return std::move(plan_);
}

Status Scanner::ScanDirectory(size_t index, bool with_lower) {
  const std::string path = plan_.nodes[index].path;
  if (static_cast<size_t>(std::count(path.begin(), path.end(), '/')) > kMaxTarPathDepth) {
    return InvalidArgument(fmt::format("{} is deeper than {} levels", path, kMaxTarPathDepth));
  }
  // All questions to this directory first, then its children: the cursors go down only.
  LM_ASSIGN(const int upper_fd, upper_.Goto(path));
  LM_ASSIGN(const std::vector<std::string> names, ListDir(upper_fd));
  int lower_fd = -1;
  std::vector<std::string> lower_names;
  if (with_lower) {
    LM_ASSIGN(lower_fd, lower_->Goto(path));
    LM_ASSIGN(lower_names, ListDir(lower_fd));
  }
  std::vector<std::string> gone;
  std::set_difference(lower_names.begin(), lower_names.end(), names.begin(), names.end(),
                      std::back_inserter(gone));
  std::vector<DiffNode> children;
  for (const std::string& name : names) {
    DiffNode node;
    node.path = JoinPath(path, name);
    node.parent = index;
    if (name.starts_with(kWhiteoutPrefix)) {
      return InvalidArgument(fmt::format("{}: no layer can hold a name that begins with .wh.", node.path));
    }
    if (fstatat(upper_fd, name.c_str(), &node.upper, AT_SYMLINK_NOFOLLOW) != 0)
      return Status::Errno("stat", node.path);
    struct stat lower;
    const bool below = std::binary_search(lower_names.begin(), lower_names.end(), name);
    if (below && fstatat(lower_fd, name.c_str(), &lower, AT_SYMLINK_NOFOLLOW) != 0) {
      return Status::Errno("stat", node.path);
    }
    if (S_ISSOCK(node.upper.st_mode)) {
      // L4: it cannot be told; that what was there before is gone can be.
      if (below && S_ISSOCK(lower.st_mode)) continue;
      ++plan_.skipped_sockets;
      if (below) gone.push_back(name);
      continue;
    }
    if (below && (lower.st_mode & S_IFMT) == (node.upper.st_mode & S_IFMT)) {
      LM_TRY(CompareWithLower(upper_fd, lower_fd, name, lower, &node));
    } else {
      node.emit = true;
    }
    children.push_back(std::move(node));
  }
  std::sort(gone.begin(), gone.end());
  for (const std::string& name : gone) {
    if (name.starts_with(kWhiteoutPrefix)) {
      return InvalidArgument(
          fmt::format("{}: no layer can hide a name that begins with .wh.", JoinPath(path, name)));
    }
    DiffNode node;
    node.path = JoinPath(path, std::string(kWhiteoutPrefix) + name);
    node.parent = index;
    node.whiteout = node.emit = true;
    plan_.nodes.push_back(std::move(node));
  }
  for (DiffNode& child : children) {
    // L49: what is mounted on a directory is not part of the tree.
    const bool directory = S_ISDIR(child.upper.st_mode) && child.upper.st_dev == plan_.nodes[0].upper.st_dev;
    const bool merged = child.in_lower;
    plan_.nodes.push_back(std::move(child));
    if (directory) LM_TRY(ScanDirectory(plan_.nodes.size() - 1, merged));
  }
  return Status::Ok();
}

Status Scanner::CompareWithLower(int upper_fd, int lower_fd, const std::string& name,
                                 const struct stat& lower, DiffNode* node) {
  const struct stat& upper = node->upper;
  node->in_lower = true;
  node->lower_dev = lower.st_dev;
  node->lower_ino = lower.st_ino;
  // One inode in both trees agrees with itself; a directory's children are another question.
  if (upper.st_dev == lower.st_dev && upper.st_ino == lower.st_ino) return Status::Ok();
  node->emit = upper.st_mode != lower.st_mode || upper.st_uid != lower.st_uid ||
               upper.st_gid != lower.st_gid || !SameTime(upper.st_mtim, lower.st_mtim);
  if (S_ISREG(upper.st_mode)) node->emit |= upper.st_size != lower.st_size;
  if (S_ISCHR(upper.st_mode) || S_ISBLK(upper.st_mode)) node->emit |= upper.st_rdev != lower.st_rdev;
  if (!node->emit) {
    LM_ASSIGN(const std::vector<Xattr> upper_xattrs, LayerXattrs(upper_fd, name, options_));
    LM_ASSIGN(const std::vector<Xattr> lower_xattrs, LayerXattrs(lower_fd, name, options_));
    node->emit = upper_xattrs != lower_xattrs;
  }
  if (!node->emit && S_ISLNK(upper.st_mode)) {  // L42
    LM_ASSIGN(const std::string upper_target, ReadLinkAt(upper_fd, name));
    LM_ASSIGN(const std::string lower_target, ReadLinkAt(lower_fd, name));
    node->emit = upper_target != lower_target;
  }
  if (!node->emit && S_ISREG(upper.st_mode) && upper.st_mtim.tv_nsec == 0 && upper.st_size > 0) {
    // L45: whoever set this time had no nanoseconds, so it proves nothing about the content.
    LM_ASSIGN(const bool same, SameContent(upper_fd, lower_fd, name, node->path));
    node->emit = !same;
  }
  return Status::Ok();
}

Result<bool> Scanner::SameContent(int upper_fd, int lower_fd, const std::string& name,
                                  const std::string& path) {
  LM_ASSIGN(const Fd upper, OpenAt(upper_fd, name, O_RDONLY | O_NOFOLLOW));
  LM_ASSIGN(const Fd lower, OpenAt(lower_fd, name, O_RDONLY | O_NOFOLLOW));
  while (true) {
    LM_ASSIGN(const ssize_t n, ReadSome(upper.get(), &a_, path));
    for (ssize_t done = 0; done < n;) {
      LM_ASSIGN(const ssize_t m, ReadSome(lower.get(), &b_, path));
      if (m == 0 || m > n - done || std::memcmp(a_.data() + done, b_.data(), static_cast<size_t>(m)) != 0)
        return false;
      done += m;
    }
    if (n == 0) {
      LM_ASSIGN(const ssize_t rest, ReadSome(lower.get(), &b_, path));
      return rest == 0;
    }
  }
}

void Scanner::MarkLinks() {
  using Inode = std::pair<dev_t, ino_t>;
  // The names of each inode above, and which of the names above shared an inode below.
  std::map<Inode, std::vector<size_t>> above, below;
  for (size_t i = 0; i < plan_.nodes.size(); ++i) {
    const DiffNode& node = plan_.nodes[i];
    if (node.whiteout || S_ISDIR(node.upper.st_mode)) continue;
    above[{node.upper.st_dev, node.upper.st_ino}].push_back(i);
    if (node.in_lower) below[{node.lower_dev, node.lower_ino}].push_back(i);
  }
  const auto emit = [&](const std::vector<size_t>& group) {
    for (const size_t i : group) plan_.nodes[i].emit = true;
  };
  for (const auto& [inode, group] : above) {
    bool together = true;
    for (const size_t i : group) {
      const DiffNode& node = plan_.nodes[i];
      const DiffNode& first = plan_.nodes[group.front()];
      together &= !node.emit && node.lower_dev == first.lower_dev && node.lower_ino == first.lower_ino;
    }
    if (!together) emit(group);
  }
  // A group that lost a name to another inode, while that name looks unchanged: breaking the link is the
  // change.
  for (const auto& entry : above) {
    const auto& group = entry.second;  // clang++ 14 does not let a lambda capture a structured binding
    const DiffNode& first = plan_.nodes[group.front()];
    if (first.emit) continue;
    const auto it = below.find({first.lower_dev, first.lower_ino});
    if (it == below.end()) continue;
    const bool shared = std::any_of(it->second.begin(), it->second.end(), [&](size_t i) {
      return !plan_.nodes[i].emit && std::find(group.begin(), group.end(), i) == group.end();
    });
    if (shared) emit(group);
  }
}

void Scanner::MarkParents() {
  // Parents stand before their children: from the end, each mark reaches the root.
  for (size_t i = plan_.nodes.size(); i-- > 1;) {
    if (plan_.nodes[i].emit) plan_.nodes[plan_.nodes[i].parent].emit = true;
  }
}

}  // namespace

Result<TreeCursor> TreeCursor::Create(int root_fd) {
  TreeCursor cursor;
  Frame root;
  LM_ASSIGN(root.fd, OpenAt(root_fd, ".", O_PATH | O_DIRECTORY));
  cursor.frames_.push_back(std::move(root));
  return cursor;
}

Result<int> TreeCursor::Goto(const std::string& path) {
  const auto leads_there = [&](const Frame& frame) {
    return frame.path.empty() || path == frame.path ||
           (path.size() > frame.path.size() && path.starts_with(frame.path) &&
            path[frame.path.size()] == '/');
  };
  while (frames_.size() > 1 && (!leads_there(frames_.back()) || !frames_.back().fd.valid()))
    frames_.pop_back();
  while (frames_.back().path != path) {
    const Frame& from = frames_.back();
    const size_t start = from.path.empty() ? 0 : from.path.size() + 1;
    const size_t end = std::min(path.find('/', start), path.size());
    Frame next;
    next.path = path.substr(0, end);
    LM_ASSIGN(next.fd,
              OpenAt(from.fd.get(), path.substr(start, end - start), O_PATH | O_DIRECTORY | O_NOFOLLOW));
    frames_.push_back(std::move(next));
    if (frames_.size() > kOpenDescriptors + 1) frames_[frames_.size() - kOpenDescriptors - 1].fd = Fd();
  }
  return frames_.back().fd.get();
}

Result<std::vector<Xattr>> LayerXattrs(int dir_fd, const std::string& name, const DiffOptions& options) {
  LM_ASSIGN(std::vector<Xattr> xattrs, ListXattrsAt(dir_fd, name));
  std::erase_if(xattrs, [&](const Xattr& xattr) {
    return std::any_of(options.dropped_xattr_prefixes.begin(), options.dropped_xattr_prefixes.end(),
                       [&](const std::string& prefix) { return xattr.name.starts_with(prefix); });
  });
  return xattrs;
}

Result<DiffPlan> ScanDifferences(int lower_fd, int upper_fd, const DiffOptions& options) {
  LM_ASSIGN(TreeCursor upper, TreeCursor::Create(upper_fd));
  std::optional<TreeCursor> lower;
  if (lower_fd >= 0) {
    LM_ASSIGN(lower, TreeCursor::Create(lower_fd));
  }
  return Scanner(std::move(upper), std::move(lower), options).Run();
}

}  // namespace layermark
