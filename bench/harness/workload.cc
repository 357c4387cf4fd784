#include "bench/harness/workload.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace layermark {
namespace {

std::vector<WorkloadEntry>& Registry() {
  static std::vector<WorkloadEntry> entries;
  return entries;
}

int64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

constexpr const char* kWrong = "wrong answer: ";

}  // namespace

const std::vector<WorkloadEntry>& AllWorkloads() {
  static const std::vector<WorkloadEntry> sorted = [] {
    std::vector<WorkloadEntry> entries = Registry();
    std::sort(entries.begin(), entries.end(), [](const WorkloadEntry& a, const WorkloadEntry& b) {
      return std::tie(a.info.family, a.info.name) < std::tie(b.info.family, b.info.name);
    });
    return entries;
  }();
  return sorted;
}

const std::string& WorkloadContext::Text(const std::string& param) const {
  return params.at(param);
}

int64_t WorkloadContext::Number(const std::string& param) const {
  const std::string& text = Text(param);
  int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) throw std::invalid_argument("parameter " + param + "=" + text + " is no number");
  const std::string_view unit(rest, static_cast<size_t>(text.data() + text.size() - rest));
  if (unit.empty()) return number;
  if (unit == "KiB") return number << 10;
  if (unit == "MiB") return number << 20;
  if (unit == "GiB") return number << 30;
  throw std::invalid_argument("parameter " + param + "=" + text + " has an unknown unit");
}

void Stopwatch::Phase(Metric metric) {
  const int64_t now = MonotonicNs();
  Add(metric, now - last_ns_);
  last_ns_ = now;
}

void Stopwatch::Sum(Metric metric) {
  const int64_t now = MonotonicNs();
  const int64_t duration = now - last_ns_;
  last_ns_ = now;
  for (int i = 0; i < count_; ++i) {
    if (metrics_[i] != metric) continue;
    durations_ns_[i] += duration;
    return;
  }
  Add(metric, duration);
}

void Stopwatch::Skip() {
  last_ns_ = MonotonicNs();
}

void Stopwatch::Stop() {
  stopped_ns_ = last_ns_ = MonotonicNs();
}

void Stopwatch::Add(Metric metric, int64_t duration_ns) {
  if (count_ == kMaxPhases) return;
  metrics_[count_] = metric;
  durations_ns_[count_] = duration_ns;
  ++count_;
}

std::string ProfilesOf(const WorkloadInfo& info) {
  return info.from == From::kFull ? "full" : info.from == From::kQuick ? "quick full" : "smoke quick full";
}

const std::vector<std::string>& ValuesOf(const ParamValues& values, const std::string& profile) {
  if (profile == "smoke") return values.smoke;
  if (profile == "full") return values.full;
  return values.quick;
}

Status WrongAnswer(const std::string& what) {
  return DataLoss(kWrong + what);
}

bool IsWrongAnswer(const Status& status) {
  return status.code() == Code::kDataLoss && status.message().find(kWrong) != std::string::npos;
}

namespace internal {

WorkloadRegistration::WorkloadRegistration(std::string name, WorkloadInfo info, WorkloadFactory make) {
  info.name = std::move(name);
  Registry().push_back({std::move(info), make});
}

}  // namespace internal
}  // namespace layermark
