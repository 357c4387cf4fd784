#include "results/record.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <utility>

#include "core/sys/fd.h"
#include "core/tree/manifest.h"
#include "results/json_text.h"

namespace layermark {
namespace {

constexpr std::array<std::pair<Verdict, std::string_view>, 7> kVerdicts = {{
    {Verdict::kPass, "pass"},
    {Verdict::kFail, "fail"},
    {Verdict::kXfail, "xfail"},
    {Verdict::kXpass, "xpass"},
    {Verdict::kSkip, "skip"},
    {Verdict::kError, "error"},
    {Verdict::kTimeout, "timeout"},
}};

constexpr std::array<std::pair<WorkloadVerdict, std::string_view>, 3> kWorkloadVerdicts = {{
    {WorkloadVerdict::kRight, "right"},
    {WorkloadVerdict::kWrong, "wrong"},
    {WorkloadVerdict::kNotRun, "not_run"},
}};

void AppendSeries(std::string* out, const SampleSeries& series) {
  *out += "{\"workload\":" + JsonQuoted(series.workload);
  *out += ",\"driver\":" + JsonQuoted(series.place.driver);
  *out += ",\"instance\":" + JsonQuoted(series.place.instance);
  *out += ",\"backing\":" + JsonQuoted(series.place.backing);
  *out += ",\"device\":" + JsonQuoted(series.place.device);
  *out += ",\"params\":{";
  bool first = true;
  for (const auto& [name, value] : series.params) {
    if (!first) *out += ',';
    first = false;
    *out += JsonQuoted(name) + ":" + JsonQuoted(value);
  }
  *out += "},\"metric\":" + JsonQuoted(Row(series.metric).name);
  *out += ",\"unit\":" + JsonQuoted(Row(series.metric).unit);
  *out += ",\"side\":" + JsonQuoted(series.side) + ",\"values\":[";
  for (size_t i = 0; i < series.values.size(); ++i) {
    if (i > 0) *out += ',';
    AppendJsonNumber(out, series.values[i]);
  }
  *out += "]}\n";
}

std::string SamplesText(const std::vector<SampleSeries>& samples) {
  std::string text;
  size_t count = 0;
  for (const SampleSeries& series : samples) count += series.values.size();
  text.reserve(count * 10 + samples.size() * 256);
  for (const SampleSeries& series : samples) AppendSeries(&text, series);
  return text;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  for (const auto& [id, name] : kVerdicts) {
    if (id == verdict) return name;
  }
  return "error";
}

std::optional<Verdict> VerdictFromName(std::string_view name) {
  for (const auto& [id, text] : kVerdicts) {
    if (text == name) return id;
  }
  return std::nullopt;
}

std::string_view VerdictName(WorkloadVerdict verdict) {
  for (const auto& [id, name] : kWorkloadVerdicts) {
    if (id == verdict) return name;
  }
  return "not_run";
}

std::optional<WorkloadVerdict> WorkloadVerdictFromName(std::string_view name) {
  for (const auto& [id, text] : kWorkloadVerdicts) {
    if (text == name) return id;
  }
  return std::nullopt;
}

std::string ParamsText(const Params& params) {
  std::string text;
  for (const auto& [name, value] : params) {
    if (!text.empty()) text += ',';
    text += name;
    text += '=';
    text += value;
  }
  return text;
}

std::string InstanceSegment(std::string_view instance) {
  std::string text;
  for (const char c : instance) {
    if (c == ':' || c == ',') {
      text += "__";
    } else {
      const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      text += word ? c : '_';
    }
  }
  return text;
}

Result<Record> LoadRecord(const std::string& path) {
  struct stat st = {};
  if (stat(path.c_str(), &st) != 0) return Status::Errno("stat", path);
  const std::string file = S_ISDIR(st.st_mode) ? path + "/results.json" : path;
  LM_ASSIGN(const std::string text, ReadFile(file));
  Result<Record> record = FromJson(text);
  if (!record.ok()) return record.status().WithContext(file);
  return record;
}

Status WriteRecord(const std::string& dir, Record record, const std::vector<SampleSeries>& samples) {
  return WriteRecordText(dir, std::move(record), SamplesText(samples));
}

Status WriteRecordText(const std::string& dir, Record record, const std::string& samples_text) {
  LM_TRY(MakeDirs(dir));
  const std::string digest = Sha256(samples_text);
  record.samples.file = "samples.jsonl";
  record.samples.sha256 = digest.substr(digest.find(':') + 1);

  // Both texts are on the disk before either old file goes, so that a full disk costs neither.
  const std::string samples_temporary = dir + "/.samples.jsonl.new";
  const std::string record_temporary = dir + "/.results.json.new";
  Status status = WriteFile(samples_temporary, samples_text);
  if (status.ok()) status = WriteFile(record_temporary, ToJson(record));
  const std::string samples_file = dir + "/samples.jsonl";
  const std::string record_file = dir + "/results.json";
  if (status.ok() && rename(samples_temporary.c_str(), samples_file.c_str()) != 0) {
    status = Status::Errno("rename", samples_file);
  }
  if (status.ok() && rename(record_temporary.c_str(), record_file.c_str()) != 0) {
    status = Status::Errno("rename", record_file);
  }
  if (!status.ok()) {
    unlink(samples_temporary.c_str());
    unlink(record_temporary.c_str());
  }
  return status;
}

}  // namespace layermark
