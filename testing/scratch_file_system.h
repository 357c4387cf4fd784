// For tests: real file systems on loop devices, in a mount namespace that goes with the test.
#ifndef LAYERMARK_TESTING_SCRATCH_FILE_SYSTEM_H_
#define LAYERMARK_TESTING_SCRATCH_FILE_SYSTEM_H_

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "core/result.h"
#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"

namespace layermark::testing {

// Runs `body` in a thread with a private mount namespace: mounts made in it are seen by it, by the threads
// and processes that it starts, and by nobody else. Returns what stood in the way; needs CAP_SYS_ADMIN.
inline Status WithPrivateMounts(const std::function<void()>& body) {
  Status status;
  std::thread([&] {
    if (unshare(CLONE_NEWNS | CLONE_FS) != 0) {
      status = Status::Errno("unshare CLONE_NEWNS", "");
    } else if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      status = Status::Errno("mount MS_PRIVATE", "/");
    } else {
      body();
    }
  }).join();
  return status;
}

// A fresh file system of 512 MiB, sparse. REQUIRES: used within WithPrivateMounts. Unmounted when it goes.
class ScratchFileSystem {
 public:
  // `type` is "ext4", "xfs" or "btrfs".
  static Result<ScratchFileSystem> Create(const std::string& type, const std::string& parent) {
    ScratchFileSystem fs;
    LM_ASSIGN(fs.tree_, TempTree::Create(parent, "scratch_" + type));
    const std::string image = fs.tree_.path() + "/image";
    fs.path_ = fs.tree_.path() + "/mounted";
    LM_TRY(WriteFile(image, "", 0600));
    if (truncate(image.c_str(), off_t{512} << 20) != 0) return Status::Errno("truncate", image);
    LM_TRY(RunCommandOk({"mkfs." + type, "-q", image}));
    LM_TRY(MakeDirs(fs.path_));
    // mount sets autoclear: the device goes with the mount.
    LM_TRY(RunCommandOk({"mount", "-o", "loop", image, fs.path_}));
    fs.mounted_ = true;
    return fs;
  }
  ScratchFileSystem(ScratchFileSystem&& other) noexcept
      : tree_(std::move(other.tree_)),
        path_(std::move(other.path_)),
        mounted_(std::exchange(other.mounted_, false)) {}
  ScratchFileSystem& operator=(ScratchFileSystem&&) = delete;
  ~ScratchFileSystem() {
    if (mounted_) (void)umount2(path_.c_str(), MNT_DETACH);
  }

  const std::string& path() const { return path_; }

 private:
  ScratchFileSystem() = default;
  TempTree tree_;
  std::string path_;
  bool mounted_ = false;
};

}  // namespace layermark::testing

#endif  // LAYERMARK_TESTING_SCRATCH_FILE_SYSTEM_H_
