// Stands in for this folder where layermark is built without gRPC.
#include "drivers/rpc/client.h"
#include "drivers/rpc/server.h"

namespace layermark {
namespace {

Status Absent() {
  return Unimplemented("this layermark was built without gRPC (Debian: libgrpc++-dev)");
}

}  // namespace

Result<std::unique_ptr<Snapshotter>> DialSnapshots(const RpcTarget&, const std::string&) {
  return Absent();
}

Result<std::unique_ptr<ContainerdClient>> ContainerdClient::Dial(const RpcTarget&) {
  return Absent();
}

Result<std::unique_ptr<SnapshotsServer>> SnapshotsServer::Listen(Snapshotter&, const std::string&) {
  return Absent();
}

}  // namespace layermark
