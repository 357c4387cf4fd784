// A record as it begins: id, time, version, command.
#ifndef LAYERMARK_CLI_NEW_RECORD_H_
#define LAYERMARK_CLI_NEW_RECORD_H_

#include <cstdint>
#include <string>

#include "results/record.h"

namespace layermark {

Record BeginRecord(const std::string& command, uint64_t seed, const std::string& profile);

}  // namespace layermark

#endif  // LAYERMARK_CLI_NEW_RECORD_H_
