// The common flags, and what each subcommand is given.
#ifndef LAYERMARK_CLI_OPTIONS_H_
#define LAYERMARK_CLI_OPTIONS_H_

#include <CLI/App.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/driver.h"
#include "scenario/backing.h"

namespace layermark {

// Exit statuses; the worst wins in the order 2, 130, 1, 3, 0.
inline constexpr int kExitPass = 0;
inline constexpr int kExitFinding = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInconclusive = 3;
inline constexpr int kExitInterrupted = 130;
int WorseExit(int a, int b);

// What --bisect makes of an exit status. `git bisect run` takes 0 for good, 125 for "cannot tell, skip" and
// the rest up to 127 for bad: what is no finding (2, 3) must not be bad. 130 stays: above 127 git stops the
// bisection, which is what an interrupt is for.
inline constexpr int kExitCannotTell = 125;
int BisectExit(int status);

struct CommonOptions {
  std::vector<std::string> drivers;   // --driver SPEC
  std::vector<std::string> filters;   // --filter GLOB
  std::string backing;                // --backing; empty: each driver's default
  std::string device = "ram";         // --device
  std::vector<std::string> images;    // --image; empty: synthetic
  std::string profile = "quick";      // --profile
  std::string budget;                 // --budget
  uint64_t seed = 1;                  // --seed
  std::string shard;                  // --shard I/N
  std::string out;                    // --out
  std::string format = "text";        // --format
  std::vector<std::string> expected;  // --expected
  int jobs = 0;                       // --jobs; 0: the number of processors
  bool bisect = false;                // --bisect
};

// Which of the common flags a command takes.
enum CommonFlag : unsigned {
  kFlagDriver = 1,
  kFlagFilter = 2,
  kFlagBacking = 4,
  kFlagImage = 8,
  kFlagProfile = 16,
  kFlagBudget = 32,
  kFlagSeed = 64,
  kFlagShard = 128,
  kFlagOut = 256,
  kFlagFormat = 512,
  kFlagExpected = 1024,
  kFlagJobs = 2048,
  kFlagBisect = 4096,
};
void AddCommonFlags(CLI::App& app, CommonOptions& options, unsigned flags);

// `--driver all`: every driver that needs no option, beside those that are named.
inline constexpr const char* kAllDrivers = "all";
// Whether --driver names this instance by itself, so that it must be able to run.
bool IsNamed(const CommonOptions& options, const InstanceSpec& instance);
// The instances that --driver names; without it the drivers of short runs, with profile full or `all` every
// driver that needs no option, or `with_incomplete` those too that do. kInvalidArgument names what is wrong.
Result<std::vector<InstanceSpec>> InstancesFor(const CommonOptions& options, bool with_incomplete = false);
// What conformance runs beyond these where --driver names none or all: each driver's further_checked_options.
std::vector<InstanceSpec> FurtherCheckedInstances(const CommonOptions& options);
// The backing for one of them.
Result<BackingSpec> BackingFor(const CommonOptions& options, const InstanceSpec& instance);
struct Shard {
  int index = 0, count = 1;
};
Result<Shard> ParseShard(const std::string& text);
// --shard, or without it what a job's environment says, both counted from 0: GTEST_TOTAL_SHARDS and
// GTEST_SHARD_INDEX, or LAYERMARK_SHARDS and Kubernetes' JOB_COMPLETION_INDEX. kInvalidArgument names the
// variable and its value.
Result<Shard> ShardFor(const std::string& option);
// "90s" "5m" "1h30m" "45": seconds.
Result<double> ParseDuration(const std::string& text);

// The command line as typed, quoted for a shell.
std::string QuotedCommand(int argc, const char* const* argv);

}  // namespace layermark

#endif  // LAYERMARK_CLI_OPTIONS_H_
