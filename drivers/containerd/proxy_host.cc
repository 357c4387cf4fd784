// Stores as prefixes in a proxy plug-in.
#include <algorithm>
#include <set>
#include <utility>

#include "drivers/containerd/host.h"
#include "drivers/containerd/prefixed_snapshotter.h"
#include "drivers/containerd/store_id.h"
#include "drivers/rpc/client.h"

namespace layermark {
namespace {

class Proxy : public Host {
 public:
  explicit Proxy(RpcTarget target) : target_(std::move(target)) {}

  Status Greet() override {
    LM_ASSIGN(const std::unique_ptr<Snapshotter> whole, Dial());
    const Status asked = whole->Stat(NewStoreId() + "/nothing").status();
    return asked.code() == Code::kNotFound ? Status::Ok() : asked;
  }

  Result<std::string> Version() override { return std::string(); }

  Status MakeStore(const std::string&) override { return Status::Ok(); }

  Result<std::unique_ptr<Snapshotter>> OpenStore(const std::string& id) override {
    LM_ASSIGN(std::unique_ptr<Snapshotter> whole, Dial());
    return std::unique_ptr<Snapshotter>(std::make_unique<PrefixedSnapshotter>(id + "/", std::move(whole)));
  }

  Status RemoveStore(const std::string& id) override {
    LM_ASSIGN(const std::unique_ptr<Snapshotter> store, OpenStore(id));
    std::vector<Info> all;
    LM_TRY(store->Walk([&](const Info& info) {
      all.push_back(info);
      return Status::Ok();
    }));
    // Children before their parents: a parent is committed before a child of it is made.
    std::stable_sort(all.begin(), all.end(),
                     [](const Info& a, const Info& b) { return a.created_ns > b.created_ns; });
    std::stable_partition(all.begin(), all.end(),
                          [](const Info& info) { return info.kind != Kind::kCommitted; });
    Status first;
    for (size_t left = all.size() + 1; !all.empty() && all.size() < left;) {
      left = all.size();
      first = Status::Ok();
      std::erase_if(all, [&](const Info& info) {
        const Status removed = store->Remove(info.name);
        if (removed.ok() || removed.code() == Code::kNotFound) return true;
        if (first.ok()) first = removed;
        return false;
      });
    }
    if (!first.ok()) return first;
    const Status cleaned = store->Cleanup();
    return cleaned.code() == Code::kUnimplemented ? Status::Ok() : cleaned;
  }

  Result<std::vector<std::string>> Stores() override {
    LM_ASSIGN(const std::unique_ptr<Snapshotter> whole, Dial());
    std::set<std::string> ids;
    LM_TRY(whole->Walk([&](const Info& info) {
      const std::string id = info.name.substr(0, info.name.find('/'));
      if (IsStoreId(id) && id.size() < info.name.size()) ids.insert(id);
      return Status::Ok();
    }));
    return std::vector<std::string>(ids.begin(), ids.end());
  }

 private:
  Result<std::unique_ptr<Snapshotter>> Dial() const { return DialSnapshots(target_, ""); }

  const RpcTarget target_;
};

}  // namespace

Result<std::unique_ptr<Host>> ProxyHost(const std::string& socket, std::chrono::milliseconds deadline) {
  return std::unique_ptr<Host>(std::make_unique<Proxy>(RpcTarget{.socket = socket, .deadline = deadline}));
}

}  // namespace layermark
