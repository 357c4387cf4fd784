#include "scenario/model_snapshotter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/sys/temp_tree.h"
#include "drivers/support/snapshot_store.h"

namespace layermark {
namespace {

using ::testing::UnorderedElementsAre;

Info Named(const std::string& name, const Labels& labels = {}) {
  Info info;
  info.name = name;
  info.labels = labels;
  return info;
}

std::set<std::string> Names(Snapshotter* snapshotter, const std::vector<std::string>& filters = {}) {
  std::set<std::string> names;
  const Status status = snapshotter->Walk(
      [&](const Info& info) {
        EXPECT_TRUE(names.insert(info.name).second) << info.name << " came twice";
        return Status::Ok();
      },
      filters);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return names;
}

TEST(ModelSnapshotter, CarriesASnapshotThroughItsLife) {
  ModelSnapshotter model;
  auto prepared = model.Prepare("key", "", {{"a", "1"}, {"empty", ""}});
  ASSERT_TRUE(prepared.ok());
  EXPECT_EQ(prepared->size(), 1u);
  EXPECT_EQ(prepared->front().type, "model");
  EXPECT_EQ(model.Mounts("key").value(), *prepared);
  const Info active = model.Stat("key").value();
  EXPECT_EQ(active.kind, Kind::kActive);
  EXPECT_EQ(active.labels, (Labels{{"a", "1"}}));
  EXPECT_EQ(active.created_ns, active.updated_ns);
  ASSERT_TRUE(model.Commit("name", "key", {{"b", "2"}}).ok());
  EXPECT_EQ(model.Stat("key").status().code(), Code::kNotFound);
  EXPECT_EQ(model.Stat("name")->kind, Kind::kCommitted);
  EXPECT_EQ(model.Stat("name")->labels, (Labels{{"b", "2"}})) << "labels are not inherited";
  EXPECT_EQ(model.Mounts("name").status().code(), Code::kFailedPrecondition);
  auto view = model.View("view", "name");
  ASSERT_TRUE(view.ok());
  EXPECT_THAT(view->front().options, UnorderedElementsAre("ro", "lower=1"));
  EXPECT_EQ(model.Remove("name").code(), Code::kFailedPrecondition);
  EXPECT_EQ(model.Commit("other", "view").code(), Code::kFailedPrecondition);
  EXPECT_TRUE(model.Remove("view").ok());
  EXPECT_TRUE(model.Remove("name").ok());
  EXPECT_TRUE(Names(&model).empty());
}

TEST(ModelSnapshotter, RefusesByTheRightClass) {
  ModelSnapshotter model;
  ASSERT_TRUE(model.Prepare("active", "").ok());
  ASSERT_TRUE(model.Prepare("base-key", "").ok());
  ASSERT_TRUE(model.Commit("base", "base-key").ok());
  for (const char* taken : {"active", "base"}) {
    EXPECT_EQ(model.Prepare(taken, "").status().code(), Code::kAlreadyExists);
    EXPECT_EQ(model.View(taken, "").status().code(), Code::kAlreadyExists);
    EXPECT_EQ(model.Commit(taken, "active").code(), Code::kAlreadyExists);
  }
  EXPECT_EQ(model.Prepare("x", "none").status().code(), Code::kNotFound);
  EXPECT_EQ(model.Prepare("x", "active").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(model.Prepare("", "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(model.Prepare("x", "", {{"k", std::string(4096, 'v')}}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(model.Commit("x", "none").code(), Code::kNotFound);
  EXPECT_EQ(model.Commit("x", "base").code(), Code::kFailedPrecondition);
  for (const Status& status :
       {model.Stat("none").status(), model.Mounts("none").status(), model.GetUsage("none").status(),
        model.Remove("none"), model.Update(Named("none"), {}).status()}) {
    EXPECT_EQ(status.code(), Code::kNotFound);
  }
  EXPECT_EQ(model.GetUsage("active").status().code(), Code::kUnimplemented);
  EXPECT_EQ(Names(&model), (std::set<std::string>{"active", "base"}))
      << "a refused call leaves nothing behind";
}

TEST(ModelSnapshotter, UpdatesLabelsOnly) {
  ModelSnapshotter model;
  ASSERT_TRUE(model.Prepare("k", "", {{"a", "1"}, {"b", "2"}}).ok());
  const Info before = model.Stat("k").value();
  Info change = before;
  change.parent = "bogus";
  change.kind = Kind::kCommitted;
  change.labels = {{"c", "3"}, {"d", "4"}};
  auto updated = model.Update(change, {"labels.c", "labels.a"});
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(updated->labels, (Labels{{"b", "2"}, {"c", "3"}}));
  EXPECT_EQ(updated->kind, Kind::kActive);
  EXPECT_EQ(updated->parent, "");
  EXPECT_EQ(updated->created_ns, before.created_ns);
  EXPECT_GT(updated->updated_ns, before.updated_ns);
  EXPECT_EQ(model.Update(change, {})->labels, change.labels);
  EXPECT_EQ(model.Update(change, {"parent"}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(model.Update(change, {"labels."}).status().code(), Code::kInvalidArgument);
}

TEST(ModelSnapshotter, RebasesWhereAsked) {
  for (bool rebase : {false, true}) {
    ModelSnapshotter model(rebase);
    for (const char* name : {"one", "two"}) {
      ASSERT_TRUE(model.Prepare("k", "").ok());
      ASSERT_TRUE(model.Commit(name, "k").ok());
    }
    ASSERT_TRUE(model.Prepare("orphan", "").ok());
    ASSERT_TRUE(model.Prepare("child", "one").ok());
    EXPECT_EQ(model.Commit("x", "orphan", {}, "none").code(), Code::kNotFound);
    EXPECT_EQ(model.Commit("x", "orphan", {}, "child").code(), Code::kFailedPrecondition);
    EXPECT_EQ(model.Commit("x", "child", {}, "two").code(), Code::kInvalidArgument);
    EXPECT_TRUE(model.Commit("same", "child", {}, "one").ok());
    EXPECT_EQ(model.Commit("x", "orphan", {}, "two").code(), rebase ? Code::kOk : Code::kUnimplemented);
    EXPECT_EQ(model.Stat(rebase ? "x" : "orphan")->parent, rebase ? "two" : "");
  }
}

TEST(ModelSnapshotter, WalksThroughFilters) {
  ModelSnapshotter model;
  ASSERT_TRUE(model.Prepare("k", "").ok());
  ASSERT_TRUE(model.Commit("base", "k", {{"a.b/c", "d e"}}).ok());
  ASSERT_TRUE(model.Prepare("web-1", "base", {{"team", "red"}}).ok());
  ASSERT_TRUE(model.View("web-2", "base").ok());
  using Set = std::set<std::string>;
  EXPECT_EQ(Names(&model), (Set{"base", "web-1", "web-2"}));
  EXPECT_EQ(Names(&model, {"kind==view", "name==base"}), (Set{"base", "web-2"}));
  EXPECT_EQ(Names(&model, {"parent==base,kind!=view"}), (Set{"web-1"}));
  EXPECT_EQ(Names(&model, {"labels.team"}), (Set{"web-1"}));
  EXPECT_EQ(Names(&model, {"labels.team != red"}), (Set{"base", "web-2"}));
  EXPECT_EQ(Names(&model, {"labels.\"a.b/c\"==\"d e\""}), (Set{"base"}));
  EXPECT_EQ(Names(&model, {"name~=^web-[0-9]$"}), (Set{"web-1", "web-2"}));
  EXPECT_EQ(Names(&model, {"name~=/^web/"}), (Set{"web-1", "web-2"}));
  EXPECT_EQ(Names(&model, {"parent"}), (Set{"web-1", "web-2"}));
  EXPECT_EQ(Names(&model, {""}), (Set{"base", "web-1", "web-2"}));
  for (const char* bad :
       {"name=", "name==", ",name", "name==x,", "name x", "\"name", "labels.", "name~=[", "9name"}) {
    EXPECT_EQ(model.Walk([](const Info&) { return Status::Ok(); }, {bad}).code(), Code::kInvalidArgument)
        << bad;
  }
  int calls = 0;
  const Status stopped = model.Walk([&](const Info& info) {
    EXPECT_TRUE(model.Stat(info.name).ok());
    ++calls;
    return Internal("enough");
  });
  EXPECT_EQ(stopped.code(), Code::kInternal);
  EXPECT_EQ(calls, 1);
}

TEST(ModelSnapshotter, ClosesTwice) {
  ModelSnapshotter model;
  EXPECT_TRUE(model.Close().ok());
  EXPECT_TRUE(model.Close().ok());
  EXPECT_FALSE(model.Prepare("k", "").ok());
}

// Storage of nothing, so that a SnapshotStore's rules can be compared with the model's.
class NoStorage : public Mechanism {
 public:
  Status Create(const StoredSnapshot&) override { return Status::Ok(); }
  Result<std::vector<Mount>> Mounts(const StoredSnapshot&) override {
    return std::vector<Mount>{{"none", "", "", {}}};
  }
  Status Seal(const StoredSnapshot&) override { return Status::Ok(); }
  Status Destroy(int64_t, const std::string&) override { return Status::Ok(); }
  Result<Usage> Measure(const StoredSnapshot&) override { return Usage{}; }
  Status Rebase(const StoredSnapshot&) override { return Status::Ok(); }
};

// Two pieces of code that share nothing but the rules give the same answer to every random call.
TEST(ModelSnapshotter, AgreesWithTheStoreOnRandomCalls) {
  auto temp = TempTree::Create(testing::TempDir(), "model");
  ASSERT_TRUE(temp.ok());
  SnapshotStoreOptions options;
  options.rebase = true;
  auto store = OpenSnapshotStore(temp->path(), std::make_unique<NoStorage>(), options);
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  ModelSnapshotter model(true);
  std::mt19937 random(7);
  auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  auto name = [&] {
    return below(12) == 0 ? std::string() : std::string(1, static_cast<char>('a' + below(8)));
  };
  auto labels = [&] {
    Labels all;
    if (below(2) == 0) all["x"] = below(3) == 0 ? "" : "1";
    if (below(2) == 0) all["y.z"] = "2";
    return all;
  };
  std::map<Code, int> seen;
  for (int i = 0; i < 600 && !testing::Test::HasFailure(); ++i) {
    const std::string one = name();
    const std::string two = name();
    const Labels given = labels();
    const std::vector<std::vector<std::string>> paths = {
        {}, {"labels"}, {"labels.x"}, {"labels.y.z", "labels.x"}, {"kind"}};
    const std::vector<std::string>& path = paths[static_cast<size_t>(below(5))];
    const std::optional<std::string> parent = below(3) == 0 ? std::optional(name()) : std::nullopt;
    const int call = below(7);
    auto perform = [&](Snapshotter* on) {
      switch (call) {
        case 0:
          return on->Prepare(one, two, given).status();
        case 1:
          return on->View(one, two, given).status();
        case 2:
        case 3:
          return on->Commit(one, two, given, parent);
        case 4:
          return on->Remove(one);
        case 5:
          return on->Mounts(one).status();
        default:
          return on->Update(Named(one, given), path).status();
      }
    };
    const Status from_store = perform(store->get());
    const Status from_model = perform(&model);
    // Where several faults coincide the rules leave open which is named; these two look in the same order.
    EXPECT_EQ(from_store.ok(), from_model.ok()) << call << " " << from_store.ToString() << "\n"
                                                << from_model.ToString();
    EXPECT_EQ(from_store.code(), from_model.code()) << call << " " << one << " " << two;
    ++seen[from_model.code()];
    ASSERT_EQ(Names(store->get()), Names(&model));
    for (const std::string& each : Names(&model)) {
      const Info left = (*store)->Stat(each).value();
      const Info right = model.Stat(each).value();
      EXPECT_EQ(left.kind, right.kind);
      EXPECT_EQ(left.parent, right.parent);
      EXPECT_EQ(left.labels, right.labels);
    }
  }
  for (Code code : {Code::kOk, Code::kNotFound, Code::kAlreadyExists, Code::kFailedPrecondition,
                    Code::kInvalidArgument}) {
    EXPECT_GT(seen[code], 20) << CodeName(code);
  }
}

}  // namespace
}  // namespace layermark
