// One connection to a Unix socket. Includes gRPC: for this folder alone.
#ifndef LAYERMARK_DRIVERS_RPC_CHANNEL_H_
#define LAYERMARK_DRIVERS_RPC_CHANNEL_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "core/result.h"
#include "drivers/rpc/client.h"

namespace layermark::rpc {

// Threads: any.
class Connection {
 public:
  // kInvalidArgument: the socket's path is not absolute or too long for one.
  static Result<std::shared_ptr<Connection>> Dial(const RpcTarget& target);

  const std::shared_ptr<::grpc::Channel>& channel() const { return channel_; }
  const RpcTarget& target() const { return target_; }
  // Runs `call` with a context that carries namespace, lease and deadline.
  template <typename Function>
  Status Call(const char* operation, Function&& call) {
    LM_TRY(Ready(operation));
    ::grpc::ClientContext context;
    Prepare(context);
    return Judge(operation, call(context));
  }

 private:
  Connection(RpcTarget target, std::shared_ptr<::grpc::Channel> channel)
      : target_(std::move(target)), channel_(std::move(channel)) {}
  Status Ready(const char* operation) const;
  void Prepare(::grpc::ClientContext& context) const;
  // Notes a breach where the status is no answer.
  Status Judge(const char* operation, const ::grpc::Status& status);

  const RpcTarget target_;
  const std::shared_ptr<::grpc::Channel> channel_;
};

}  // namespace layermark::rpc

#endif  // LAYERMARK_DRIVERS_RPC_CHANNEL_H_
