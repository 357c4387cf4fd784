#include "conformance/support/stack.h"

#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <stdexcept>
#include <utility>

#include "core/oci/layer_tar.h"
#include "core/sys/fd.h"
#include "core/sys/id_map.h"
#include "core/sys/mount.h"
#include "core/sys/user_namespace.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

void Require(const Status& status, const std::string& what) {
  if (!status.ok()) throw std::runtime_error(fmt::format("stack fixture: {}: {}", what, status.ToString()));
}

template <typename T>
T Require(Result<T> result, const std::string& what) {
  Require(result.status(), what);
  return std::move(result).value();
}

Manifest ReadWhole(const std::string& directory) {
  ManifestOptions everything;
  everything.ignored_xattr_prefixes = {"security.selinux", "trusted.SGI_ACL_", "btrfs.compression"};
  return Require(ReadManifest(directory, everything), "reading " + directory);
}

bool IsOpaque(const Entry& entry) {
  return std::any_of(entry.xattrs.begin(), entry.xattrs.end(), [](const Xattr& xattr) {
    return xattr.name.ends_with(".overlay.opaque") && xattr.value == "y";
  });
}

char TypeFlag(FileType type) {
  switch (type) {
    case FileType::kDirectory:
      return '5';
    case FileType::kSymlink:
      return '2';
    case FileType::kCharDevice:
      return '3';
    case FileType::kBlockDevice:
      return '4';
    case FileType::kFifo:
      return '6';
    default:
      return '0';
  }
}

TarListEntry Marker(const std::string& parent, const std::string& name) {
  TarListEntry marker;
  marker.entry.path = parent.empty() ? name : parent + "/" + name;
  return marker;
}

// A directory with overlay's own markers, stated as a layer tar would.
std::vector<TarListEntry> AsLayer(const std::string& directory) {
  const Manifest manifest = ReadWhole(directory);
  std::vector<TarListEntry> entries;
  std::map<std::string, std::string> first_name;  // of a hard-link group
  for (const auto& [path, entry] : manifest.entries) {
    const size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (entry.type == FileType::kCharDevice && entry.rdev == makedev(0, 0)) {
      entries.push_back(Marker(parent, ".wh." + name));
      continue;
    }
    TarListEntry item;
    item.entry.path = path.empty() ? "." : path;
    item.entry.typeflag = TypeFlag(entry.type);
    item.entry.mode = entry.permissions;
    item.entry.uid = entry.uid;
    item.entry.gid = entry.gid;
    item.entry.mtime_ns = entry.mtime_ns;
    item.entry.link_target = entry.link_target;
    item.entry.dev_major = major(entry.rdev);
    item.entry.dev_minor = minor(entry.rdev);
    std::copy_if(entry.xattrs.begin(), entry.xattrs.end(), std::back_inserter(item.entry.xattrs),
                 [](const Xattr& xattr) { return xattr.name.find(".overlay.") == std::string::npos; });
    item.size_bytes = entry.size_bytes;
    item.digest = entry.digest;
    if (entry.type == FileType::kRegular)
      item.entry.data = Require(ReadFile(directory + "/" + path), "reading a layer");
    if (!entry.link_group.empty()) {
      const auto [known, is_new] = first_name.emplace(entry.link_group, path);
      if (!is_new) {
        item.entry.typeflag = '1';
        item.entry.link_target = known->second;
      }
    }
    const bool opaque = IsOpaque(entry);
    entries.push_back(std::move(item));
    if (opaque) entries.push_back(Marker(path, ".wh..wh..opq"));
  }
  return entries;
}

}  // namespace

const char* AnAttribute() {
  return InUserNamespace() ? "user.layermark" : "trusted.layermark";
}

Stack::Stack(CaseContext& t) : t_(t) {
  home_ = Require(t.backing().NewDirectory("stack"), "a directory on the backing");
  before_ = MountIds();
}

Stack::~Stack() {
  while (!mounted_.empty()) {
    t_.Ok(mounted_.back()->Unmount(), "unmount at the end");
    mounted_.pop_back();
  }
  for (const std::string& path : own_mounts_) t_.Ok(UnmountPath(path), "unmount at the end");
  Result<std::vector<MountInfo>> now = ReadMountInfo();
  if (!t_.Ok(now, "the table of mounts")) return;
  for (const MountInfo& info : *now) {
    if (!before_.contains(info.id))
      t_.Fail(fmt::format("still mounted: {} on {}", info.type, info.mount_point));
  }
  t_.Ok(RemoveTree(home_), "removal of the layers");
}

std::set<int> Stack::MountIds() {
  std::set<int> ids;
  for (const MountInfo& info : Require(ReadMountInfo(), "the table of mounts")) ids.insert(info.id);
  return ids;
}

std::string Stack::Dir(const std::string& name, const Layer& content) {
  return DirIn(home_, name, content);
}

std::string Stack::DirIn(const std::string& home, const std::string& name, const Layer& content) {
  const std::string path = home + "/" + name;
  if (mkdir(path.c_str(), 0755) != 0) Require(Status::Errno("mkdir", path), "a layer");
  Edit(path, content);
  return path;
}

void Stack::Edit(const std::string& directory, const Layer& change) {
  const Fd root = Require(Open(directory, O_RDONLY | O_DIRECTORY), "a layer");
  Require(ApplyLayer(change, root.get()), "editing " + directory);
}

std::string Stack::OtherFileSystem() {
  std::string path = Require(WorkspaceDirectory("other"), "a mount point");
  Require(MountFilesystem("tmpfs", "layermark", path, {"mode=0755", "size=64m"}), "a tmpfs");
  own_mounts_.push_back(path);
  return path;
}

std::string Stack::IdMapped(const std::string& directory, uid_t first_id) {
  std::string path = Require(WorkspaceDirectory("mapped"), "a mount point");
  const Status bound = BindIdMapped(directory, path, first_id);
  const bool refused = InUserNamespace() && bound.error_number() == EPERM;
  if (refused || bound.error_number() == EINVAL || bound.code() == Code::kUnimplemented) {
    t_.Skip("id_mapped_mounts", bound.ToString());
    return "";
  }
  Require(bound, "an id-mapped mount");
  own_mounts_.push_back(path);
  return path;
}

StackSpec Stack::Over(std::vector<std::string> lowers) {
  StackSpec spec;
  spec.lowers = std::move(lowers);
  const int number = stacks_++;
  spec.upper = Dir(fmt::format("upper{}", number));
  spec.work = Dir(fmt::format("work{}", number));
  return spec;
}

Result<std::vector<layermark::Mount>> Stack::Mounts(const StackSpec& spec) {
  return t_.instance().driver->StackMounts(t_.instance().options, spec);
}

MountedSnapshot* Stack::Mount(const StackSpec& spec) {
  Result<std::vector<layermark::Mount>> mounts = Mounts(spec);
  if (!t_.Ok(mounts, "the mounts of a stack")) return nullptr;
  Result<MountedSnapshot> mounted = MountedSnapshot::Mount("stack", *mounts);
  if (!t_.Ok(mounted, "mount of a stack")) return nullptr;
  mounted_.push_back(std::make_unique<MountedSnapshot>(std::move(mounted).value()));
  return mounted_.back().get();
}

bool Stack::Unmount(MountedSnapshot* mounted) {
  return t_.Ok(mounted->Unmount(), "unmount of a stack");
}

void Stack::Refused(const StackSpec& spec, int error, const std::string& what) {
  Result<std::vector<layermark::Mount>> mounts = Mounts(spec);
  if (!t_.Ok(mounts, "the mounts of a stack")) return;
  const std::set<int> before = MountIds();
  {
    Result<MountedSnapshot> mounted = MountedSnapshot::Mount("refused", *mounts);
    if (mounted.ok()) {
      t_.Fail(what + ": mounted, and should have been refused");
      t_.Ok(mounted->Unmount(), "unmount of what should have been refused");
    } else if (error != 0) {
      t_.Check(mounted.status().error_number() == error,
               fmt::format("{}: expected {}, got {}", what, ErrnoName(error), mounted.status().ToString()));
    }
  }
  t_.Check(MountIds() == before, what + ": the table of mounts is not what it was");
}

ModelTree Stack::Model(const StackSpec& spec) {
  ModelTree model;
  for (auto lower = spec.lowers.rbegin(); lower != spec.lowers.rend(); ++lower)
    Require(model.ApplyTar(AsLayer(*lower)), "the model takes " + *lower);
  if (!spec.upper.empty()) Require(model.ApplyTar(AsLayer(spec.upper)), "the model takes " + spec.upper);
  return model;
}

void Stack::Change(MountedSnapshot& mounted, ModelTree& model, const Layer& change) {
  Require(model.Apply(change), "the model takes a change");
  t_.Ok(ApplyLayer(change, mounted.root_fd()), "a change of the mounted stack");
}

bool Stack::Shows(const MountedSnapshot& mounted, const ModelTree& model, const std::string& what) {
  Result<Manifest> seen = ReadManifest(mounted.root_fd());
  return t_.Ok(seen, what + ": reading") && t_.SameTree(model.ToManifestFor(*seen), *seen, what);
}

std::string Stack::Fingerprint(const std::vector<std::string>& directories) {
  std::string text;
  for (const std::string& directory : directories) text += ManifestDigest(ReadWhole(directory)) + "\n";
  return text;
}

}  // namespace layermark
