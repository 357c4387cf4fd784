#include "scenario/subject.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "drivers/registry.h"
#include "scenario/workspace.h"

namespace layermark {

Result<MountedSnapshot> MountedSnapshot::Mount(std::string key, std::vector<layermark::Mount> mounts) {
  MountedSnapshot snapshot;
  snapshot.key_ = std::move(key);
  snapshot.mounts_ = std::move(mounts);
  LM_ASSIGN(snapshot.path_, WorkspaceDirectory("mnt"));
  LM_TRY(snapshot.MountHere());
  return snapshot;
}

Status MountedSnapshot::Unmount() {
  root_ = Fd();
  if (!mounted_.active()) return Status::Ok();
  LM_TRY(mounted_.Unmount());
  if (rmdir(path_.c_str()) != 0) return Status::Errno("rmdir", path_);
  return Status::Ok();
}

Status MountedSnapshot::Remount() {
  root_ = Fd();
  LM_TRY(mounted_.Unmount());
  return MountHere();
}

Status MountedSnapshot::Remount(Snapshotter& api) {
  root_ = Fd();
  LM_TRY(mounted_.Unmount());
  LM_ASSIGN(mounts_, api.Mounts(key_));
  return MountHere();
}

Status MountedSnapshot::MountHere() {
  LM_ASSIGN(mounted_, MountAll(mounts_, path_));
  LM_ASSIGN(root_, layermark::Open(path_, O_RDONLY | O_DIRECTORY));
  return Status::Ok();
}

Result<Subject> Subject::Open(const InstanceSpec& instance, Backing& backing) {
  Subject subject;
  subject.instance_ = instance;
  subject.backing_ = &backing;
  LM_ASSIGN(subject.root_, backing.NewDirectory(instance.driver->name()));
  LM_ASSIGN(subject.api_, instance.driver->Open(instance.options, subject.root_));
  return subject;
}

Subject::~Subject() {
  if (api_ != nullptr) (void)api_->Close();
}

Status Subject::Reopen() {
  LM_TRY(api_->Close());
  LM_ASSIGN(api_, instance_.driver->Open(instance_.options, root_));
  return Status::Ok();
}

Status Subject::Restart() {
  LM_TRY(api_->Close());
  LM_TRY(instance_.driver->Restart(instance_.options));
  LM_ASSIGN(api_, instance_.driver->Open(instance_.options, root_));
  return Status::Ok();
}

Status Subject::Close() {
  return api_ == nullptr ? Status::Ok() : api_->Close();
}

Status Subject::Discard() {
  // Calls with a deadline of their own go to somebody else's program, which may hang: it is not asked to tidy
  // up, snapshot by snapshot.
  if (instance_.driver->call_deadline(instance_.options).count() > 0) {
    LM_TRY(api_->Close());
    LM_TRY(instance_.driver->Forget(instance_.options, root_));
    return RemoveTree(root_);
  }
  std::vector<Info> all;
  Status walked = api_->Walk([&](const Info& info) {
    all.push_back(info);
    return Status::Ok();
  });
  // A child is made after its parent's commit.
  std::sort(all.begin(), all.end(), [](const Info& a, const Info& b) { return a.created_ns > b.created_ns; });
  for (const Info& info : all) {
    if (walked.ok()) walked = api_->Remove(info.name);
  }
  LM_TRY(api_->Close());
  LM_TRY(walked);
  LM_TRY(instance_.driver->Forget(instance_.options, root_));
  return RemoveTree(root_);
}

Status Subject::CommitLayer(const std::string& name, const std::string& parent, const Layer& layer) {
  const std::string key = name + ".unpack";
  LM_ASSIGN(MountedSnapshot snapshot, Prepare(key, parent));
  LM_TRY(ApplyLayer(layer, snapshot.root_fd()));
  LM_TRY(snapshot.Unmount());
  return api_->Commit(name, key);
}

Result<ApplyResult> Subject::CommitTar(const std::string& name, const std::string& parent, int tar_fd,
                                       const ApplyOptions& options) {
  const std::string key = name + ".unpack";
  LM_ASSIGN(MountedSnapshot snapshot, Prepare(key, parent));
  Result<ApplyResult> applied = ApplyLayerTar(tar_fd, snapshot.root_fd(), options);
  LM_TRY(snapshot.Unmount());
  if (!applied.ok()) {
    LM_TRY(api_->Remove(key).WithContext("removing the snapshot of a layer that could not be applied"));
    return applied;
  }
  LM_TRY(api_->Commit(name, key));
  return applied;
}

Result<std::string> Subject::CommitChain(const std::vector<Layer>& layers, const std::string& prefix) {
  std::string parent;
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string name = fmt::format("{}{}", prefix, i);
    LM_TRY(CommitLayer(name, parent, layers[i]).WithContext(fmt::format("layer {}", i)));
    parent = name;
  }
  return parent;
}

Result<MountedSnapshot> Subject::Prepare(const std::string& key, const std::string& parent) {
  LM_ASSIGN(std::vector<Mount> mounts, api_->Prepare(key, parent));
  return MountedSnapshot::Mount(key, std::move(mounts));
}

Result<MountedSnapshot> Subject::View(const std::string& key, const std::string& parent) {
  LM_ASSIGN(std::vector<Mount> mounts, api_->View(key, parent));
  return MountedSnapshot::Mount(key, std::move(mounts));
}

Result<Manifest> Subject::ViewManifest(const std::string& name) {
  const std::string key = name + ".look";
  LM_ASSIGN(MountedSnapshot view, View(key, name));
  LM_ASSIGN(Manifest manifest, ReadManifest(view.root_fd()));
  LM_TRY(view.Unmount());
  LM_TRY(api_->Remove(key));
  return manifest;
}

InstanceSpec OracleInstance() {
  InstanceSpec spec;
  spec.driver = FindDriver("plain");
  return spec;
}

}  // namespace layermark
