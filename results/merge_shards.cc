#include "results/merge_shards.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "core/sys/fd.h"
#include "results/anchors.h"

namespace layermark {
namespace {

template <typename Row>
void Append(std::vector<Row>& to, std::vector<Row>& from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

// What all parts of one run have in common, in words.
std::string Identity(const Record& record) {
  std::set<Place> places;
  for (const DriverRow& row : record.drivers) places.insert(row.place);
  std::string drivers;
  for (const Place& place : places)
    drivers += fmt::format(" {} on {}/{}", place.instance, place.backing, place.device);
  return fmt::format("drivers{}, version {}, seed {}, profile {}, image {}, of {} parts", drivers,
                     record.run.tool_version, record.run.seed, record.run.profile, record.image_digest,
                     PartOf(record)->count);
}

void AddDrivers(std::vector<DriverRow>& to, std::vector<DriverRow>& from) {
  for (DriverRow& row : from) {
    const auto known =
        std::find_if(to.begin(), to.end(), [&](const DriverRow& other) { return other.place == row.place; });
    if (known == to.end()) {
      to.push_back(std::move(row));
    } else if (!known->available && row.available) {
      *known = std::move(row);
    }
  }
}

std::string TextOf(const Record& record, const std::string& key) {
  const auto found = record.environment.text.find(key);
  return found == record.environment.text.end() ? "" : found->second;
}

}  // namespace

std::optional<RecordPart> PartOf(const Record& record) {
  const auto found = record.environment.text.find(kShardKey);
  if (found == record.environment.text.end()) return std::nullopt;
  const std::string& text = found->second;
  RecordPart part;
  const char* end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, part.index);
  if (index.ec != std::errc() || index.ptr == end || *index.ptr != '/') return std::nullopt;
  const auto count = std::from_chars(index.ptr + 1, end, part.count);
  const bool sound =
      count.ec == std::errc() && count.ptr == end && part.index >= 1 && part.index <= part.count;
  return sound ? std::optional(part) : std::nullopt;
}

Result<std::optional<Record>> MergeShards(std::vector<Record> records) {
  const auto is_part = [](const Record& record) { return PartOf(record).has_value(); };
  if (records.size() < 2 || !std::all_of(records.begin(), records.end(), is_part))
    return std::optional<Record>();
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return PartOf(a)->index < PartOf(b)->index; });
  const int count = PartOf(records.front())->count;
  const std::string identity = Identity(records.front());
  Record whole = records.front();
  whole.drivers.clear();
  whole.conformance.clear();
  whole.workloads.clear();
  whole.measurements.clear();
  whole.warnings.clear();
  whole.run.seconds = 0;
  std::set<int> seen;
  std::map<std::string, std::set<std::string>> machines;  // what the parts say of theirs
  for (Record& record : records) {
    if (Identity(record) != identity) {
      return InvalidArgument(
          fmt::format("these are parts of different runs: {}; and {}", identity, Identity(record)));
    }
    const int index = PartOf(record)->index;
    if (!seen.insert(index).second)
      return InvalidArgument(fmt::format("part {}/{} is given twice", index, count));
    for (const char* key : {"hostname", "kernel", "cpu"}) machines[key].insert(TextOf(record, key));
    whole.complete = whole.complete && record.complete;
    whole.run.seconds += record.run.seconds;
    whole.run.started = std::min(whole.run.started, record.run.started);
    for (const std::string& warning : record.warnings)
      whole.warnings.push_back(fmt::format("part {}/{}: {}", index, count, warning));
    AddDrivers(whole.drivers, record.drivers);
    Append(whole.conformance, record.conformance);
    Append(whole.workloads, record.workloads);
    Append(whole.measurements, record.measurements);
  }
  std::string missing;
  for (int index = 1; index <= count; ++index) {
    if (!seen.contains(index)) missing += fmt::format("{}{}/{}", missing.empty() ? "" : ", ", index, count);
  }
  if (!missing.empty()) {
    whole.complete = false;
    whole.warnings.push_back("missing parts: " + missing);
  }
  for (const auto& [key, values] : machines) {
    if (values.size() < 2) continue;
    whole.warnings.push_back(
        fmt::format("the parts differ in {} ({} of them): the record shows the first one's, and times of two "
                    "parts cannot "
                    "be compared",
                    key, values.size()));
  }
  whole.run.id += "+parts";
  whole.environment.text[kShardKey] = fmt::format("{} of {} parts", seen.size(), count);
  whole.anchors = EvaluateAnchors(whole);
  return std::optional(std::move(whole));
}

std::string ConcatenatedSamples(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  std::string all;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::path directory = fs::is_directory(path, error) ? fs::path(path) : fs::path(path).parent_path();
    const Result<std::string> text = ReadFile((directory / "samples.jsonl").string(), size_t{1} << 30);
    if (text.ok()) all += *text;
  }
  return all;
}

}  // namespace layermark
