// Stores as namespaces of a containerd.
#include <fmt/core.h>

#include <atomic>
#include <utility>

#include "drivers/containerd/host.h"
#include "drivers/containerd/store_id.h"
#include "drivers/rpc/client.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kLifetime = std::chrono::hours(24);

// Removal through a containerd only marks; its collector removes. Cleanup has it run to its end, by the end
// of a lease that holds nothing.
class NamespaceSnapshotter : public Snapshotter {
 public:
  NamespaceSnapshotter(std::string id, std::unique_ptr<ContainerdClient> containerd,
                       std::unique_ptr<Snapshotter> snapshots)
      : id_(std::move(id)), containerd_(std::move(containerd)), snapshots_(std::move(snapshots)) {}

  Result<Info> Stat(const std::string& key) override { return snapshots_->Stat(key); }
  Result<Info> Update(const Info& info, const std::vector<std::string>& field_paths) override {
    return snapshots_->Update(info, field_paths);
  }
  Result<Usage> GetUsage(const std::string& key) override { return snapshots_->GetUsage(key); }
  Result<std::vector<Mount>> Mounts(const std::string& key) override { return snapshots_->Mounts(key); }
  Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                     const Labels& labels) override {
    return snapshots_->Prepare(key, parent, labels);
  }
  Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                  const Labels& labels) override {
    return snapshots_->View(key, parent, labels);
  }
  Status Commit(const std::string& name, const std::string& key, const Labels& labels,
                const std::optional<std::string>& parent) override {
    return snapshots_->Commit(name, key, labels, parent);
  }
  Status Remove(const std::string& key) override { return snapshots_->Remove(key); }
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters) override {
    return snapshots_->Walk(callback, filters);
  }
  Status Cleanup() override {
    const std::string lease = fmt::format("{}-collect-{}", id_, cleanups_++);
    LM_TRY(containerd_->CreateLease(lease, kLifetime));
    LM_TRY(containerd_->DeleteLease(lease));
    const Status asked = snapshots_->Cleanup();
    return asked.code() == Code::kUnimplemented ? Status::Ok() : asked;
  }
  Status Close() override { return snapshots_->Close(); }

 private:
  const std::string id_;
  const std::unique_ptr<ContainerdClient> containerd_;
  const std::unique_ptr<Snapshotter> snapshots_;
  std::atomic<int> cleanups_{0};
};

class Containerd : public Host {
 public:
  Containerd(RpcTarget target, std::string snapshotter, std::unique_ptr<ContainerdClient> client)
      : target_(std::move(target)), snapshotter_(std::move(snapshotter)), client_(std::move(client)) {}

  Status Greet() override {
    LM_TRY(client_->Version());
    // Every call needs a namespace; asking for what is not there makes none.
    LM_ASSIGN(const std::unique_ptr<Snapshotter> snapshots, DialSnapshots(In(NewStoreId()), snapshotter_));
    const Status asked = snapshots->Stat("nothing").status();
    return asked.code() == Code::kNotFound ? Status::Ok() : asked;
  }

  Result<std::string> Version() override {
    LM_ASSIGN(const std::string version, client_->Version());
    return fmt::format("containerd {}", version);
  }

  Status MakeStore(const std::string& id) override {
    LM_ASSIGN(const std::unique_ptr<ContainerdClient> inside, ContainerdClient::Dial(In(id)));
    Status made = inside->CreateNamespace(id);
    if (!made.ok() && made.code() != Code::kAlreadyExists) return made;
    made = inside->CreateLease(id, kLifetime);
    return made.code() == Code::kAlreadyExists ? Status::Ok() : made;
  }

  Result<std::unique_ptr<Snapshotter>> OpenStore(const std::string& id) override {
    LM_ASSIGN(std::unique_ptr<ContainerdClient> inside, ContainerdClient::Dial(In(id)));
    RpcTarget target = In(id);
    target.lease = id;
    LM_ASSIGN(std::unique_ptr<Snapshotter> snapshots, DialSnapshots(target, snapshotter_));
    return std::unique_ptr<Snapshotter>(
        std::make_unique<NamespaceSnapshotter>(id, std::move(inside), std::move(snapshots)));
  }

  // Without its leases nothing holds what is in it, whichever snapshotter made it.
  Status RemoveStore(const std::string& id) override {
    LM_ASSIGN(const std::unique_ptr<ContainerdClient> inside, ContainerdClient::Dial(In(id)));
    LM_ASSIGN(const std::vector<std::string> leases, inside->Leases());
    for (const std::string& lease : leases) LM_TRY(Gone(inside->DeleteLease(lease)));
    if (leases.empty()) {
      LM_TRY(Gone(inside->CreateLease(id, kLifetime)));
      LM_TRY(Gone(inside->DeleteLease(id)));
    }
    return Gone(inside->DeleteNamespace(id));
  }

  Result<std::vector<std::string>> Stores() override {
    LM_ASSIGN(std::vector<std::string> names, client_->Namespaces());
    std::erase_if(names, [](const std::string& name) { return !IsStoreId(name); });
    return names;
  }

 private:
  static Status Gone(const Status& status) {
    return status.code() == Code::kNotFound ? Status::Ok() : status;
  }
  RpcTarget In(const std::string& id) const {
    RpcTarget target = target_;
    target.containerd_namespace = id;
    return target;
  }

  const RpcTarget target_;
  const std::string snapshotter_;
  const std::unique_ptr<ContainerdClient> client_;
};

}  // namespace

Result<std::unique_ptr<Host>> ContainerdHost(const std::string& socket, const std::string& snapshotter,
                                             std::chrono::milliseconds deadline) {
  RpcTarget target{.socket = socket, .deadline = deadline};
  LM_ASSIGN(std::unique_ptr<ContainerdClient> client, ContainerdClient::Dial(target));
  return std::unique_ptr<Host>(std::make_unique<Containerd>(target, snapshotter, std::move(client)));
}

}  // namespace layermark
