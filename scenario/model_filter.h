// The filters of Walk, for the model: the language that drivers/snapshotter.h describes, read anew.
#ifndef LAYERMARK_SCENARIO_MODEL_FILTER_H_
#define LAYERMARK_SCENARIO_MODEL_FILTER_H_

#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

// One clause: a field alone asks whether it is there; "!=" also holds for one that is not.
struct ModelClause {
  std::string field;      // "name", "parent", "kind", "labels", or what nothing has
  std::string key;        // of a label
  std::string operation;  // "", "==", "!=", "~="
  std::string value;
};

class ModelFilters {
 public:
  // kInvalidArgument names the filter that is malformed.
  static Result<ModelFilters> Parse(const std::vector<std::string>& texts);
  // True if all clauses of one filter hold, or there is no filter.
  bool Pass(const Info& info) const;

 private:
  std::vector<std::vector<ModelClause>> filters_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_MODEL_FILTER_H_
