#include "drivers/erofs/erofs_mechanism.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "drivers/erofs/objects.h"
#include "drivers/support/copy_engine.h"
#include "drivers/support/disk_usage.h"
#include "drivers/support/snapshot_directory.h"

namespace layermark::erofs {
namespace {

const std::vector<std::string>& PrivateXattrs() {
  static const std::vector<std::string> prefixes = {"trusted.overlay."};
  return prefixes;
}

std::string LayerOf(const std::string& directory) {
  return directory + "/fs";
}
std::string WorkOf(const std::string& directory) {
  return directory + "/work";
}
std::string ImageOf(const std::string& directory) {
  return directory + "/layer.erofs";
}
std::string RootOf(const std::string& directory) {
  return directory + "/root";
}

Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return Status::Errno("rename", from);
  return Status::Ok();
}

}  // namespace

Mount ErofsMechanism::ImageMount(const std::string& directory) const {
  Mount mount{"erofs", ImageOf(directory), "", {"ro"}};
  if (style_.loop) mount.options.emplace_back("loop");
  return mount;
}

std::vector<std::string> ErofsMechanism::OverlayOptions(size_t images) const {
  std::vector<std::string> options;
  for (size_t i = 0; i < images; ++i) options.push_back("lowerdir={{ mount " + std::to_string(i) + " }}");
  if (style_.content_apart) {
    options.push_back("datadir+=" + Objects());
    options.emplace_back("metacopy=on");
  }
  // Layers are file systems of their own: without it an inode number would change with the copy-up.
  options.emplace_back("xino=on");
  return options;
}

Status ErofsMechanism::CheckOnce(const std::string& directory) {
  const std::string image = ImageOf(directory);
  if (style_.verify == Verify::kNever) return Status::Ok();
  if (style_.verify == Verify::kOnce) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (checked_.contains(image)) return Status::Ok();
  }
  LM_TRY(CheckImage(image));
  if (style_.content_apart) LM_TRY(CheckObjects(ObjectsOf(directory)));
  std::lock_guard<std::mutex> lock(mutex_);
  checked_.insert(image);
  return Status::Ok();
}

Status ErofsMechanism::Create(const StoredSnapshot& snapshot) {
  const bool has_parent = !snapshot.parent_directories.empty();
  if (snapshot.kind == Kind::kView && has_parent) return Status::Ok();
  LM_TRY(MakeDirectory(snapshot.directory, 0700));
  LM_TRY(MakeDirectory(LayerOf(snapshot.directory), 0755));
  if (!has_parent) return Status::Ok();
  LM_TRY(MakeDirectory(WorkOf(snapshot.directory), 0700));
  return CopyRootAttributes(RootOf(snapshot.parent_directories[0]), LayerOf(snapshot.directory),
                            PrivateXattrs());
}

Result<std::vector<Mount>> ErofsMechanism::Mounts(const StoredSnapshot& snapshot) {
  const bool view = snapshot.kind == Kind::kView;
  const std::vector<std::string>& parents = snapshot.parent_directories;
  const std::string layer = LayerOf(snapshot.directory);
  if (!view && !Exists(layer)) LM_TRY(Unseal(snapshot.directory));
  if (parents.empty()) return std::vector<Mount>{BindOf(layer, view)};
  std::vector<Mount> mounts;
  for (const std::string& parent : parents) {
    LM_TRY(CheckOnce(parent));
    mounts.push_back(ImageMount(parent));
  }
  if (view && parents.size() == 1 && !style_.content_apart) return mounts;
  Mount overlay{"format/overlay", "overlay", "", OverlayOptions(parents.size())};
  if (view) {
    overlay.options.emplace_back("ro");
  } else {
    const std::string work = WorkOf(snapshot.directory);
    if (!Exists(work)) LM_TRY(MakeDirectory(work, 0700));
    overlay.options.push_back("upperdir=" + layer);
    overlay.options.push_back("workdir=" + work);
  }
  mounts.push_back(std::move(overlay));
  return mounts;
}

Status ErofsMechanism::Seal(const StoredSnapshot& snapshot) {
  const std::string& directory = snapshot.directory;
  const std::string layer = LayerOf(directory);
  const std::string image = ImageOf(directory);
  const std::string made = image + ".new";
  const std::string bare = directory + "/bare";
  const std::string gone = layer + ".gone";
  if (Exists(layer)) {
    for (const std::string& path : {made, bare, RootOf(directory), gone}) LM_TRY(RemoveTree(path));
    std::string tree = layer;
    if (style_.content_apart) {
      LM_TRY(TakeContentOut(layer, bare, Objects(), ObjectsOf(directory)));
      tree = bare;
    }
    LM_TRY(MakeImage(tree, made, style_.image));
    LM_TRY(MakeDirectory(RootOf(directory), 0755));
    LM_TRY(CopyRootAttributes(layer, RootOf(directory), PrivateXattrs()));
    LM_TRY(Rename(made, image));
    {
      std::lock_guard<std::mutex> lock(mutex_);
      checked_.insert(image);
    }
    // In one step: from here on the image is the layer.
    LM_TRY(Rename(layer, gone));
  } else {
    LM_TRY(CheckOnce(directory));
  }
  for (const std::string& path : {gone, bare, WorkOf(directory)}) LM_TRY(RemoveTree(path));
  return Status::Ok();
}

Status ErofsMechanism::Unseal(const std::string& directory) {
  LM_TRY(CheckOnce(directory));
  const std::string place = directory + "/mounted";
  const std::string made = LayerOf(directory) + ".new";
  for (const std::string& path : {made, place}) LM_TRY(RemoveTree(path));
  for (const std::string& path : {made, place}) LM_TRY(MakeDirectory(path, 0755));
  LM_ASSIGN(Mounted mounted, MountAll({ImageMount(directory)}, place));
  {
    LM_ASSIGN(const Fd from, Open(place, O_RDONLY | O_DIRECTORY));
    LM_ASSIGN(const Fd to, Open(made, O_RDONLY | O_DIRECTORY));
    LM_TRY(CopyTree(from.get(), to.get()).status());
  }
  LM_TRY(mounted.Unmount());
  if (style_.content_apart) LM_TRY(PutContentBack(made, ObjectsOf(directory)));
  LM_TRY(RemoveTree(place));
  return Rename(made, LayerOf(directory));
}

Status ErofsMechanism::Destroy(int64_t, const std::string& directory) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    checked_.erase(ImageOf(directory));
  }
  if (style_.content_apart) LM_TRY(ReleaseObjects(ObjectsOf(directory), Objects()));
  return RemoveTree(directory);
}

Result<Usage> ErofsMechanism::Measure(const StoredSnapshot& snapshot) {
  const std::string layer = LayerOf(snapshot.directory);
  return DiskUsage(Exists(layer) ? layer : snapshot.directory);
}

}  // namespace layermark::erofs
