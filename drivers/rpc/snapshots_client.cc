// A Snapshotter at the other end of a socket.
#include <fmt/core.h>

#include <atomic>
#include <utility>

#include "drivers/breach.h"
#include "drivers/rpc/channel.h"
#include "drivers/rpc/client.h"
#include "drivers/rpc/messages.h"
#include "snapshots.grpc.pb.h"

namespace layermark {
namespace {

using rpc::FromRpc;
using rpc::ToRpc;
namespace api = rpc::api;

Status CheckUtf8(const char* operation, std::initializer_list<const std::string*> texts,
                 const Labels& labels = {}) {
  bool good = true;
  for (const std::string* text : texts) good = good && rpc::IsUtf8(*text);
  for (const auto& [key, value] : labels) good = good && rpc::IsUtf8(key) && rpc::IsUtf8(value);
  if (good) return {};
  return InvalidArgument(
      fmt::format("{}: what is asked is not UTF-8 and cannot be said in a message", operation));
}

class RemoteSnapshotter : public Snapshotter {
 public:
  RemoteSnapshotter(std::shared_ptr<rpc::Connection> connection, std::string snapshotter)
      : snapshotter_(std::move(snapshotter)),
        connection_(std::move(connection)),
        stub_(api::Snapshots::NewStub(connection_->channel())) {}

  Result<Info> Stat(const std::string& key) override {
    api::InfoResponse response;
    LM_TRY(Ask("stat", &api::Snapshots::Stub::Stat, KeyRequest(key), response, {&key}));
    return Read("stat", response.info());
  }

  Result<Info> Update(const Info& info, const std::vector<std::string>& field_paths) override {
    api::UpdateRequest request;
    request.set_snapshotter(snapshotter_);
    ToRpc(info, *request.mutable_info());
    for (const std::string& path : field_paths) {
      LM_TRY(CheckUtf8("update", {&path}));
      request.mutable_update_mask()->add_paths(path);
    }
    api::InfoResponse response;
    LM_TRY(Ask("update", &api::Snapshots::Stub::Update, request, response, {&info.name, &info.parent},
               info.labels));
    return Read("update", response.info());
  }

  Result<Usage> GetUsage(const std::string& key) override {
    api::UsageResponse response;
    LM_TRY(Ask("usage", &api::Snapshots::Stub::Usage, KeyRequest(key), response, {&key}));
    return Usage{response.inodes(), response.size()};
  }

  Result<std::vector<Mount>> Mounts(const std::string& key) override {
    api::MountsResponse response;
    LM_TRY(Ask("mounts", &api::Snapshots::Stub::Mounts, KeyRequest(key), response, {&key}));
    return FromRpc(response.mounts());
  }

  Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                     const Labels& labels) override {
    return Make("prepare", &api::Snapshots::Stub::Prepare, key, parent, labels);
  }
  Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                  const Labels& labels) override {
    return Make("view", &api::Snapshots::Stub::View, key, parent, labels);
  }

  Status Commit(const std::string& name, const std::string& key, const Labels& labels,
                const std::optional<std::string>& parent) override {
    api::CommitRequest request;
    request.set_snapshotter(snapshotter_);
    request.set_name(name);
    request.set_key(key);
    ToRpc(labels, *request.mutable_labels());
    if (parent) request.set_parent(*parent);
    google::protobuf::Empty response;
    return Ask("commit", &api::Snapshots::Stub::Commit, request, response, {&name, &key, &request.parent()},
               labels);
  }

  Status Remove(const std::string& key) override {
    google::protobuf::Empty response;
    return Ask("remove", &api::Snapshots::Stub::Remove, KeyRequest(key), response, {&key});
  }

  // Everything is read before the first callback, so that it may call anything.
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters) override {
    api::ListRequest request;
    request.set_snapshotter(snapshotter_);
    for (const std::string& filter : filters) {
      LM_TRY(CheckUtf8("walk", {&filter}));
      request.add_filters(filter);
    }
    std::vector<Info> all;
    Status broken;
    LM_TRY(Open("walk"));
    LM_TRY(connection_->Call("walk", [&](grpc::ClientContext& context) {
      const auto reader = stub_->List(&context, request);
      api::ListResponse block;
      while (reader->Read(&block)) {
        for (const api::Info& message : block.info()) {
          Result<Info> info = Read("walk", message);
          if (info.ok()) {
            all.push_back(std::move(info).value());
          } else {
            broken = info.status();
          }
        }
      }
      return reader->Finish();
    }));
    if (!broken.ok()) return broken;
    for (const Info& info : all) LM_TRY(callback(info));
    return Status::Ok();
  }

  Status Cleanup() override {
    api::CleanupRequest request;
    request.set_snapshotter(snapshotter_);
    google::protobuf::Empty response;
    return Ask("cleanup", &api::Snapshots::Stub::Cleanup, request, response, {});
  }

  Status Close() override {
    closed_ = true;
    return Status::Ok();
  }

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (api::Snapshots::Stub::*)(grpc::ClientContext*, const Request&, Response*);

  Status Open(const char* operation) const {
    return closed_ ? FailedPrecondition(fmt::format("{}: the snapshotter is closed", operation)) : Status();
  }

  template <typename Request, typename Response>
  Status Ask(const char* operation, Method<Request, Response> method, const Request& request,
             Response& response, std::initializer_list<const std::string*> texts, const Labels& labels = {}) {
    LM_TRY(Open(operation));
    LM_TRY(CheckUtf8(operation, texts, labels));
    return connection_->Call(operation, [&](grpc::ClientContext& context) {
      return (stub_.get()->*method)(&context, request, &response);
    });
  }

  Result<std::vector<Mount>> Make(const char* operation, Method<api::MakeRequest, api::MountsResponse> method,
                                  const std::string& key, const std::string& parent, const Labels& labels) {
    api::MakeRequest request;
    request.set_snapshotter(snapshotter_);
    request.set_key(key);
    request.set_parent(parent);
    ToRpc(labels, *request.mutable_labels());
    api::MountsResponse response;
    LM_TRY(Ask(operation, method, request, response, {&key, &parent}, labels));
    return FromRpc(response.mounts());
  }

  api::KeyRequest KeyRequest(const std::string& key) const {
    api::KeyRequest request;
    request.set_snapshotter(snapshotter_);
    request.set_key(key);
    return request;
  }

  static Result<Info> Read(const char* operation, const api::Info& message) {
    Result<Info> info = FromRpc(message);
    if (info.ok()) return info;
    const Status broken = info.status().WithContext(operation);
    NoteBreach(broken);
    return broken;
  }

  const std::string snapshotter_;
  const std::shared_ptr<rpc::Connection> connection_;
  const std::unique_ptr<api::Snapshots::Stub> stub_;
  std::atomic<bool> closed_{false};
};

}  // namespace

Result<std::unique_ptr<Snapshotter>> DialSnapshots(const RpcTarget& target, const std::string& snapshotter) {
  LM_ASSIGN(std::shared_ptr<rpc::Connection> connection, rpc::Connection::Dial(target));
  return std::unique_ptr<Snapshotter>(
      std::make_unique<RemoteSnapshotter>(std::move(connection), snapshotter));
}

}  // namespace layermark
