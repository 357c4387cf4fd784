#include "results/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/sys/temp_tree.h"
#include "core/tree/manifest.h"
#include "results/testing/record_fixture.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

class RecordFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create(::testing::TempDir(), "record");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    dir_ = tree_.path();
  }

  std::string Read(const std::string& name) const {
    std::ifstream in(dir_ + "/" + name, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  TempTree tree_;
  std::string dir_;
};

TEST(Record, ReadsBackWhatItWrote) {
  const Record record = FixtureRecord();
  const std::string text = ToJson(record);
  const Result<Record> back = FromJson(text);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(ToJson(back.value()), text);
  EXPECT_EQ(back->run.seed, record.run.seed);
  EXPECT_EQ(back->conformance[1].verdict, Verdict::kFail);
  EXPECT_EQ(back->measurements[0].p50, record.measurements[0].p50);
  EXPECT_FALSE(back->measurements[0].p99.has_value());
  EXPECT_EQ(back->drivers[0].options.at("metacopy"), "on");
}

TEST(Record, ReadsBackTheRowsOfTheGate) {
  const Result<Record> back = FromJson(ToJson(FixtureRecord()));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  ASSERT_EQ(back->gate.size(), 2u);
  EXPECT_EQ(back->gate[0].b.instance, "overlay2:metacopy=on");
  EXPECT_EQ(back->gate[0].b_value, 5);
  EXPECT_FALSE(back->gate[0].effect_ratio.has_value());
  EXPECT_EQ(back->gate[1].ci95_high, 0.03);
  EXPECT_EQ(back->gate[1].blocks, 64);
  EXPECT_TRUE(back->gate[1].underpowered);
}

TEST(Record, ASkipCarriesACodeOfTheListAndAnOldRecordNone) {
  Record record = FixtureRecord();
  auto json = nlohmann::json::parse(ToJson(record));
  EXPECT_EQ(json["conformance"][4]["skip_code"], "privilege_missing");
  EXPECT_EQ(json["conformance"][0]["skip_code"], "");
  EXPECT_EQ(json["workloads"][2]["skip_code"], "capability_missing");
  EXPECT_EQ(FromJson(json.dump())->conformance[4].skip_code, "privilege_missing");
  for (auto& row : json["conformance"]) row.erase("skip_code");
  for (auto& row : json["workloads"]) row.erase("skip_code");
  const Result<Record> old = FromJson(json.dump());
  ASSERT_TRUE(old.ok()) << old.status().ToString();
  EXPECT_EQ(old->conformance[4].skip_code, "");
  json["conformance"][4]["skip_code"] = "whim";
  EXPECT_FALSE(FromJson(json.dump()).ok());
}

TEST(Record, AnEmptyRecordIsReadable) {
  const Result<Record> back = FromJson(ToJson(Record{}));
  EXPECT_TRUE(back.ok()) << back.status().ToString();
}

TEST(Record, HasTheFixedNamesInTheFixedOrder) {
  const auto json = nlohmann::ordered_json::parse(ToJson(FixtureRecord()));
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) names.push_back(name);
  EXPECT_THAT(names, ::testing::ElementsAre("schema_version", "complete", "run", "environment", "image",
                                            "drivers", "conformance", "workloads", "measurements", "gate",
                                            "anchors", "findings", "samples", "warnings"));
  EXPECT_EQ(json["measurements"][0]["ci95"], nlohmann::json::parse("[800000, 820000]"));
  EXPECT_TRUE(json["measurements"][0]["p99"].is_null());
  EXPECT_TRUE(json["measurements"][1]["ci95"].is_null());
  EXPECT_EQ(json["measurements"][3]["value"].dump(), "44039");
}

TEST(Record, PartsOfACountAndTheReasonOfNoneComeBack) {
  Record record = FixtureRecord();
  Measurement calls = record.measurements[3];
  calls.metric = Metric::syscalls;
  calls.value = 4;
  calls.breakdown = {{"openat", 3}, {"close", 1}};
  Measurement none = calls;
  none.n = 0;
  none.value.reset();
  none.breakdown.clear();
  none.reason = "PERMISSION_DENIED: perf_event_open: EACCES";
  record.measurements = {calls, none};
  const Result<Record> back = FromJson(ToJson(record));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->measurements[0].breakdown, calls.breakdown);
  EXPECT_EQ(back->measurements[0].reason, "");
  EXPECT_EQ(back->measurements[1].breakdown, none.breakdown);
  EXPECT_EQ(back->measurements[1].reason, none.reason);
  EXPECT_FALSE(back->measurements[1].value);
  const auto json = nlohmann::json::parse(ToJson(record))["measurements"];
  EXPECT_FALSE(json[0].contains("reason")) << "most rows have none, and the record stays small";
  EXPECT_FALSE(json[1].contains("breakdown"));
}

TEST(Record, BytesThatAreNotUtf8DoNotStopTheWriter) {
  EXPECT_THAT(ToJson(FixtureRecord()), HasSubstr("\xEF\xBF\xBD"));
}

TEST(Record, RefusesWhatTheSchemaRefusesAndNamesThePlace) {
  const auto refused = [](const std::function<void(nlohmann::json&)>& change) {
    auto json = nlohmann::json::parse(ToJson(FixtureRecord()));
    change(json);
    const Result<Record> record = FromJson(json.dump());
    return record.ok() ? std::string("accepted") : record.status().ToString();
  };
  EXPECT_THAT(refused([](auto& j) { j["extra"] = 1; }), HasSubstr("unknown key \"extra\""));
  EXPECT_THAT(refused([](auto& j) { j.erase("run"); }), HasSubstr("lacks \"run\""));
  EXPECT_THAT(refused([](auto& j) { j["conformance"][2]["verdict"] = "passed"; }),
              HasSubstr("conformance[2].verdict"));
  EXPECT_THAT(refused([](auto& j) { j["measurements"][0]["metric"] = "speed"; }),
              HasSubstr("measurements[0].metric"));
  EXPECT_THAT(refused([](auto& j) { j["measurements"][0]["unit"] = "bytes"; }), HasSubstr("measurements[0]"));
  EXPECT_THAT(refused([](auto& j) { j["measurements"][0]["ci95"] = {1, 2, 3}; }), HasSubstr("ci95"));
  EXPECT_THAT(refused([](auto& j) { j["measurements"][0]["params"]["size"] = 4096; }),
              HasSubstr("params.size"));
  EXPECT_THAT(refused([](auto& j) { j["measurements"][0]["side"] = "left"; }), HasSubstr("side"));
  EXPECT_THAT(refused([](auto& j) { j["measurements"][0]["breakdown"]["openat"] = "3"; }),
              HasSubstr("openat"));
  EXPECT_THAT(refused([](auto& j) { j["drivers"][0]["capabilities"].push_back("flight"); }),
              HasSubstr("flight"));
  EXPECT_THAT(refused([](auto& j) { j["schema_version"] = 2; }), HasSubstr("schema_version"));
  EXPECT_THAT(refused([](auto& j) { j["run"]["seed"] = -1; }), HasSubstr("run.seed"));
  EXPECT_THAT(FromJson("{\"schema_version\":1").status().ToString(), HasSubstr("not a JSON document"));
  EXPECT_FALSE(FromJson("[]").ok());
}

TEST(Record, EveryVerdictHasANameThatReadsBack) {
  for (const Verdict verdict : {Verdict::kPass, Verdict::kFail, Verdict::kXfail, Verdict::kXpass,
                                Verdict::kSkip, Verdict::kError, Verdict::kTimeout}) {
    EXPECT_EQ(VerdictFromName(VerdictName(verdict)), verdict);
  }
  for (const auto verdict : {WorkloadVerdict::kRight, WorkloadVerdict::kWrong, WorkloadVerdict::kNotRun}) {
    EXPECT_EQ(WorkloadVerdictFromName(VerdictName(verdict)), verdict);
  }
  EXPECT_FALSE(VerdictFromName("ok").has_value());
}

TEST(Record, ParamsAndInstancesAsText) {
  EXPECT_EQ(ParamsText({{"size", "64KiB"}, {"layers", "8"}}), "layers=8,size=64KiB");
  EXPECT_EQ(ParamsText({}), "");
  EXPECT_EQ(InstanceSegment("overlay2"), "overlay2");
  EXPECT_EQ(InstanceSegment("overlay2:metacopy=on,redirect_dir=on"),
            "overlay2__metacopy_on__redirect_dir_on");
}

TEST_F(RecordFiles, WritesRecordAndSamplesWithTheirDigest) {
  const SampleSeries series{
      "copy_up_open", {"vfs", "vfs", "ext4", "ram"}, {{"size", "0"}}, Metric::latency, "raw", {1, 2.5, 3e9}};
  const std::string out = dir_ + "/a/b";
  ASSERT_TRUE(WriteRecord(out, FixtureRecord(), {series, series}).ok());
  const std::string samples = Read("a/b/samples.jsonl");
  std::istringstream lines(samples);
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json["metric"], "latency");
    EXPECT_EQ(json["unit"], "ns");
    EXPECT_EQ(json["side"], "raw");
    EXPECT_EQ(json["params"]["size"], "0");
    EXPECT_EQ(json["values"].dump(), "[1,2.5,3000000000]");
    ++count;
  }
  EXPECT_EQ(count, 2);
  const Result<Record> back = LoadRecord(out);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->samples.file, "samples.jsonl");
  EXPECT_EQ("sha256:" + back->samples.sha256, Sha256(samples));
  EXPECT_TRUE(LoadRecord(out + "/results.json").ok());
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(out)) ++files;
  EXPECT_EQ(files, 2U) << "temporary names are left behind";
}

TEST_F(RecordFiles, AFailedWriteLeavesTheOldRecord) {
  ASSERT_TRUE(WriteRecord(dir_, FixtureRecord(), {}).ok());
  const std::string before = Read("results.json");
  // A directory in the place of the temporary file: opening it for writing fails, also for root.
  std::filesystem::create_directory(dir_ + "/.results.json.new");
  Record other = FixtureRecord();
  other.run.id = "another";
  const Status status = WriteRecord(dir_, other, {});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.ToString(), HasSubstr(".results.json.new"));
  EXPECT_EQ(Read("results.json"), before);
  EXPECT_TRUE(LoadRecord(dir_).ok());
}

TEST_F(RecordFiles, LoadNamesTheFileThatIsMissingOrBroken) {
  EXPECT_THAT(LoadRecord(dir_ + "/none").status().ToString(), HasSubstr("none"));
  std::ofstream(dir_ + "/results.json") << "{}";
  EXPECT_THAT(LoadRecord(dir_).status().ToString(), HasSubstr("results.json"));
}

}  // namespace
}  // namespace layermark
