#include "bench/harness/schedule.h"

#include <map>

namespace layermark {

std::vector<size_t> MiddleChoicesFirst(const std::vector<WorkloadChoice>& choices) {
  std::map<const WorkloadEntry*, std::vector<size_t>> of_workload;
  for (size_t i = 0; i < choices.size(); ++i) of_workload[choices[i].entry].push_back(i);
  std::vector<size_t> first;
  std::vector<size_t> then;
  for (size_t i = 0; i < choices.size(); ++i) {
    const std::vector<size_t>& siblings = of_workload[choices[i].entry];
    (siblings[(siblings.size() - 1) / 2] == i ? first : then).push_back(i);
  }
  first.insert(first.end(), then.begin(), then.end());
  return first;
}

}  // namespace layermark
