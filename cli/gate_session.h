// What `gate` does: everything is checked first; then the gate, or a part of the certificate, runs in
// namespaces of its own, and the record is written whatever happened.
#ifndef LAYERMARK_CLI_GATE_SESSION_H_
#define LAYERMARK_CLI_GATE_SESSION_H_

#include <string>
#include <vector>

#include "cli/options.h"

namespace layermark {

struct GateCommand {
  CommonOptions options;
  std::vector<std::string> sides;  // A, B
  std::string inconclusive;        // "": exit status 3; "pass", "fail"
  std::string counts;              // "equal" "no-worse" "show"; empty: equal, between two drivers show
  std::string tier = "all";        // "all" "counts"
  bool keep_going = false;
  double plant = 0;  // per cent by which B is slowed, to see the gate work
  std::string command;
  // --certify
  bool certify = false;
  std::string state, certificate;
};

// Returns the exit status; everything a user must know was printed.
int RunGateSession(const GateCommand& command);

// 0, 1 or 3 for a verdict of GateVerdictOf, as --inconclusive says.
int GateExit(const std::string& verdict, const std::string& inconclusive);

}  // namespace layermark

#endif  // LAYERMARK_CLI_GATE_SESSION_H_
