// gate --certify: the gate run on itself, part by part, until the certificate is complete.
#ifndef LAYERMARK_CLI_CERTIFY_H_
#define LAYERMARK_CLI_CERTIFY_H_

#include <vector>

#include "bench/gate/gate.h"
#include "cli/gate_session.h"

namespace layermark {

int Certify(const GateCommand& command, const GateSide& side, const std::vector<WorkloadChoice>& choices,
            const GateOptions& options, const Record& record, Progress& progress);

}  // namespace layermark

#endif  // LAYERMARK_CLI_CERTIFY_H_
