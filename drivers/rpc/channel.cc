#include "drivers/rpc/channel.h"

#include <fmt/core.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/un.h>

#include <chrono>
#include <mutex>
#include <set>

#include "drivers/breach.h"
#include "drivers/rpc/messages.h"

namespace layermark::rpc {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;

// Sockets that let a call run out of time. Of the process, so that tidying up costs no second deadline.
struct HungSockets {
  std::mutex mutex;
  std::set<std::string> paths;
};

HungSockets& Hung() {
  static HungSockets hung;
  return hung;
}

}  // namespace

Result<std::shared_ptr<Connection>> Connection::Dial(const RpcTarget& target) {
  if (!target.socket.starts_with('/'))
    return InvalidArgument(fmt::format("{}: the path of a socket must be absolute", target.socket));
  if (target.socket.size() >= sizeof(sockaddr_un::sun_path))
    return InvalidArgument(fmt::format("{}: longer than the path of a socket can be", target.socket));
  ::grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // A connection of its own, and another try soon after one that failed: servers come back in a moment.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return std::shared_ptr<Connection>(
      new Connection(target, ::grpc::CreateCustomChannel("unix://" + target.socket,
                                                         ::grpc::InsecureChannelCredentials(), arguments)));
}

Status Connection::Ready(const char* operation) const {
  const std::scoped_lock lock(Hung().mutex);
  if (!Hung().paths.contains(target_.socket)) return {};
  return {Code::kDeadlineExceeded,
          fmt::format("{}: not called: {} did not answer an earlier call", operation, target_.socket)};
}

void Connection::Prepare(::grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() + target_.deadline);
  if (!target_.containerd_namespace.empty())
    context.AddMetadata("containerd-namespace", target_.containerd_namespace);
  if (!target_.lease.empty()) context.AddMetadata("containerd-lease", target_.lease);
}

Status Connection::Judge(const char* operation, const ::grpc::Status& status) {
  switch (status.error_code()) {
    case ::grpc::StatusCode::DEADLINE_EXCEEDED: {
      {
        const std::scoped_lock lock(Hung().mutex);
        Hung().paths.insert(target_.socket);
      }
      const double seconds = std::chrono::duration<double>(target_.deadline).count();
      Status hung(Code::kDeadlineExceeded,
                  fmt::format("{}: {}: no answer after {} s", operation, target_.socket, seconds));
      NoteBreach(hung);
      return hung;
    }
    case ::grpc::StatusCode::UNAVAILABLE:
    case ::grpc::StatusCode::CANCELLED:
    case ::grpc::StatusCode::RESOURCE_EXHAUSTED: {
      Status s = FromRpc(status, fmt::format("{}: {}", operation, target_.socket));
      // A full file system is an answer; a message that is too large is none.
      const bool answer = status.error_code() == ::grpc::StatusCode::RESOURCE_EXHAUSTED &&
                          status.error_message().find("message larger than max") == std::string::npos;
      if (!answer) NoteBreach(s);
      return s;
    }
    default:
      return FromRpc(status, operation);
  }
}

}  // namespace layermark::rpc
