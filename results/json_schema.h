// A JSON Schema validator for the keywords that results/schema.json uses, so that the reader of a record and
// every other validator judge by one text.
//
// Knows: type enum const minimum minLength required properties additionalProperties items minItems maxItems
// allOf anyOf $ref (into the same document), and the annotations $schema $id $defs title description. Any
// other keyword is an error of the schema, so that a rule is never skipped silently. Threads: pure functions.
#ifndef LAYERMARK_RESULTS_JSON_SCHEMA_H_
#define LAYERMARK_RESULTS_JSON_SCHEMA_H_

#include <nlohmann/json_fwd.hpp>

#include "core/result.h"

namespace layermark {

// kInvalidArgument names the first place that breaks a rule ("measurements[3].unit: ...") and the rule;
// kInternal where the schema itself cannot be used. Cost: linear in the value.
Status ValidateJson(const nlohmann::json& value, const nlohmann::json& schema);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_JSON_SCHEMA_H_
