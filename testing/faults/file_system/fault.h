// The run-time faults of ../faults.def. At most one is on, for the whole life of the process.
#ifndef LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_FAULT_H_
#define LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_FAULT_H_

#include <string_view>

namespace layermark::faults {

#define LAYERMARK_FAULT_driver(name)
#define LAYERMARK_FAULT_overlay(name)
#define LAYERMARK_FAULT_run_time(name) name,
#define FAULT(kind, name, area, property, sentence) LAYERMARK_FAULT_##kind(name)
enum class Fault {
  none,
#include "testing/faults/faults.def"
};
#undef FAULT
#undef LAYERMARK_FAULT_run_time
#undef LAYERMARK_FAULT_driver
#undef LAYERMARK_FAULT_overlay

// Switches the fault of that name on; "" and "none" mean none. False for a name that is not in the table.
bool SwitchOn(std::string_view name);
bool On(Fault fault);

}  // namespace layermark::faults

#endif  // LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_FAULT_H_
