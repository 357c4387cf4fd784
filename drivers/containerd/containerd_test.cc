// The driver containerd against our own server in the same process, and against sockets that misbehave.
// Real containerd is under testing/containerd.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <optional>
#include <thread>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "drivers/breach.h"
#include "drivers/containerd/store_id.h"
#include "drivers/registry.h"
#include "drivers/rpc/client.h"
#include "drivers/rpc/server.h"

namespace layermark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Answers what it is told to, and keeps what it was asked.
class Scripted : public Snapshotter {
 public:
  Result<Info> Stat(const std::string& key) override {
    asked = key;
    return info;
  }
  Result<Info> Update(const Info& given, const std::vector<std::string>& field_paths) override {
    info = given;
    paths = field_paths;
    return info;
  }
  Result<Usage> GetUsage(const std::string&) override { return Usage{3, 1 << 20}; }
  Result<std::vector<Mount>> Mounts(const std::string&) override { return mounts; }
  Result<std::vector<Mount>> Prepare(const std::string&, const std::string&, const Labels& given) override {
    labels = given;
    return mounts;
  }
  Result<std::vector<Mount>> View(const std::string&, const std::string&, const Labels&) override {
    return error;
  }
  Status Commit(const std::string&, const std::string&, const Labels&,
                const std::optional<std::string>& given) override {
    parent = given;
    return {};
  }
  Status Remove(const std::string&) override { return error; }
  Status Walk(const std::function<Status(const Info&)>& callback, const std::vector<std::string>&) override {
    for (int i = 0; i < 250; ++i) {
      Info one = info;
      one.name += std::to_string(i);
      LM_TRY(callback(one));
    }
    return {};
  }
  Status Cleanup() override { return error; }
  Status Close() override { return {}; }

  std::string asked;
  Info info;
  std::vector<std::string> paths;
  std::vector<Mount> mounts;
  Labels labels;
  Status error;
  std::optional<std::string> parent;
};

class ContainerdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create(::testing::TempDir(), "containerd");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_.emplace(std::move(*tree));
    for (const char* name : {"store", "a", "b"}) ASSERT_TRUE(MakeDirs(Path(name)).ok());
    if (DialSnapshots({.socket = Path("s")}, "").status().code() == Code::kUnimplemented)
      GTEST_SKIP() << "built without gRPC";
    (void)TakeBreach();
  }
  void TearDown() override { (void)TakeBreach(); }

  std::string Path(const std::string& name) const { return tree_->path() + "/" + name; }
  const Driver& driver() const { return *FindDriver("containerd"); }
  DriverOptions Proxy() const { return {{"proxy", Path("s")}, {"deadline", "1"}}; }
  // Serves a store of the driver native.
  void ServeNative() {
    auto opened = FindDriver("native")->Open({}, Path("store"));
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    native_ = std::move(*opened);
    Serve(*native_);
  }
  void Serve(Snapshotter& snapshotter) {
    auto server = SnapshotsServer::Listen(snapshotter, Path("s"));
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  std::unique_ptr<Snapshotter> Open(const std::string& root) {
    auto opened = driver().Open(Proxy(), Path(root));
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  static std::vector<std::string> Names(Snapshotter& store, const std::vector<std::string>& filters = {}) {
    std::vector<std::string> names;
    const Status walked = store.Walk(
        [&](const Info& info) {
          names.push_back(info.name);
          return Status::Ok();
        },
        filters);
    EXPECT_TRUE(walked.ok()) << walked.ToString();
    return names;
  }

  std::optional<TempTree> tree_;
  std::unique_ptr<Snapshotter> native_;
  std::unique_ptr<SnapshotsServer> server_;
};

TEST_F(ContainerdTest, EverythingCrossesTheSocketWhole) {
  Scripted other;
  other.info = {Kind::kCommitted, "n", "p", {{"k", "v"}, {"empty", ""}}, -1, 1'700'000'000'123'456'789};
  other.mounts = {
      {"overlay", "overlay", "sub", {"index=off", "lowerdir=/a:1", "lowerdir=/b,2", "workdir=/w"}}};
  other.error = {Code::kResourceExhausted, "full"};
  Serve(other);
  auto dialled = DialSnapshots({.socket = Path("s")}, "any");
  ASSERT_TRUE(dialled.ok()) << dialled.status().ToString();
  Snapshotter& store = **dialled;

  const auto stat = store.Stat("a key");
  ASSERT_TRUE(stat.ok()) << stat.status().ToString();
  EXPECT_EQ(other.asked, "a key");
  EXPECT_EQ(stat->kind, Kind::kCommitted);
  EXPECT_EQ(stat->name, "n");
  EXPECT_EQ(stat->parent, "p");
  EXPECT_EQ(stat->labels, other.info.labels);
  EXPECT_EQ(stat->created_ns, -1);
  EXPECT_EQ(stat->updated_ns, 1'700'000'000'123'456'789);
  Info change = *stat;
  change.kind = Kind::kView;
  EXPECT_EQ(store.Update(change, {"labels.k", "labels.a,b"})->kind, Kind::kView);
  EXPECT_THAT(other.paths, ElementsAre("labels.k", "labels.a,b"));
  EXPECT_EQ(store.GetUsage("x")->inodes, 3);
  EXPECT_EQ(store.GetUsage("x")->size_bytes, 1 << 20);
  EXPECT_EQ(*store.Prepare("x", "y", {{"l", "m"}}), other.mounts);
  EXPECT_EQ(other.labels, (Labels{{"l", "m"}}));
  EXPECT_EQ(*store.Mounts("x"), other.mounts);
  EXPECT_TRUE(store.Commit("a", "b").ok());
  EXPECT_EQ(other.parent, std::nullopt);
  EXPECT_TRUE(store.Commit("a", "b", {}, "c").ok());
  EXPECT_EQ(other.parent, "c");
  EXPECT_EQ(Names(store).size(), 250u);
  for (const Status& refused : {store.View("x", "").status(), store.Remove("x"), store.Cleanup()}) {
    EXPECT_EQ(refused.code(), Code::kResourceExhausted);
    EXPECT_THAT(refused.message(), HasSubstr("full"));
  }
  EXPECT_EQ(store.Stat("\xff").status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(TakeBreach().ok());
}

TEST_F(ContainerdTest, StoresInAPluginAreApart) {
  ServeNative();
  auto a = Open("a"), b = Open("b");
  ASSERT_TRUE(a != nullptr && b != nullptr);
  ASSERT_TRUE(a->Prepare("key", "").ok());
  ASSERT_TRUE(a->Commit("name", "key").ok());
  ASSERT_TRUE(a->Prepare("child", "name").ok());
  EXPECT_EQ(b->Stat("name").status().code(), Code::kNotFound);
  ASSERT_TRUE(b->Prepare("key", "").ok());
  EXPECT_THAT(Names(*a), UnorderedElementsAre("name", "child"));
  EXPECT_THAT(Names(*b), ElementsAre("key"));
  EXPECT_THAT(Names(*a, {"name==name", "parent==name"}), UnorderedElementsAre("name", "child"));
  EXPECT_THAT(Names(*a, {"kind==active"}), ElementsAre("child"));
  EXPECT_EQ(a->Walk([](const Info&) { return Status::Ok(); }, {"name=="}).code(), Code::kInvalidArgument);
  EXPECT_EQ(a->Stat("child")->parent, "name");
  EXPECT_EQ(a->Prepare("", "name").status().code(), Code::kInvalidArgument);

  // Opened again it is the same store; forgotten, nothing is left of it, and the other one stays.
  ASSERT_TRUE(a->Close().ok());
  a = Open("a");
  EXPECT_THAT(Names(*a), UnorderedElementsAre("name", "child"));
  ASSERT_TRUE(a->Close().ok());
  const Status forgotten = driver().Forget(Proxy(), Path("a"));
  EXPECT_TRUE(forgotten.ok()) << forgotten.ToString();
  EXPECT_EQ(Names(*native_).size(), 1u);
  EXPECT_TRUE(TakeBreach().ok());
}

TEST_F(ContainerdTest, SweepTakesWhatNobodyHolds) {
  ServeNative();
  auto used = Open("a");
  ASSERT_TRUE(used != nullptr && used->Prepare("key", "").ok());
  const std::string left = NewStoreId();
  ASSERT_TRUE(native_->Prepare(left + "/a", "").ok());
  ASSERT_TRUE(native_->Commit(left + "/one", left + "/a").ok());
  ASSERT_TRUE(native_->View(left + "/b", left + "/one").ok());
  ASSERT_TRUE(native_->Prepare("layermark-of-somebody/else", "").ok());
  auto swept = driver().Sweep(Proxy());
  ASSERT_TRUE(swept.ok()) << swept.status().ToString();
  EXPECT_THAT(*swept, ElementsAre(left));
  EXPECT_THAT(Names(*used), ElementsAre("key"));
  EXPECT_EQ(Names(*native_).size(), 2u);
}

TEST_F(ContainerdTest, DeclaresWhatTheMountsSayAndLeavesNothing) {
  ServeNative();
  const Status probed = driver().Probe(Proxy(), Path("a"));
  EXPECT_TRUE(probed.ok()) << probed.ToString();
  auto declared = driver().Declare(Proxy(), "ext4", Path("a"));
  ASSERT_TRUE(declared.ok()) << declared.status().ToString();
  EXPECT_FALSE(declared->complete);
  EXPECT_TRUE(declared->capabilities.Has(Capability::layers_128));
  EXPECT_TRUE(declared->capabilities.Has(Capability::cleanup));
  EXPECT_FALSE(declared->capabilities.Has(Capability::kernel_overlay));
  EXPECT_THAT(Names(*native_), IsEmpty());
}

TEST_F(ContainerdTest, NobodyThereIsABreach) {
  EXPECT_THAT(driver().Probe(Proxy(), Path("a")).message(), HasSubstr(Path("s")));
  auto store = Open("a");
  ASSERT_NE(store, nullptr);
  (void)TakeBreach();
  EXPECT_EQ(store->Stat("x").status().code(), Code::kUnavailable);
  EXPECT_EQ(TakeBreach().code(), Code::kUnavailable);
}

TEST_F(ContainerdTest, SilenceCostsOneDeadline) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, Path("s").c_str(), Path("s").size() + 1);
  const Fd mute(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(mute.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(mute.get(), 8), 0);
  auto store = Open("a");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Stat("x").status().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(TakeBreach().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(store->Stat("x").status().message(), HasSubstr("not called"));
  EXPECT_THAT(driver().Forget(Proxy(), Path("a")).message(), HasSubstr("not called"));
}

TEST_F(ContainerdTest, AServerComesBackForTheSameClient) {
  ServeNative();
  auto store = Open("a");
  ASSERT_TRUE(store != nullptr && store->Prepare("key", "").ok());
  EXPECT_EQ(SnapshotsServer::Listen(*native_, Path("s")).status().code(), Code::kFailedPrecondition);
  server_->Stop();
  EXPECT_FALSE(store->Stat("key").ok());
  Serve(*native_);
  Result<Info> again = store->Stat("key");
  for (int i = 0; i < 200 && !again.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    again = store->Stat("key");
  }
  EXPECT_TRUE(again.ok()) << again.status().ToString();
}

TEST(ContainerdOptionsTest, SaysWhatIsMissing) {
  EXPECT_THAT(ParseInstance("containerd").status().message(), HasSubstr("address=... (or proxy=...)"));
  EXPECT_THAT(ParseInstance("containerd:address=/s").status().message(), HasSubstr("snapshotter=..."));
  EXPECT_TRUE(ParseInstance("containerd:address=/s,snapshotter=native").ok());
  EXPECT_TRUE(ParseInstance("containerd:proxy=/s").ok());
  const Driver& driver = *FindDriver("containerd");
  const DriverOptions wrong[] = {
      {},
      {{"address", "/s"}},
      {{"address", "/s"}, {"proxy", "/t"}, {"snapshotter", "native"}},
      {{"proxy", "/s"}, {"snapshotter", "native"}},
      {{"proxy", "/s"}, {"deadline", "0"}},
  };
  for (const DriverOptions& options : wrong)
    EXPECT_EQ(driver.Probe(options, "/").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace layermark
