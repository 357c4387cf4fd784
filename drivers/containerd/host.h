// Where somebody else keeps our stores: a containerd, or a proxy plug-in. Stores are told apart by their ids
// (store_id.h). Threads: any.
#ifndef LAYERMARK_DRIVERS_CONTAINERD_HOST_H_
#define LAYERMARK_DRIVERS_CONTAINERD_HOST_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

class Host {
 public:
  virtual ~Host() = default;

  // Ok: somebody answers, and has the snapshotter.
  virtual Status Greet() = 0;
  // "containerd 1.6.20, overlayfs"; "" where it cannot be asked for.
  virtual Result<std::string> Version() = 0;
  virtual Status MakeStore(const std::string& id) = 0;
  // REQUIRES: the store was made.
  virtual Result<std::unique_ptr<Snapshotter>> OpenStore(const std::string& id) = 0;
  // With all that is in it; ok where there is none. REQUIRES: nothing of it is mounted.
  virtual Status RemoveStore(const std::string& id) = 0;
  virtual Result<std::vector<std::string>> Stores() = 0;
};

// A store is a namespace of its own with a lease of the same name, which keeps what is made from being
// collected. A store that nobody removes is collected by containerd itself after a day.
Result<std::unique_ptr<Host>> ContainerdHost(const std::string& socket, const std::string& snapshotter,
                                             std::chrono::milliseconds deadline);
// A store is all that has its id and a slash before its name: a proxy plug-in knows no namespaces, and
// containerd itself makes keys unique in this way.
Result<std::unique_ptr<Host>> ProxyHost(const std::string& socket, std::chrono::milliseconds deadline);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_CONTAINERD_HOST_H_
