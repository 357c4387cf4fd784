// containerd: any snapshotter of a running containerd, or a proxy plug-in's own socket, over gRPC.
#include "drivers/driver.h"

#include <fmt/core.h>

#include <charconv>
#include <thread>
#include <utility>

#include "core/sys/outside.h"
#include "drivers/breach.h"
#include "drivers/containerd/host.h"
#include "drivers/containerd/store_id.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline(60);

std::string ValueOf(const DriverOptions& options, const std::string& name, const std::string& otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : found->second;
}

Result<std::chrono::milliseconds> DeadlineOf(const DriverOptions& options) {
  const std::string text = ValueOf(options, "deadline", std::to_string(kDeadline.count()));
  int seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || seconds < 1 || seconds > 3600)
    return InvalidArgument("deadline=" + text + ": must be whole seconds from 1 to 3600");
  return std::chrono::milliseconds(std::chrono::seconds(seconds));
}

Result<std::unique_ptr<Host>> HostOf(const DriverOptions& options) {
  LM_ASSIGN(const std::chrono::milliseconds deadline, DeadlineOf(options));
  const std::string address = ValueOf(options, "address", "");
  const std::string proxy = ValueOf(options, "proxy", "");
  if (address.empty() == proxy.empty())
    return InvalidArgument(
        "needs one of the options address=SOCK (a containerd's) and proxy=SOCK (a proxy "
        "plug-in's)");
  if (!proxy.empty() && options.contains("snapshotter"))
    return InvalidArgument("snapshotter=NAME goes with address=SOCK: a proxy plug-in is one snapshotter");
  if (!proxy.empty()) return ProxyHost(proxy, deadline);
  const std::string snapshotter = ValueOf(options, "snapshotter", "");
  if (snapshotter.empty()) return InvalidArgument("address=SOCK needs snapshotter=NAME, such as overlayfs");
  return ContainerdHost(address, snapshotter, deadline);
}

// What the mounts of a snapshot with two parents say of its snapshotter.
CapabilitySet CapabilitiesOf(const std::vector<Mount>& mounts) {
  CapabilitySet set;
  const std::string type = mounts.empty() ? "" : mounts.back().type;
  const auto add = [&](std::initializer_list<Capability> list) {
    for (const Capability c : list) set.Add(c);
  };
  if (type == "overlay") {
    add({Capability::kernel_overlay, Capability::shares_bytes, Capability::shares_inodes,
         Capability::shares_page_cache, Capability::usage_own_changes, Capability::layers_500});
  } else if (type == "btrfs") {
    add({Capability::shares_bytes, Capability::usage_own_changes});
  } else if (type.starts_with("fuse")) {
    add({Capability::shares_bytes, Capability::shares_inodes});
  }
  return set;
}

// Makes two layers and a snapshot on them, and answers its mounts.
Result<std::vector<Mount>> MountsOnTwo(Snapshotter& store) {
  LM_TRY(store.Prepare("a", ""));
  LM_TRY(store.Commit("one", "a"));
  LM_TRY(store.Prepare("b", "one"));
  LM_TRY(store.Commit("two", "b"));
  return store.Prepare("c", "two");
}

class ContainerdDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override {
    return "any snapshotter of a running containerd, or a proxy plug-in, over gRPC";
  }
  std::string default_backing() const override { return "ext4"; }
  bool in_short_runs() const override { return false; }
  bool keeps_threads() const override { return true; }
  bool behind_a_daemon() const override { return true; }

  std::vector<OptionRow> options() const override {
    return {{"address", {}, "the socket of a containerd", true, "proxy"},
            {"snapshotter", {}, "which of a containerd's snapshotters, such as overlayfs", true, "proxy"},
            {"proxy", {}, "the socket of a proxy plug-in, without any containerd"},
            {"root", {}, "the directory that it keeps snapshots in, where a run could not guess it"},
            {"deadline", {}, "seconds that one call may take; default 60"},
            {"restart", {}, "a shell command that kills the other side and starts it again, run outside"}};
  }

  // Only the other side knows; see Declare.
  CapabilitySet capabilities(const DriverOptions&, const std::string&) const override { return {}; }
  InodeFormula inode_formula(const DriverOptions&) const override { return {}; }
  Result<std::string> Version(const DriverOptions&) const override {
    return Unimplemented("only the other side knows its version; see Declare");
  }

  std::chrono::milliseconds call_deadline(const DriverOptions& options) const override {
    const auto deadline = DeadlineOf(options);
    return deadline.ok() ? *deadline : std::chrono::milliseconds(0);
  }

  Status Probe(const DriverOptions& options, const std::string&) const override {
    LM_ASSIGN(const std::unique_ptr<Host> host, HostOf(options));
    return host->Greet();
  }

  Result<Declaration> Declare(const DriverOptions& options, const std::string&,
                              const std::string&) const override {
    LM_ASSIGN(const std::unique_ptr<Host> host, HostOf(options));
    Declaration declaration;
    declaration.complete = false;
    LM_ASSIGN(declaration.version, host->Version());
    const std::string id = NewStoreId();
    LM_TRY(HoldStoreId(id));
    Status asked = Ask(*host, id, declaration.capabilities);
    Status removed = host->RemoveStore(id);
    ReleaseStoreId(id);
    if (!asked.ok()) return asked;
    if (!removed.ok()) return removed;
    if (options.contains("restart")) declaration.capabilities.Add(Capability::daemon_restart);
    return declaration;
  }

  Status Restart(const DriverOptions& options) const override {
    const std::string command = ValueOf(options, "restart", "");
    if (command.empty()) return Unimplemented("option restart=COMMAND is not given");
    LM_ASSIGN(const std::chrono::milliseconds deadline, DeadlineOf(options));
    if (const Status ran = RunOutside(command, deadline); !ran.ok()) {
      NoteBreach(ran.WithContext("restart"));  // says nothing of the snapshotter
      return ran;
    }
    // The command may end before the socket is there; that nobody answers until then is no breach.
    const Status before = TakeBreach();
    const Status greeted = GreetUntil(options, std::chrono::steady_clock::now() + deadline);
    (void)TakeBreach();
    if (!before.ok()) NoteBreach(before);
    return greeted.WithContext("after restart=" + command);
  }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    LM_ASSIGN(const std::unique_ptr<Host> host, HostOf(options));
    LM_ASSIGN(std::optional<std::string> id, ReadStoreId(root));
    if (!id) {
      id = NewStoreId();
      LM_TRY(HoldStoreId(*id));
      LM_TRY(host->MakeStore(*id));
      LM_TRY(WriteStoreId(root, *id));
    }
    LM_TRY(HoldStoreId(*id));
    return host->OpenStore(*id);
  }

  Status Forget(const DriverOptions& options, const std::string& root) const override {
    LM_ASSIGN(const std::optional<std::string> id, ReadStoreId(root));
    if (!id) return Status::Ok();
    LM_ASSIGN(const std::unique_ptr<Host> host, HostOf(options));
    LM_TRY(host->RemoveStore(*id));
    ReleaseStoreId(*id);
    return Status::Ok();
  }

  Result<std::vector<std::string>> Sweep(const DriverOptions& options) const override {
    LM_ASSIGN(const std::unique_ptr<Host> host, HostOf(options));
    LM_ASSIGN(const std::vector<std::string> ids, host->Stores());
    std::vector<std::string> swept;
    for (const std::string& id : ids) {
      LM_ASSIGN(const bool was_free, IfNobodyHolds(id, [&] { return host->RemoveStore(id); }));
      if (was_free) swept.push_back(id);
    }
    return swept;
  }

 private:
  static Status GreetUntil(const DriverOptions& options, std::chrono::steady_clock::time_point until) {
    for (;;) {
      LM_ASSIGN(const std::unique_ptr<Host> host, HostOf(options));
      Status greeted = host->Greet();
      if (greeted.ok() || std::chrono::steady_clock::now() > until) return greeted;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  static Status Ask(Host& host, const std::string& id, CapabilitySet& set) {
    LM_TRY(host.MakeStore(id));
    LM_ASSIGN(const std::unique_ptr<Snapshotter> store, host.OpenStore(id));
    LM_ASSIGN(const std::vector<Mount> mounts, MountsOnTwo(*store));
    set = CapabilitiesOf(mounts);
    set.Add(Capability::layers_128);
    const Status cleaned = store->Cleanup();
    if (cleaned.ok()) set.Add(Capability::cleanup);
    return cleaned.code() == Code::kUnimplemented ? Status::Ok() : cleaned;
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const ContainerdDriver driver;
  return driver;
}

}  // namespace layermark
