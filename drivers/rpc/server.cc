#include "drivers/rpc/server.h"

#include <fmt/core.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "core/sys/unix_socket.h"
#include "drivers/rpc/messages.h"
#include "snapshots.grpc.pb.h"

namespace layermark {
namespace {

using rpc::FromRpc;
using rpc::ToRpc;
namespace api = rpc::api;

constexpr std::chrono::seconds kPatience(5);
constexpr int kInfosPerBlock = 100;

class Service : public api::Snapshots::Service {
 public:
  explicit Service(Snapshotter& snapshotter) : snapshotter_(snapshotter) {}

  grpc::Status Prepare(grpc::ServerContext*, const api::MakeRequest* request,
                       api::MountsResponse* response) override {
    return Answer(snapshotter_.Prepare(request->key(), request->parent(), FromRpc(request->labels())),
                  response);
  }
  grpc::Status View(grpc::ServerContext*, const api::MakeRequest* request,
                    api::MountsResponse* response) override {
    return Answer(snapshotter_.View(request->key(), request->parent(), FromRpc(request->labels())), response);
  }
  grpc::Status Mounts(grpc::ServerContext*, const api::KeyRequest* request,
                      api::MountsResponse* response) override {
    return Answer(snapshotter_.Mounts(request->key()), response);
  }
  grpc::Status Commit(grpc::ServerContext*, const api::CommitRequest* request,
                      google::protobuf::Empty*) override {
    std::optional<std::string> parent;
    if (!request->parent().empty()) parent = request->parent();
    return ToRpc(snapshotter_.Commit(request->name(), request->key(), FromRpc(request->labels()), parent));
  }
  grpc::Status Remove(grpc::ServerContext*, const api::KeyRequest* request,
                      google::protobuf::Empty*) override {
    return ToRpc(snapshotter_.Remove(request->key()));
  }
  grpc::Status Stat(grpc::ServerContext*, const api::KeyRequest* request,
                    api::InfoResponse* response) override {
    return Answer(snapshotter_.Stat(request->key()), response);
  }
  grpc::Status Update(grpc::ServerContext*, const api::UpdateRequest* request,
                      api::InfoResponse* response) override {
    const Result<Info> info = FromRpc(request->info());
    if (!info.ok()) return ToRpc(InvalidArgument(info.status().message()));
    const auto& paths = request->update_mask().paths();
    return Answer(snapshotter_.Update(*info, {paths.begin(), paths.end()}), response);
  }
  // Nothing is written before the walk has ended: a client that reads slowly holds up nobody.
  grpc::Status List(grpc::ServerContext*, const api::ListRequest* request,
                    grpc::ServerWriter<api::ListResponse>* writer) override {
    std::vector<api::ListResponse> blocks;
    const Status walked = snapshotter_.Walk(
        [&](const Info& info) {
          if (blocks.empty() || blocks.back().info_size() == kInfosPerBlock) blocks.emplace_back();
          ToRpc(info, *blocks.back().add_info());
          return Status::Ok();
        },
        {request->filters().begin(), request->filters().end()});
    if (!walked.ok()) return ToRpc(walked);
    for (const api::ListResponse& block : blocks) {
      if (!writer->Write(block)) break;  // nobody reads any more
    }
    return grpc::Status::OK;
  }
  grpc::Status Usage(grpc::ServerContext*, const api::KeyRequest* request,
                     api::UsageResponse* response) override {
    const Result<layermark::Usage> usage = snapshotter_.GetUsage(request->key());
    if (!usage.ok()) return ToRpc(usage.status());
    response->set_size(usage->size_bytes);
    response->set_inodes(usage->inodes);
    return grpc::Status::OK;
  }
  grpc::Status Cleanup(grpc::ServerContext*, const api::CleanupRequest*, google::protobuf::Empty*) override {
    return ToRpc(snapshotter_.Cleanup());
  }

 private:
  static grpc::Status Answer(const Result<std::vector<Mount>>& mounts, api::MountsResponse* response) {
    if (mounts.ok()) ToRpc(*mounts, *response->mutable_mounts());
    return ToRpc(mounts.status());
  }
  static grpc::Status Answer(const Result<Info>& info, api::InfoResponse* response) {
    if (info.ok()) ToRpc(*info, *response->mutable_info());
    return ToRpc(info.status());
  }

  Snapshotter& snapshotter_;
};

class GrpcServer : public SnapshotsServer {
 public:
  explicit GrpcServer(Snapshotter& snapshotter) : service_(snapshotter) {}
  ~GrpcServer() override { Stop(); }

  Status Start(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix://" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    const mode_t old = umask(0177);
    server_ = builder.BuildAndStart();
    umask(old);
    if (server_ == nullptr) return {Code::kUnavailable, fmt::format("{}: cannot listen there", socket)};
    return Status::Ok();
  }

  void Stop() override {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + kPatience);  // removes the socket file, too
    server_->Wait();
    server_ = nullptr;
  }

 private:
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<SnapshotsServer>> SnapshotsServer::Listen(Snapshotter& snapshotter,
                                                                 const std::string& socket) {
  LM_ASSIGN(const bool taken, SomebodyListens(socket));
  if (taken) return FailedPrecondition(fmt::format("{}: somebody listens there already", socket));
  auto server = std::make_unique<GrpcServer>(snapshotter);
  LM_TRY(server->Start(socket));
  return std::unique_ptr<SnapshotsServer>(std::move(server));
}

}  // namespace layermark
