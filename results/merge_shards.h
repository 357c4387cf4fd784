// The records of one run that was done in parts (--shard I/N), perhaps on several machines, as one record.
#ifndef LAYERMARK_RESULTS_MERGE_SHARDS_H_
#define LAYERMARK_RESULTS_MERGE_SHARDS_H_

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "results/record.h"

namespace layermark {

// The name under which a record's environment says which part it is, and the value "I/N" (I from 1).
inline constexpr char kShardKey[] = "shard";

struct RecordPart {
  int index = 0, count = 1;  // index from 1
};
// nullopt: the record is no part of anything.
std::optional<RecordPart> PartOf(const Record& record);

// nullopt for fewer than two, and where not all of them are parts, so that they are several runs. Otherwise
// all rows, in the order of the parts; a driver is available where one part has it; anchors are judged anew
// over all. Parts that are missing make it incomplete and are named in a warning, as is what differs between
// their machines. kInvalidArgument: parts of different runs (drivers and backings, count, version, seed,
// profile, image), or one given twice.
Result<std::optional<Record>> MergeShards(std::vector<Record> records);

// The samples.jsonl of these records (paths as for LoadRecord) one after the other; what is not there is left
// out.
std::string ConcatenatedSamples(const std::vector<std::string>& paths);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_MERGE_SHARDS_H_
