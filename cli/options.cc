#include "cli/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "core/shell_word.h"
#include "drivers/registry.h"
#include "scenario/examine.h"

namespace layermark {

int WorseExit(int a, int b) {
  auto rank = [](int status) {
    switch (status) {
      case kExitPass:
        return 0;
      case kExitInconclusive:
        return 1;
      case kExitFinding:
        return 2;
      case kExitInterrupted:
        return 3;
      default:
        return 4;
    }
  };
  return rank(a) >= rank(b) ? a : b;
}

int BisectExit(int status) {
  return status == kExitUsage || status == kExitInconclusive ? kExitCannotTell : status;
}

void AddCommonFlags(CLI::App& app, CommonOptions& o, unsigned flags) {
  if ((flags & kFlagDriver) != 0) {
    app.add_option("--driver", o.drivers,
                   "NAME[:k=v[,k=v]...]: an instance to run on; repeatable; all: every driver; default: the "
                   "drivers of short runs, with --profile full all")
        ->type_name("SPEC")
        ->allow_extra_args(false);
  }
  if ((flags & kFlagFilter) != 0) {
    app.add_option("--filter", o.filters,
                   "only what this matches: case, area, source id, workload or family; repeatable")
        ->type_name("GLOB")
        ->allow_extra_args(false);
  }
  if ((flags & kFlagBacking) != 0) {
    app.add_option("--backing", o.backing, "ext4, xfs, btrfs, tmpfs or dir=PATH; default: the driver's own");
    app.add_option("--device", o.device,
                   "what the backing lies on: ram or disk (an unnamed file below --out)")
        ->check(CLI::IsMember({"ram", "disk"}))
        ->capture_default_str();
  }
  if ((flags & kFlagImage) != 0) {
    app.add_option("--image", o.images,
                   "synthetic, oci:DIR[:REF] or docker-archive:FILE; one a run; default: synthetic")
        ->type_name("REF")
        ->allow_extra_args(false);
  }
  if ((flags & kFlagProfile) != 0) {
    app.add_option("--profile", o.profile, "how much: smoke, quick or full")
        ->check(CLI::IsMember({"smoke", "quick", "full"}))
        ->capture_default_str();
  }
  if ((flags & kFlagBudget) != 0) {
    app.add_option("--budget", o.budget, "time for the workloads, such as 90s or 10m")->type_name("DURATION");
  }
  if ((flags & kFlagSeed) != 0) {
    app.add_option("--seed", o.seed, "seed of the synthetic image and of every random order")
        ->check(CLI::NonNegativeNumber)  // "-1" is 2^64 - 1 to the parser
        ->capture_default_str();
  }
  if ((flags & kFlagShard) != 0) {
    app.add_option("--shard", o.shard,
                   "run part I of N (I from 1); default: what GTEST_TOTAL_SHARDS and GTEST_SHARD_INDEX, or "
                   "LAYERMARK_SHARDS and JOB_COMPLETION_INDEX say")
        ->type_name("I/N");
  }
  if ((flags & kFlagOut) != 0) {
    app.add_option("--out", o.out, "directory for the record, samples and report")
        ->type_name("DIR")
        ->check(
            [](const std::string& text) { return std::string(text.empty() ? "names no directory" : ""); });
  }
  if ((flags & kFlagFormat) != 0) {
    app.add_option("--format", o.format, "what standard output carries: text, json, ktap or junit")
        ->check(CLI::IsMember({"text", "json", "ktap", "junit"}))
        ->capture_default_str();
  }
  if ((flags & kFlagExpected) != 0) {
    app.add_option("--expected", o.expected, "a further expected_failures.toml; repeatable")
        ->type_name("FILE")
        ->allow_extra_args(false);
  }
  if ((flags & kFlagBisect) != 0) {
    app.add_flag("--bisect", o.bisect,
                 "for `git bisect run`: exit 125 (cannot tell, skip this commit) in place of 2 and 3");
  }
  if ((flags & kFlagJobs) != 0) {
    app.add_option("--jobs", o.jobs, "cases at a time; default: the number of processors")
        ->check(CLI::Range(0, 256));
  }
}

namespace {

bool NamesAll(const CommonOptions& options) {
  return std::find(options.drivers.begin(), options.drivers.end(), kAllDrivers) != options.drivers.end();
}

}  // namespace

bool IsNamed(const CommonOptions& options, const InstanceSpec& instance) {
  return std::any_of(options.drivers.begin(), options.drivers.end(), [&](const std::string& spec) {
    if (spec == kAllDrivers) return false;
    const Result<InstanceSpec> named = ParseInstance(spec);
    return named.ok() && named->name() == instance.name();
  });
}

Result<std::vector<InstanceSpec>> InstancesFor(const CommonOptions& options, bool with_incomplete) {
  std::vector<InstanceSpec> instances;
  const bool all = with_incomplete || options.profile == "full" || NamesAll(options);
  for (const std::string& spec : options.drivers) {
    if (spec == kAllDrivers) continue;
    LM_ASSIGN(InstanceSpec instance, ParseInstance(spec));
    const bool twice = std::any_of(instances.begin(), instances.end(), [&](const InstanceSpec& other) {
      return other.name() == instance.name();
    });
    if (!twice) instances.push_back(std::move(instance));
  }
  if (options.drivers.empty() || NamesAll(options)) {
    for (const Driver* driver : AllDrivers()) {
      InstanceSpec instance = PlainInstance(*driver);
      if (!with_incomplete && !instance.WhatIsMissing().empty()) continue;
      const bool named = std::any_of(instances.begin(), instances.end(), [&](const InstanceSpec& other) {
        return other.name() == instance.name();
      });
      if (!named && (all || driver->in_short_runs())) instances.push_back(std::move(instance));
    }
  }
  return instances;
}

std::vector<InstanceSpec> FurtherCheckedInstances(const CommonOptions& options) {
  std::vector<InstanceSpec> instances;
  if (!options.drivers.empty() && !NamesAll(options)) return instances;
  for (const Driver* driver : AllDrivers()) {
    if (!driver->in_short_runs() && options.profile != "full" && !NamesAll(options)) continue;
    if (!PlainInstance(*driver).options.empty()) continue;  // a user namespace's options leave them no room
    for (const DriverOptions& set : driver->further_checked_options()) {
      if (InstanceSpec instance{driver, set}; !IsNamed(options, instance))
        instances.push_back(std::move(instance));
    }
  }
  return instances;
}

Result<BackingSpec> BackingFor(const CommonOptions& options, const InstanceSpec& instance) {
  if (options.backing.empty()) return DefaultBacking(instance, options.device);
  return ParseBacking(options.backing, options.device);
}

Result<Shard> ParseShard(const std::string& text) {
  if (text.empty()) return Shard{};
  int index = 0;
  int count = 0;
  const char* end = text.data() + text.size();
  auto first = std::from_chars(text.data(), end, index);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == '/') {
    auto second = std::from_chars(first.ptr + 1, end, count);
    if (second.ec == std::errc() && second.ptr == end && count >= 1 && index >= 1 && index <= count) {
      return Shard{index - 1, count};
    }
  }
  return InvalidArgument(fmt::format("--shard {}: must be I/N with 1 <= I <= N", text));
}

Result<Shard> ShardFor(const std::string& option) {
  if (!option.empty()) return ParseShard(option);
  static constexpr std::pair<const char*, const char*> kVariables[] = {
      {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"}, {"LAYERMARK_SHARDS", "JOB_COMPLETION_INDEX"}};
  for (const auto& [count_name, index_name] : kVariables) {
    const char* count_text = std::getenv(count_name);
    const char* index_text = std::getenv(index_name);
    if (count_text == nullptr || *count_text == '\0') continue;
    const auto number = [](const char* text, int least) -> std::optional<int> {
      int value = 0;
      const char* end = text + std::strlen(text);
      const auto parsed = std::from_chars(text, end, value);
      return parsed.ec == std::errc() && parsed.ptr == end && value >= least ? std::optional(value)
                                                                             : std::nullopt;
    };
    const std::optional<int> count = number(count_text, 1);
    if (!count) return InvalidArgument(fmt::format("{}={}: must be a number from 1", count_name, count_text));
    const std::optional<int> index = number(index_text == nullptr ? "" : index_text, 0);
    if (!index || *index >= *count) {
      return InvalidArgument(fmt::format("{}={}: must be a number from 0 and less than {}={}", index_name,
                                         index_text == nullptr ? "" : index_text, count_name, count_text));
    }
    return Shard{*index, *count};
  }
  return Shard{};
}

Result<double> ParseDuration(const std::string& text) {
  double total = 0;
  const char* p = text.data();
  const char* end = p + text.size();
  while (p < end) {
    double number = 0;
    auto [next, error] = std::from_chars(p, end, number);
    double unit = 1;
    if (error != std::errc() || number < 0 || !std::isfinite(number))  // "inf" and "nan" are numbers to it
      return InvalidArgument(fmt::format("--budget {}: not a duration", text));
    if (next < end) {
      if (*next == 's') {
        unit = 1;
      } else if (*next == 'm') {
        unit = 60;
      } else if (*next == 'h') {
        unit = 3600;
      } else {
        return InvalidArgument(fmt::format("--budget {}: unknown unit \"{}\" (s, m, h)", text, *next));
      }
      ++next;
    }
    total += number * unit;
    p = next;
  }
  if (total <= 0) return InvalidArgument(fmt::format("--budget {}: must be more than nothing", text));
  return total;
}

std::string QuotedCommand(int argc, const char* const* argv) {
  std::string out = "./layermark";
  for (int i = 1; i < argc; ++i) {
    out += ' ';
    out += ShellWord(argv[i]);
  }
  return out;
}

}  // namespace layermark
