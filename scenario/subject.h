// Subject: one driver's store on a backing, with the snapshots that a case or workload mounts from it.
//
// Both harnesses and the oracle stand on this: layers are unpacked through prepare, mount, apply, unmount,
// commit, never by writing into a store behind the driver's back.
//
// Threads: one thread at a time. REQUIRES: a private mount namespace and a workspace.
#ifndef LAYERMARK_SCENARIO_SUBJECT_H_
#define LAYERMARK_SCENARIO_SUBJECT_H_

#include <memory>
#include <string>
#include <vector>

#include "core/oci/layer_tar.h"
#include "core/result.h"
#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "drivers/driver.h"
#include "scenario/backing.h"

namespace layermark {

// A snapshot mounted at a directory of the workspace; unmounted when it goes.
class MountedSnapshot {
 public:
  // Makes a mount point and mounts `mounts` there.
  static Result<MountedSnapshot> Mount(std::string key, std::vector<layermark::Mount> mounts);
  MountedSnapshot() = default;
  MountedSnapshot(MountedSnapshot&&) noexcept = default;
  MountedSnapshot& operator=(MountedSnapshot&&) noexcept = default;

  const std::string& key() const { return key_; }
  const std::string& path() const { return path_; }
  const std::vector<layermark::Mount>& mounts() const { return mounts_; }
  int root_fd() const { return root_.get(); }  // O_DIRECTORY on the mounted root
  const Mounted& mounted() const { return mounted_; }
  // The upper directory that the mounts name; empty where they name none (capability upper_visible).
  std::string upper() const { return mounts_.empty() ? "" : MountOption(mounts_.back(), "upperdir"); }

  Status Unmount();
  // Unmounts and mounts the same again: a stack by hand, or where nothing but the mount is asked about.
  Status Remount();
  // Unmounts, and mounts what the driver now names for this key, as a container engine does at each start.
  Status Remount(Snapshotter& api);

 private:
  Status MountHere();

  std::string key_, path_;
  std::vector<layermark::Mount> mounts_;
  Mounted mounted_;
  Fd root_;
};

class Subject {
 public:
  // A fresh store in a new directory of the backing.
  static Result<Subject> Open(const InstanceSpec& instance, Backing& backing);
  Subject(Subject&&) noexcept = default;
  Subject& operator=(Subject&&) noexcept = default;
  ~Subject();  // Close; the directory stays until the backing goes

  Snapshotter& api() { return *api_; }
  const InstanceSpec& instance() const { return instance_; }
  const std::string& root() const { return root_; }  // the store's directory on the backing
  Backing& backing() { return *backing_; }
  // Opens the store again, as after a restart of the daemon.
  Status Reopen();
  // The same with the daemon behind it killed and started again in between (capability daemon_restart).
  Status Restart();
  Status Close();
  // Closes it and removes what it takes on the backing, snapshot by snapshot. REQUIRES: nothing of it is
  // mounted.
  Status Discard();

  // Commits one layer on `parent` ("": none) under `name`, through prepare, mount, apply, unmount, commit.
  Status CommitLayer(const std::string& name, const std::string& parent, const Layer& layer);
  Result<ApplyResult> CommitTar(const std::string& name, const std::string& parent, int tar_fd,
                                const ApplyOptions& options = {});
  // Commits the layers one on the other as PREFIX0, PREFIX1, ... and answers the last name; "" for no layers.
  Result<std::string> CommitChain(const std::vector<Layer>& layers, const std::string& prefix = "layer");
  Result<MountedSnapshot> Prepare(const std::string& key, const std::string& parent);
  Result<MountedSnapshot> View(const std::string& key, const std::string& parent);
  // The tree that a view of `name` shows ("": the empty tree); the view is removed again.
  Result<Manifest> ViewManifest(const std::string& name);

 private:
  Subject() = default;
  InstanceSpec instance_;
  Backing* backing_ = nullptr;
  std::string root_;
  std::unique_ptr<Snapshotter> api_;
};

// The oracle for everything that is POSIX's: the driver `plain` on the same backing.
InstanceSpec OracleInstance();

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_SUBJECT_H_
