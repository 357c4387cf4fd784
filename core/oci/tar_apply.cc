// Applying a layer tar to a directory.
//
// Decisions where the specification leaves room (reference ids):
//  - L8: a root entry ("./") applies its attributes to the root itself.
//  - L13: an implied parent is 0755, root-owned, without xattrs, with the mtime of the first entry below it.
//  - L15: a directory that is changed but has no entry keeps the mtime it had before the archive.
//  - L19, L20, L27: markers hide lower content only, in any order. A directory that is marked and holds
//  things of
//    this archive loses its lower content; had it no entry of its own, it becomes an implied parent.
//  - L23: a marker below a missing directory, a non-directory or a dead symlink does nothing; it implies no
//  parent.
//  - L25, L26: a name that begins with ".wh." is a marker whatever its type; an entry below such a name is an
//  error.
//  - L38: the target of a hard link may be anything in the root, of a lower layer too. The attributes of the
//    link's own header are not applied: the first name's count.
//  - ".wh..wh.*" other than the opaque marker (left by aufs), and what is below them, is passed over.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/oci/apply_attributes.h"
#include "core/oci/apply_walk.h"
#include "core/oci/layer_tar.h"
#include "core/oci/tar_header.h"
#include "core/oci/tar_reader.h"

namespace layermark {
namespace {

constexpr dev_t kWhiteoutDevice = 0;  // overlay's: character device 0/0

class Applier {
 public:
  Applier(TarReader reader, int root_fd, const ApplyOptions& options)
      : reader_(std::move(reader)), walk_(root_fd), options_(options) {}

  Result<ApplyResult> Run();

 private:
  using Frame = ApplyWalk::Frame;

  Status ApplyEntry(const TarHeader& header);
  Status ApplyRoot(const TarHeader& header);
  Status ApplyMarker(const TarHeader& header, const std::string& parent, const std::string& base);
  Status ApplyOpaque(const std::string& parent);
  Status ApplyWhiteout(const std::string& parent, const std::string& name);

  Status MakeDirectory(Frame* parent, const std::string& name, const TarHeader& header);
  Status MakeFile(Frame* parent, const std::string& name, const TarHeader& header);
  Status MakeOther(Frame* parent, const std::string& name, const TarHeader& header);
  Status MakeLink(const std::string& parent, const std::string& name, const TarHeader& header);
  Status WriteContent(int fd, const TarHeader& header);

  // Removes what stands at `name`, of whatever type; nothing there is fine.
  Status RemoveExisting(Frame* parent, const std::string& name);
  // Removes from the directory `path` what lower layers brought, and leaves what this archive made.
  Status RemoveLower(int dir_fd, const std::string& path);
  Status BecomeImplied(int parent_fd, const std::string& name, const std::string& path);
  Status MarkOpaque(int parent_fd, const std::string& name, const std::string& path);

  TarReader reader_;
  ApplyWalk walk_;
  const ApplyOptions& options_;
  ApplyResult result_;
  int64_t claimed_bytes_ = 0;
};

Result<ApplyResult> Applier::Run() {
  LM_TRY(walk_.Start());
  TarHeader header;
  while (true) {
    LM_ASSIGN(const bool more, reader_.Next(&header));
    if (!more) break;
    if (++result_.entries > options_.max_entries) {
      return Status(Code::kOutOfRange, fmt::format("layer tar: more than {} entries", options_.max_entries));
    }
    if (header.size_bytes > options_.max_entry_bytes ||
        header.size_bytes > options_.max_total_bytes - claimed_bytes_) {
      return Status(Code::kOutOfRange,
                    fmt::format("layer tar: {}: claims {} bytes, the limit is {} and {} in all", header.path,
                                header.size_bytes, options_.max_entry_bytes, options_.max_total_bytes));
    }
    claimed_bytes_ += header.size_bytes;
    LM_TRY(ApplyEntry(header).WithContext(fmt::format("apply {}", header.path)));
  }
  LM_TRY(walk_.SetTimes());
  return result_;
}

Status Applier::ApplyEntry(const TarHeader& header) {
  LM_ASSIGN(const std::string path, CleanTarPath(header.path));
  if (path.empty()) return ApplyRoot(header);
  const size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
  const std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
  if (("/" + parent).find("/.wh..wh.") != std::string::npos) return Status::Ok();
  if (("/" + parent).find("/.wh.") != std::string::npos)
    return InvalidArgument("lies below the name of a whiteout");
  if (base.starts_with(kWhiteoutPrefix)) return ApplyMarker(header, parent, base);
  if (header.type == '1') return MakeLink(parent, base, header);

  LM_ASSIGN(Frame * frame, walk_.Enter(parent, ApplyWalk::Missing::kCreate, header.mtime_ns));
  LM_TRY(walk_.Created(frame, base, header.mtime_ns));
  switch (header.type) {
    case '5':
      return MakeDirectory(frame, base, header);
    case '0':
      return MakeFile(frame, base, header);
    default:
      return MakeOther(frame, base, header);
  }
}

Status Applier::ApplyRoot(const TarHeader& header) {
  if (header.type != '5') return InvalidArgument("the root must be a directory");
  LM_ASSIGN(Frame * root, walk_.Enter("", ApplyWalk::Missing::kStop, 0));
  LM_ASSIGN(DirState * state, walk_.Touch(root));
  struct stat st;
  if (fstatat(root->fd.get(), ".", &st, 0) != 0) return Status::Errno("stat", header.path);
  const AttributeTarget target{.parent_fd = root->fd.get(), .name = ".", .inherits = true};
  LM_TRY(ApplyOwnerAndMode(target, header, st));
  LM_TRY(ApplyXattrs(target, header, options_, &result_));
  root->default_acl.reset();
  state->has_entry = true;
  state->mtime_ns = header.mtime_ns;
  return Status::Ok();
}

Status Applier::MakeDirectory(Frame* parent, const std::string& name, const TarHeader& header) {
  const int fd = parent->fd.get();
  const std::string path = JoinPath(parent->path, name);
  AttributeTarget target{.parent_fd = fd, .name = name, .inherits = walk_.HasDefaultAcl(parent)};
  bool was_hidden = false;
  struct stat st;
  if (mkdirat(fd, name.c_str(), header.permissions & 0777) != 0) {
    if (errno != EEXIST) return Status::Errno("mkdir", path);
    if (fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("stat", path);
    if (S_ISDIR(st.st_mode)) {
      target.inherits = true;  // L9: its attributes are replaced, xattrs and all
    } else {
      was_hidden = parent->state->whiteouts.contains(name);
      LM_TRY(RemoveExisting(parent, name));
      if (mkdirat(fd, name.c_str(), header.permissions & 0777) != 0) return Status::Errno("mkdir", path);
    }
  }
  if (fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("stat", path);
  LM_TRY(ApplyOwnerAndMode(target, header, st));
  LM_TRY(ApplyXattrs(target, header, options_, &result_));
  DirState& state = walk_.StateOf(path);
  state.has_entry = state.set_mtime = true;
  state.mtime_ns = header.mtime_ns;
  return was_hidden ? MarkOpaque(fd, name, path) : Status::Ok();
}

Status Applier::MakeFile(Frame* parent, const std::string& name, const TarHeader& header) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  const mode_t mode = header.permissions & 0777;
  auto opened = OpenAt(parent->fd.get(), name, flags, mode);
  if (!opened.ok() && opened.status().error_number() == EEXIST) {
    // L10: never write through the old inode, which may have other names.
    LM_TRY(RemoveExisting(parent, name));
    opened = OpenAt(parent->fd.get(), name, flags, mode);
  }
  if (!opened.ok()) return opened.status();
  Fd file = std::move(opened).value();
  LM_TRY(WriteContent(file.get(), header));
  struct stat st;
  if (fstat(file.get(), &st) != 0) return Status::Errno("stat", header.path);
  const AttributeTarget target{
      .parent_fd = parent->fd.get(), .name = name, .fd = file.get(), .inherits = walk_.HasDefaultAcl(parent)};
  LM_TRY(ApplyOwnerAndMode(target, header, st));
  LM_TRY(ApplyXattrs(target, header, options_, &result_));
  LM_TRY(ApplyTimes(target, header));
  return file.Close();
}

Status Applier::WriteContent(int fd, const TarHeader& header) {
  int64_t end = 0;
  int64_t offset = 0;
  std::string_view data;
  while (true) {
    LM_ASSIGN(const bool more, reader_.NextBlock(&offset, &data));
    if (!more) break;
    if (data.empty()) continue;
    const auto size = static_cast<int64_t>(data.size());
    if (offset < end || offset > header.size_bytes || size > header.size_bytes - offset) {
      return InvalidArgument("data outside the file's size");
    }
    // A sparse entry leaves gaps: they stay holes.
    LM_TRY(PWriteAll(fd, data, offset));
    end = offset + size;
    result_.bytes += size;
  }
  if (end < header.size_bytes && ftruncate(fd, header.size_bytes) != 0) {
    return Status::Errno("truncate", header.path);
  }
  return Status::Ok();
}

Status Applier::MakeOther(Frame* parent, const std::string& name, const TarHeader& header) {
  const int fd = parent->fd.get();
  const mode_t mode = header.permissions & 0777;
  const dev_t device = makedev(header.dev_major, header.dev_minor);
  const mode_t type = header.type == '3' ? S_IFCHR : header.type == '4' ? S_IFBLK : S_IFIFO;
  if (options_.whiteouts == WhiteoutStyle::kOverlay && type == S_IFCHR && device == kWhiteoutDevice) {
    return InvalidArgument("a character device 0/0 would be a whiteout in an upper directory");
  }
  const auto make = [&] {
    if (header.type == '2') return symlinkat(header.link_target.c_str(), fd, name.c_str());
    return mknodat(fd, name.c_str(), type | mode, header.type == '6' ? 0 : device);
  };
  int rc = make();
  if (rc != 0 && errno == EEXIST) {
    LM_TRY(RemoveExisting(parent, name));
    rc = make();
  }
  if (rc != 0) return Status::Errno(header.type == '2' ? "symlink" : "mknod", header.path);
  struct stat st;
  if (fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("stat", header.path);
  const AttributeTarget target{
      .parent_fd = fd, .name = name, .inherits = header.type != '2' && walk_.HasDefaultAcl(parent)};
  LM_TRY(ApplyOwnerAndMode(target, header, st));
  LM_TRY(ApplyXattrs(target, header, options_, &result_));
  return ApplyTimes(target, header);
}

Status Applier::MakeLink(const std::string& parent, const std::string& name, const TarHeader& header) {
  auto cleaned = CleanTarPath(header.link_target);
  if (!cleaned.ok()) {
    return cleaned.status().WithContext(fmt::format("hard link target {}", header.link_target));
  }
  const std::string& target = *cleaned;
  if (target.empty()) return InvalidArgument("hard link to the root");
  const size_t slash = target.rfind('/');
  const std::string target_parent = slash == std::string::npos ? "" : target.substr(0, slash);
  const std::string target_name = slash == std::string::npos ? target : target.substr(slash + 1);
  const auto missing = [&] { return NotFound(fmt::format("hard link target {} does not exist", target)); };
  // L37: symlinks on the way are resolved within the root, the last component is not followed. An O_PATH
  // descriptor of our own, since the walk moves on to the link's parent.
  LM_ASSIGN(Frame * from, walk_.Enter(target_parent, ApplyWalk::Missing::kStop, 0));
  if (from == nullptr) return missing();
  const std::string from_path = JoinPath(from->path, target_name);
  LM_ASSIGN(const Fd from_fd, from->fd.Duplicate());
  struct stat st;
  if (fstatat(from_fd.get(), target_name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? missing() : Status::Errno("stat", target);
  }
  if (S_ISDIR(st.st_mode)) return InvalidArgument(fmt::format("hard link target {} is a directory", target));

  LM_ASSIGN(Frame * to, walk_.Enter(parent, ApplyWalk::Missing::kCreate, header.mtime_ns));
  if (JoinPath(to->path, name) == from_path) return InvalidArgument("hard link to itself");
  LM_TRY(walk_.Created(to, name, header.mtime_ns));
  int rc = linkat(from_fd.get(), target_name.c_str(), to->fd.get(), name.c_str(), 0);
  if (rc != 0 && errno == EEXIST) {
    LM_TRY(RemoveExisting(to, name));
    rc = linkat(from_fd.get(), target_name.c_str(), to->fd.get(), name.c_str(), 0);
  }
  return rc == 0 ? Status::Ok() : Status::Errno("link to " + target, header.path);
}

Status Applier::RemoveExisting(Frame* parent, const std::string& name) {
  const std::string path = JoinPath(parent->path, name);
  if (parent->state != nullptr) parent->state->whiteouts.erase(name);
  if (unlinkat(parent->fd.get(), name.c_str(), 0) == 0 || errno == ENOENT) return Status::Ok();
  if (errno != EISDIR) return Status::Errno("unlink", path);
  LM_TRY(RemoveTreeAt(parent->fd.get(), name));
  walk_.Forget(path);
  return Status::Ok();
}

Status Applier::ApplyMarker(const TarHeader& header, const std::string& parent, const std::string& base) {
  if (base == kOpaqueMarker) {
    ++result_.opaques;
    return ApplyOpaque(parent);
  }
  if (base.starts_with(".wh..wh.")) return Status::Ok();
  const std::string name = base.substr(kWhiteoutPrefix.size());
  if (name.empty() || name == "." || name == "..") {
    return InvalidArgument(fmt::format("{} is no valid whiteout", header.path));
  }
  ++result_.whiteouts;
  return ApplyWhiteout(parent, name);
}

Status Applier::ApplyOpaque(const std::string& parent) {
  const bool overlay = options_.whiteouts == WhiteoutStyle::kOverlay;
  // An upper directory that is bare needs the directory for its mark, there may be one in the layers below.
  const auto missing = overlay ? ApplyWalk::Missing::kCreate : ApplyWalk::Missing::kStop;
  LM_ASSIGN(Frame * frame, walk_.Enter(parent, missing, 0));
  if (frame == nullptr) return Status::Ok();
  LM_TRY(walk_.Touch(frame));
  if (overlay) return MarkOpaque(frame->fd.get(), ".", frame->path);
  return RemoveLower(frame->fd.get(), frame->path);
}

Status Applier::ApplyWhiteout(const std::string& parent, const std::string& name) {
  const bool overlay = options_.whiteouts == WhiteoutStyle::kOverlay;
  const auto missing = overlay ? ApplyWalk::Missing::kCreate : ApplyWalk::Missing::kStop;
  LM_ASSIGN(Frame * frame, walk_.Enter(parent, missing, 0));
  if (frame == nullptr) return Status::Ok();
  const int fd = frame->fd.get();
  const std::string path = JoinPath(frame->path, name);
  struct stat st;
  const bool exists = fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!exists && errno != ENOENT && errno != ENOTDIR) return Status::Errno("stat", path);
  if (!exists && !overlay) return Status::Ok();
  LM_ASSIGN(DirState * state, walk_.Touch(frame));

  const DirState* below = walk_.Find(path);
  const bool ours = state->created.contains(name);
  if (exists && (ours || (below != nullptr && below->holds))) {
    // L19: it stays; of a directory only what came from below goes.
    if (!S_ISDIR(st.st_mode)) return Status::Ok();
    if (overlay) return MarkOpaque(fd, name, path);
    const bool becomes_implied = !ours && !below->has_entry;
    LM_ASSIGN(const Fd dir, OpenAt(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    LM_TRY(RemoveLower(dir.get(), path));
    return becomes_implied ? BecomeImplied(fd, name, path) : Status::Ok();
  }
  if (overlay && (state->opaque || state->whiteouts.contains(name))) return Status::Ok();  // L34
  if (exists) LM_TRY(RemoveExisting(frame, name));
  if (overlay) {
    if (mknodat(fd, name.c_str(), S_IFCHR, kWhiteoutDevice) != 0)
      return Status::Errno("mknod whiteout", path);
    state->whiteouts.insert(name);
  }
  return Status::Ok();
}

Status Applier::RemoveLower(int dir_fd, const std::string& path) {
  LM_ASSIGN(const std::vector<std::string> names, ListDir(dir_fd));
  DirState& state = walk_.StateOf(path);
  for (const std::string& name : names) {
    const std::string child = JoinPath(path, name);
    const bool ours = state.created.contains(name);
    const DirState* below = walk_.Find(child);
    if (!ours && (below == nullptr || !below->holds)) {
      LM_TRY(RemoveTreeAt(dir_fd, name));
      walk_.Forget(child);
      continue;
    }
    struct stat st;
    if (fstatat(dir_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("stat", child);
    if (!S_ISDIR(st.st_mode)) continue;
    LM_ASSIGN(const Fd dir, OpenAt(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    LM_TRY(RemoveLower(dir.get(), child));
    if (!ours) LM_TRY(BecomeImplied(dir_fd, name, child));
  }
  return Status::Ok();
}

Status Applier::BecomeImplied(int parent_fd, const std::string& name, const std::string& path) {
  DirState& state = walk_.StateOf(path);
  struct stat st;
  if (fstatat(parent_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("stat", path);
  TarHeader header;
  header.path = path;
  header.permissions = 0755;
  const AttributeTarget target{.parent_fd = parent_fd, .name = name, .inherits = true};
  LM_TRY(ApplyOwnerAndMode(target, header, st));
  LM_TRY(ApplyXattrs(target, header, options_, &result_));
  state.set_mtime = true;
  state.mtime_ns = state.implied_mtime_ns;
  return Status::Ok();
}

Status Applier::MarkOpaque(int parent_fd, const std::string& name, const std::string& path) {
  LM_TRY(SetXattrAt(parent_fd, name, "trusted.overlay.opaque", "y"));
  DirState& state = walk_.StateOf(path);
  state.opaque = true;
  // L34: in an opaque directory a device 0/0 would be seen as one.
  LM_ASSIGN(const Fd dir, OpenAt(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  for (const std::string& hidden : state.whiteouts) {
    if (unlinkat(dir.get(), hidden.c_str(), 0) != 0 && errno != ENOENT)
      return Status::Errno("unlink", hidden);
  }
  state.whiteouts.clear();
  return Status::Ok();
}

}  // namespace

Result<ApplyResult> ApplyLayerTar(int tar_fd, int root_fd, const ApplyOptions& options) {
  LM_ASSIGN(TarReader reader, TarReader::Open(tar_fd));
  return Applier(std::move(reader), root_fd, options).Run();
}

}  // namespace layermark
