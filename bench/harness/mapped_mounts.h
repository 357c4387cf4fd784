// MappedMounts: a snapshot's mounts on id-mapped layers, as an engine makes them for a container with users
// of its own.
#ifndef LAYERMARK_BENCH_HARNESS_MAPPED_MOUNTS_H_
#define LAYERMARK_BENCH_HARNESS_MAPPED_MOUNTS_H_

#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/id_map.h"
#include "core/sys/mount.h"

namespace layermark {

enum class MapStyle {
  kLayers,  // an id-mapped bind mount for each lower layer
  kParent,  // one for the directory that all of them are in
};

// Owner of the bind mounts. Threads: one at a time; several objects in several threads.
class MappedMounts {
 public:
  // Binds what `mounts` name (the lower layers, or the source of a bind mount) below `scratch`, an existing
  // directory of this object's own. The upper directory stays as it is.
  static Result<MappedMounts> Make(const IdMapping& mapping, const std::vector<Mount>& mounts,
                                   const std::string& scratch, MapStyle style);
  MappedMounts() = default;
  MappedMounts(MappedMounts&&) noexcept = default;
  MappedMounts& operator=(MappedMounts&& other) noexcept;
  ~MappedMounts();  // unmounts lazily what is left

  const std::vector<Mount>& mounts() const { return mounts_; }  // the same, on the mapped layers
  Status Unmount();

 private:
  Result<std::string> Bind(const IdMapping& mapping, const std::string& source, const std::string& target);

  std::vector<Mount> mounts_;
  std::vector<std::string> bound_;
};

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_MAPPED_MOUNTS_H_
