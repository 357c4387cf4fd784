// Talking to a containerd, or to a proxy plug-in, through its Unix socket. gRPC stays behind this header.
//
// gRPC starts threads that live as long as the process: a process that calls anything of this header must not
// fork workers afterwards (Driver::keeps_threads). Threads: any. No call blocks for longer than its deadline.
#ifndef LAYERMARK_DRIVERS_RPC_CLIENT_H_
#define LAYERMARK_DRIVERS_RPC_CLIENT_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

struct RpcTarget {
  std::string socket;                                             // absolute path of the Unix socket
  std::string containerd_namespace{};                             // sent with each call where it is not empty
  std::string lease{};                                            // likewise; what is made belongs to it
  std::chrono::milliseconds deadline = std::chrono::seconds(60);  // of each call
};

// A Snapshotter whose calls are those of containerd.services.snapshots.v1. `snapshotter` is sent in each
// request. An answer that is none (nobody listens, no end within the deadline, a message that is not whole)
// is noted as a breach (drivers/breach.h); after a call without end later ones to that socket fail at once.
// Every other error is the server's own, with its code. Layers that a mount joins in one "lowerdir=" are
// taken apart. Close ends the connection and removes nothing. Dialling succeeds whether or not somebody
// listens.
Result<std::unique_ptr<Snapshotter>> DialSnapshots(const RpcTarget& target, const std::string& snapshotter);

// A containerd's other services, as far as a guest needs them.
class ContainerdClient {
 public:
  static Result<std::unique_ptr<ContainerdClient>> Dial(const RpcTarget& target);
  virtual ~ContainerdClient() = default;

  virtual Result<std::string> Version() = 0;  // "1.6.20"
  virtual Result<std::vector<std::string>> Namespaces() = 0;
  // Of both the target must have a namespace, though they are about `name`: containerd announces in it what
  // happened.
  virtual Status CreateNamespace(const std::string& name) = 0;
  // kFailedPrecondition while anything is in it.
  virtual Status DeleteNamespace(const std::string& name) = 0;
  // These three in the namespace of the target. A lease that nobody deletes ends after `lifetime`.
  virtual Status CreateLease(const std::string& id, std::chrono::seconds lifetime) = 0;
  // Answers after all that only the lease held was collected.
  virtual Status DeleteLease(const std::string& id) = 0;
  virtual Result<std::vector<std::string>> Leases() = 0;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_RPC_CLIENT_H_
