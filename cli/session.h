// A session: the main job behind run, check and bench. Everything is checked before anything is touched; then
// all work happens in a mount and PID namespace of its own, and the record is written whatever happened.
#ifndef LAYERMARK_CLI_SESSION_H_
#define LAYERMARK_CLI_SESSION_H_

#include <string>
#include <vector>

#include "cli/options.h"
#include "core/sys/namespaces.h"

namespace layermark {

struct SessionPlan {
  CommonOptions options;
  std::string command;  // as typed
  bool conformance = true;
  bool workloads = true;
  bool report = false;  // make the page afterwards
  // Without --budget and --image, and but for profile full, no workload begins that long after the start,
  // save in the minute that the workloads always have; 0: no end.
  double whole_seconds = 0;
  std::string default_out;                       // where the record goes without --out; empty: nowhere
  std::vector<std::string> benchmark_arguments;  // not empty: Google Benchmark's front runs the workloads
};

// Returns the exit status; everything a user must know was printed.
int RunSession(const SessionPlan& plan);

// The world that these instances need.
IsolationOptions IsolationFor(const std::vector<InstanceSpec>& instances);

// One line on standard error, "layermark: ...", and kExitUsage.
int UsageError(const std::string& message);
int UsageError(const Status& status);

}  // namespace layermark

#endif  // LAYERMARK_CLI_SESSION_H_
