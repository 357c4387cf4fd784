#include "cli/new_record.h"

#include <fmt/core.h>

#include <chrono>
#include <ctime>
#include <random>

#include "layermark_version.h"

namespace layermark {
namespace {

std::string RunId() {
  std::random_device entropy;
  const auto now = std::chrono::system_clock::now();
  return fmt::format("{:x}-{:08x}",
                     std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count(),
                     entropy());
}

std::string Rfc3339Now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

Record BeginRecord(const std::string& command, uint64_t seed, const std::string& profile) {
  Record record;
  record.run.id = RunId();
  record.run.started = Rfc3339Now();
  record.run.tool_version = kToolVersion;
  record.run.command = command;
  record.run.seed = seed;
  record.run.profile = profile;
  return record;
}

}  // namespace layermark
