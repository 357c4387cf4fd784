// Between gRPC's messages and the contract's types. Includes gRPC: for this folder alone.
#ifndef LAYERMARK_DRIVERS_RPC_MESSAGES_H_
#define LAYERMARK_DRIVERS_RPC_MESSAGES_H_

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"
#include "snapshots.pb.h"

namespace layermark::rpc {

namespace api = ::containerd::services::snapshots::v1;
using LabelMap = ::google::protobuf::Map<std::string, std::string>;
using MountList = ::google::protobuf::RepeatedPtrField<::containerd::types::Mount>;

// The codes of both are gRPC's. A message that is not UTF-8 is made so: protobuf would refuse it.
::grpc::Status ToRpc(const Status& status);
Status FromRpc(const ::grpc::Status& status, const std::string& operation);

// Every layer of an overlay is its own option here and all are joined in one there, ':' and '\' escaped.
void ToRpc(const std::vector<Mount>& mounts, MountList& out);
std::vector<Mount> FromRpc(const MountList& mounts);

void ToRpc(const Labels& labels, LabelMap& out);
Labels FromRpc(const LabelMap& labels);

void ToRpc(const Info& info, api::Info& out);
// kDataLoss: a kind or time that there is not.
Result<Info> FromRpc(const api::Info& info);

// Whether protobuf can carry it.
bool IsUtf8(const std::string& text);

}  // namespace layermark::rpc

#endif  // LAYERMARK_DRIVERS_RPC_MESSAGES_H_
