#include "results/export_gbench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "results/testing/record_fixture.h"

namespace layermark {
namespace {

using Json = nlohmann::json;

Json RowNamed(const Json& out, const std::string& name) {
  for (const Json& row : out["benchmarks"]) {
    if (row["name"] == name) return row;
  }
  return {};
}

TEST(ExportGoogleBenchmark, HasWhatItsReadersAskFor) {
  const Json out = Json::parse(ExportGoogleBenchmark(FixtureRecord()));
  for (const char* name : {"date", "host_name", "executable", "num_cpus", "mhz_per_cpu",
                           "cpu_scaling_enabled", "caches", "load_avg", "library_version"}) {
    EXPECT_TRUE(out["context"].contains(name)) << name;
  }
  ASSERT_EQ(out["benchmarks"].size(), 3U);
  for (const Json& row : out["benchmarks"]) {
    EXPECT_EQ(row["run_type"], "iteration");
    EXPECT_EQ(row["time_unit"], "ns");
    EXPECT_TRUE(row["real_time"].is_number() && row["cpu_time"].is_number() &&
                row["iterations"].is_number_integer());
    EXPECT_TRUE(row["repetitions"].is_number_integer() && row["repetition_index"].is_number_integer());
  }
}

TEST(ExportGoogleBenchmark, OneRowHoldsALatencyAndItsCounters) {
  const Json out = Json::parse(ExportGoogleBenchmark(FixtureRecord()));
  const Json row = RowNamed(out, "copy_up_open/overlay2__metacopy_on/size:64KiB");
  EXPECT_EQ(row["real_time"], 812345.5);
  EXPECT_EQ(row["iterations"], 200);
  EXPECT_EQ(row["ratio_to_raw"], 2.03);
  EXPECT_EQ(row["p90"], 900000);
  EXPECT_EQ(row["ci95_high"], 820000);
  EXPECT_FALSE(row.contains("p99"));
  EXPECT_EQ(RowNamed(out, "copy_up_open/overlay2__metacopy_on/size:64KiB/raw")["real_time"], 400000);
  EXPECT_EQ(RowNamed(out, "sharing_containers/vfs/containers:10")["inodes"], 44039);
}

TEST(ExportGoogleBenchmark, NamesThePlaceWhereAnInstanceHasTwo) {
  Record record = FixtureRecord();
  Measurement on_xfs = record.measurements[0];
  on_xfs.place.backing = "xfs";
  record.measurements.push_back(on_xfs);
  const Json out = Json::parse(ExportGoogleBenchmark(record));
  EXPECT_FALSE(
      RowNamed(out, "copy_up_open/overlay2__metacopy_on/backing:xfs/device:ram/size:64KiB").is_null());
  EXPECT_FALSE(
      RowNamed(out, "copy_up_open/overlay2__metacopy_on/backing:ext4/device:ram/size:64KiB").is_null());
}

TEST(ExportGoogleBenchmark, TheWholeComesBeforeAPartWhateverTheOrder) {
  Record record = FixtureRecord();
  Measurement ready = record.measurements[0];
  ready.metric = Metric::ready_time;
  ready.p50 = 5;
  record.measurements.insert(record.measurements.begin(), ready);
  const Json row =
      RowNamed(Json::parse(ExportGoogleBenchmark(record)), "copy_up_open/overlay2__metacopy_on/size:64KiB");
  EXPECT_EQ(row["real_time"], 812345.5);
  EXPECT_EQ(row["ready_time"], 5);
}

}  // namespace
}  // namespace layermark
