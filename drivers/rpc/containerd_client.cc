// A containerd's namespaces, leases and version.
#include <fmt/chrono.h>
#include <fmt/core.h>

#include <ctime>
#include <utility>

#include "drivers/rpc/channel.h"
#include "drivers/rpc/client.h"
#include "leases.grpc.pb.h"
#include "namespaces.grpc.pb.h"
#include "version.grpc.pb.h"

namespace layermark {
namespace {

namespace leases = ::containerd::services::leases::v1;
namespace namespaces = ::containerd::services::namespaces::v1;
namespace version = ::containerd::services::version::v1;

// containerd collects a lease, and what only it holds, after this time.
constexpr const char* kExpireLabel = "containerd.io/gc.expire";

class RemoteContainerd : public ContainerdClient {
 public:
  explicit RemoteContainerd(std::shared_ptr<rpc::Connection> connection)
      : connection_(std::move(connection)),
        leases_(leases::Leases::NewStub(connection_->channel())),
        namespaces_(namespaces::Namespaces::NewStub(connection_->channel())),
        version_(version::Version::NewStub(connection_->channel())) {}

  Result<std::string> Version() override {
    version::VersionResponse response;
    LM_TRY(connection_->Call("version", [&](grpc::ClientContext& context) {
      return version_->Version(&context, google::protobuf::Empty(), &response);
    }));
    return response.version();
  }

  Result<std::vector<std::string>> Namespaces() override {
    namespaces::ListNamespacesResponse response;
    LM_TRY(connection_->Call("list namespaces", [&](grpc::ClientContext& context) {
      return namespaces_->List(&context, namespaces::ListNamespacesRequest(), &response);
    }));
    std::vector<std::string> names;
    for (const namespaces::Namespace& one : response.namespaces()) names.push_back(one.name());
    return names;
  }

  Status CreateNamespace(const std::string& name) override {
    namespaces::CreateNamespaceRequest request;
    request.mutable_namespace_()->set_name(name);
    namespaces::CreateNamespaceResponse response;
    return connection_->Call("create namespace", [&](grpc::ClientContext& context) {
      return namespaces_->Create(&context, request, &response);
    });
  }

  Status DeleteNamespace(const std::string& name) override {
    namespaces::DeleteNamespaceRequest request;
    request.set_name(name);
    google::protobuf::Empty response;
    return connection_->Call("delete namespace", [&](grpc::ClientContext& context) {
      return namespaces_->Delete(&context, request, &response);
    });
  }

  Status CreateLease(const std::string& id, std::chrono::seconds lifetime) override {
    leases::CreateRequest request;
    request.set_id(id);
    const std::time_t end = std::time(nullptr) + lifetime.count();
    (*request.mutable_labels())[kExpireLabel] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(end));
    leases::CreateResponse response;
    return connection_->Call("create lease", [&](grpc::ClientContext& context) {
      return leases_->Create(&context, request, &response);
    });
  }

  Status DeleteLease(const std::string& id) override {
    leases::DeleteRequest request;
    request.set_id(id);
    request.set_sync(true);
    google::protobuf::Empty response;
    return connection_->Call("delete lease", [&](grpc::ClientContext& context) {
      return leases_->Delete(&context, request, &response);
    });
  }

  Result<std::vector<std::string>> Leases() override {
    leases::ListResponse response;
    LM_TRY(connection_->Call("list leases", [&](grpc::ClientContext& context) {
      return leases_->List(&context, leases::ListRequest(), &response);
    }));
    std::vector<std::string> ids;
    for (const leases::Lease& lease : response.leases()) ids.push_back(lease.id());
    return ids;
  }

 private:
  const std::shared_ptr<rpc::Connection> connection_;
  const std::unique_ptr<leases::Leases::Stub> leases_;
  const std::unique_ptr<namespaces::Namespaces::Stub> namespaces_;
  const std::unique_ptr<version::Version::Stub> version_;
};

}  // namespace

Result<std::unique_ptr<ContainerdClient>> ContainerdClient::Dial(const RpcTarget& target) {
  LM_ASSIGN(std::shared_ptr<rpc::Connection> connection, rpc::Connection::Dial(target));
  return std::unique_ptr<ContainerdClient>(std::make_unique<RemoteContainerd>(std::move(connection)));
}

}  // namespace layermark
