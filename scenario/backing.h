// Backing stores: the file system under a driver, made fresh for a run and gone with it.
//
// A store is a file system on a loop device over an unnamed file (RAM: in a tmpfs; disk: O_TMPFILE in a
// directory of the host), or a tmpfs, or a directory that the user names. All mounts live in the private
// namespace of the run, so that a kill -9 leaves nothing.
#ifndef LAYERMARK_SCENARIO_BACKING_H_
#define LAYERMARK_SCENARIO_BACKING_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

struct BackingSpec {
  std::string kind = "ext4";              // "ext4" "xfs" "btrfs" "tmpfs" "dir"
  std::string device = "ram";             // "ram" "disk"; tmpfs is always "ram", dir always "disk"
  std::string directory;                  // kind "dir": the path given
  int64_t size_bytes = int64_t{1} << 30;  // of the file system; sparse, so only what is used costs; raised to
                                          // the kind's minimum, lowered to what the budget leaves
  int64_t inodes = 0;                     // ext4: mkfs -N; 0: the default ratio
  int on_file = -1;  // >= 0: a file of the caller's, of size_bytes, instead of an unnamed one (FailingDisk)
  std::string name() const;  // "ext4" ... "dir"; for Place.backing
};
// "ext4", "dir=/path". kInvalidArgument names what is wrong.
Result<BackingSpec> ParseBacking(const std::string& text, const std::string& device);

// A mounted backing store.
class Backing {
 public:
  // Makes and mounts it below the workspace. Needs CAP_SYS_ADMIN except for "dir". kNotFound: mkfs is missing
  // (names the package); kResourceExhausted: the budget does not hold the smallest store of this kind, or no
  // loop device is free; kUnimplemented: the kernel lacks the file system. Mounts with the file system's
  // default options.
  static Result<Backing> Create(const BackingSpec& spec);
  Backing(Backing&&) noexcept;
  Backing& operator=(Backing&&) noexcept;
  ~Backing();  // unmounts (lazily as a last resort) and removes the mount point

  const BackingSpec& spec() const;  // with the true size
  const std::string& path() const;  // the mount point, or a fresh directory below kind dir's path
  // What can be expected of it: spec().kind, or for kind dir that of the file system which the directory is
  // on, where it is one of the others ("dir" where not).
  const std::string& file_system() const;
  // "ext4 of 512 MiB in ram, not of 1024 MiB: the budget leaves no more"; empty where it is as large as was
  // asked for. For records and messages.
  std::string shrunk() const;
  // A new empty directory in it, unique, mode 0755; the caller removes it or leaves it to the store's end.
  Result<std::string> NewDirectory(const std::string& prefix);
  // Unmounts and mounts again (drops caches); nothing in it may be in use. Kinds dir and tmpfs: only syncs.
  Status Remount();
  // Unmounts and removes the mount point, and reports; the store's content is gone.
  Status Close();

 private:
  struct State;
  explicit Backing(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_BACKING_H_
