// The machine that a run ran on, as far as it bears on what was measured.
#ifndef LAYERMARK_SCENARIO_ENVIRONMENT_H_
#define LAYERMARK_SCENARIO_ENVIRONMENT_H_

#include <string>
#include <vector>

#include "core/result.h"
#include "results/record.h"

namespace layermark {

// What can be found out; a fact that this machine does not tell is left out. Takes about 50 ms (it runs the
// mkfs programs for their versions). Facts:
//   text     kernel kernel_build architecture distribution cpu hypervisor governor clocksource mitigations
//            kernel_config debug_kernel disk_directory disk_filesystem disk_mount_options disk_device
//            disk_scheduler tool_mkfs_ext4 tool_mkfs_xfs tool_mkfs_btrfs tool_cp
//   numbers  cpus memory_bytes memory_available_bytes load_before steal_fraction disk_rotational
//            psi_cpu_avg10 psi_io_avg10 psi_memory_avg10 (percent of time that some task waited)
Environment CollectEnvironment();

// The load average over one minute; for Environment::numbers["load_after"].
double LoadAverage();

// What a reader of the numbers must know: a debug kernel, a loaded machine, stolen time, a governor that is
// not "performance", a slow clock. One sentence each.
std::vector<std::string> EnvironmentWarnings(const Environment& environment);

// The kernel's configuration as text, from /proc/config.gz or /boot/config-VERSION. kNotFound where there is
// neither.
Result<std::string> KernelConfig();

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_ENVIRONMENT_H_
