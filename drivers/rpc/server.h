// Offering a Snapshotter as a containerd proxy plug-in. gRPC stays behind this header.
#ifndef LAYERMARK_DRIVERS_RPC_SERVER_H_
#define LAYERMARK_DRIVERS_RPC_SERVER_H_

#include <memory>
#include <string>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

// Answers containerd.services.snapshots.v1 on a Unix socket from `snapshotter`, whose threads are gRPC's.
// An error goes out with the code of its Status. Namespaces are passed over: containerd makes its keys
// unique by itself, and collects without one.
class SnapshotsServer {
 public:
  // Listens before it answers. A socket file that nobody listens on any more is replaced;
  // kFailedPrecondition where somebody does. `snapshotter` must live longer than the server. The socket is
  // its owner's alone (mode 0600).
  static Result<std::unique_ptr<SnapshotsServer>> Listen(Snapshotter& snapshotter, const std::string& socket);
  // Stops, as Stop does.
  virtual ~SnapshotsServer() = default;
  // Takes no more calls, lets those that run end (5 s, then they are cancelled) and removes the socket file.
  // Idempotent.
  virtual void Stop() = 0;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_RPC_SERVER_H_
