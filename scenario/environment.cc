#include "scenario/environment.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

std::string Trim(std::string text) {
  size_t end = text.find_last_not_of(" \t\r\n");
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text.substr(std::min(text.find_first_not_of(" \t\r\n\""), text.size()));
}

std::string FirstLine(const std::string& path) {
  Result<std::string> text = ReadFile(path, size_t{4} << 20);
  return text.ok() ? Trim(text->substr(0, text->find('\n'))) : "";
}

// The value of the first line "KEY<separator>value"; empty if there is none.
std::string ValueIn(const std::string& path, std::string_view key, char separator) {
  Result<std::string> text = ReadFile(path, size_t{4} << 20);
  if (!text.ok()) return "";
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    size_t at = line.find(separator);
    if (at == std::string::npos || Trim(line.substr(0, at)) != key) continue;
    std::string value = Trim(line.substr(at + 1));
    while (!value.empty() && value.back() == '"') value.pop_back();
    return value;
  }
  return "";
}

void Put(Environment& environment, const std::string& key, const std::string& value) {
  if (!value.empty()) environment.text[key] = value;
}

void AddKernel(Environment& environment) {
  struct utsname name = {};
  uname(&name);
  Put(environment, "hostname", name.nodename);
  Put(environment, "kernel", std::string(name.sysname) + " " + name.release);
  Put(environment, "kernel_build", name.version);
  Put(environment, "architecture", name.machine);
  Put(environment, "distribution", ValueIn("/etc/os-release", "PRETTY_NAME", '='));
  Put(environment, "clocksource",
      FirstLine("/sys/devices/system/clocksource/clocksource0/current_clocksource"));

  std::string mitigations;
  std::error_code error;
  std::filesystem::directory_iterator rows("/sys/devices/system/cpu/vulnerabilities", error), end;
  std::map<std::string, std::string> sorted;
  for (; !error && rows != end; rows.increment(error)) {
    sorted[rows->path().filename().string()] = FirstLine(rows->path().string());
  }
  for (const auto& [vulnerability, state] : sorted) {
    if (state == "Not affected") continue;
    mitigations += (mitigations.empty() ? "" : "; ") + vulnerability + ": " + state;
  }
  Put(environment, "mitigations", mitigations);
}

void AddKernelConfig(Environment& environment) {
  Result<std::string> config = KernelConfig();
  if (!config.ok()) {
    // What a debug kernel shows of itself.
    std::string debug;
    if (Exists("/proc/lockdep_stats")) debug = "PROVE_LOCKING";
    if (Exists("/sys/kernel/debug/kmemleak")) debug += (debug.empty() ? "" : " ") + std::string("KMEMLEAK");
    Put(environment, "debug_kernel", debug);
    return;
  }
  static constexpr std::string_view kFacts[] = {"CONFIG_OVERLAY_FS", "CONFIG_FUSE_FS",
                                                "CONFIG_EROFS_FS",   "CONFIG_BTRFS_FS",
                                                "CONFIG_XFS_FS",     "CONFIG_BLK_DEV_LOOP",
                                                "CONFIG_USER_NS",    "CONFIG_PREEMPT",
                                                "CONFIG_HZ",         "CONFIG_TRANSPARENT_HUGEPAGE"};
  static constexpr std::string_view kDebug[] = {
      "CONFIG_KASAN",      "CONFIG_KCSAN",           "CONFIG_PROVE_LOCKING", "CONFIG_KMEMLEAK",
      "CONFIG_DEBUG_LIST", "CONFIG_DEBUG_PAGEALLOC", "CONFIG_SLUB_DEBUG_ON"};
  std::string facts, debug;
  std::istringstream lines(*config);
  for (std::string line; std::getline(lines, line);) {
    size_t equals = line.find('=');
    if (!line.starts_with("CONFIG_") || equals == std::string::npos) continue;
    std::string_view key = std::string_view(line).substr(0, equals);
    for (std::string_view fact : kFacts) {
      // CONFIG_OVERLAY_FS and its sub-options.
      if (key == fact || (key.starts_with(fact) && fact == kFacts[0])) {
        facts += (facts.empty() ? "" : " ") + line.substr(7);
      }
    }
    for (std::string_view mark : kDebug) {
      if (key == mark && line.ends_with("=y"))
        debug += (debug.empty() ? "" : " ") + std::string(key.substr(7));
    }
  }
  Put(environment, "kernel_config", facts);
  Put(environment, "debug_kernel", debug);
}

void AddProcessor(Environment& environment) {
  std::string model = ValueIn("/proc/cpuinfo", "model name", ':');
  if (model.empty()) model = ValueIn("/proc/cpuinfo", "Model", ':');
  Put(environment, "cpu", model);
  environment.numbers["cpus"] = static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  Put(environment, "governor", FirstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"));

  std::string hypervisor = FirstLine("/sys/hypervisor/type");
  std::string flags = " " + ValueIn("/proc/cpuinfo", "flags", ':') + " ";
  if (hypervisor.empty() && flags.find(" hypervisor ") != std::string::npos) {
    std::string vendor = FirstLine("/sys/class/dmi/id/sys_vendor");
    std::string product = FirstLine("/sys/class/dmi/id/product_name");
    hypervisor =
        vendor.empty() && product.empty() ? "yes, which one is not told" : Trim(vendor + " " + product);
  }
  Put(environment, "hypervisor", hypervisor.empty() ? "none" : hypervisor);

  // user nice system idle iowait irq softirq steal, since boot
  std::istringstream cpu(FirstLine("/proc/stat"));
  std::string word;
  cpu >> word;
  double total = 0, steal = 0;
  for (int i = 0; i < 8; ++i) {
    double ticks = 0;
    cpu >> ticks;
    total += ticks;
    if (i == 7) steal = ticks;
  }
  if (total > 0) environment.numbers["steal_fraction"] = steal / total;
}

void AddMemoryAndLoad(Environment& environment) {
  for (auto [key, name] :
       {std::pair("MemTotal", "memory_bytes"), std::pair("MemAvailable", "memory_available_bytes")}) {
    std::string value = ValueIn("/proc/meminfo", key, ':');
    if (!value.empty()) environment.numbers[name] = std::strtod(value.c_str(), nullptr) * 1024;
  }
  environment.numbers["load_before"] = LoadAverage();
  for (const char* resource : {"cpu", "io", "memory"}) {
    std::string line = FirstLine(std::string("/proc/pressure/") + resource);
    size_t at = line.find("avg10=");
    if (at == std::string::npos) continue;
    environment.numbers[std::string("psi_") + resource + "_avg10"] =
        std::strtod(line.c_str() + at + 6, nullptr);
  }
}

void AddDisk(Environment& environment) {
  const std::string& directory = DiskDirectory();
  struct stat st = {};
  if (stat(directory.c_str(), &st) != 0) return;
  Put(environment, "disk_directory", directory);
  Result<std::vector<MountInfo>> mounts = ReadMountInfo();
  if (mounts.ok()) {
    for (const MountInfo& mount : *mounts) {
      if (mount.dev != st.st_dev) continue;
      Put(environment, "disk_filesystem", mount.type);
      Put(environment, "disk_mount_options", mount.super_options);
    }
  }
  std::string block =
      "/sys/dev/block/" + std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev));
  // A partition has its queue and its model one level up.
  for (const std::string& base : {block, block + "/.."}) {
    std::string rotational = FirstLine(base + "/queue/rotational");
    if (rotational.empty()) continue;
    environment.numbers["disk_rotational"] = rotational == "1" ? 1 : 0;
    Put(environment, "disk_scheduler", FirstLine(base + "/queue/scheduler"));
    std::error_code error;
    std::string device = std::filesystem::canonical(base, error).filename().string();
    std::string model = FirstLine(base + "/device/model");
    Put(environment, "disk_device", model.empty() ? device : device + " " + model);
    break;
  }
}

void AddTools(Environment& environment) {
  struct {
    const char* key;
    const char* program;
    const char* flag;
  } const tools[] = {{"tool_mkfs_ext4", "mkfs.ext4", "-V"},
                     {"tool_mkfs_xfs", "mkfs.xfs", "-V"},
                     {"tool_mkfs_btrfs", "mkfs.btrfs", "--version"},
                     {"tool_cp", "cp", "--version"}};
  for (const auto& tool : tools) {
    std::optional<std::string> found = FindProgram(tool.program);
    if (!found) found = FindProgram(std::string("/usr/sbin/") + tool.program);
    if (!found) continue;
    Result<CommandOutput> output = RunCommand({*found, tool.flag});
    if (!output.ok()) continue;
    std::string text = output->standard_output.empty() ? output->standard_error : output->standard_output;
    Put(environment, tool.key, Trim(text.substr(0, text.find('\n'))));
  }
}

}  // namespace

double LoadAverage() {
  double load[1] = {0};
  return getloadavg(load, 1) == 1 ? load[0] : 0;
}

Environment CollectEnvironment() {
  Environment environment;
  AddKernel(environment);
  AddKernelConfig(environment);
  AddProcessor(environment);
  AddMemoryAndLoad(environment);
  AddDisk(environment);
  AddTools(environment);
  return environment;
}

std::vector<std::string> EnvironmentWarnings(const Environment& environment) {
  auto text = [&](const std::string& key) {
    auto found = environment.text.find(key);
    return found == environment.text.end() ? std::string() : found->second;
  };
  auto number = [&](const std::string& key) {
    auto found = environment.numbers.find(key);
    return found == environment.numbers.end() ? 0.0 : found->second;
  };
  auto rounded = [](double value) {
    std::ostringstream out;
    out.precision(2);
    out << std::fixed << value;
    return out.str();
  };
  std::vector<std::string> warnings;
  if (!text("debug_kernel").empty()) {
    warnings.push_back("the kernel is built for debugging (" + text("debug_kernel") +
                       "): its times say little about a production kernel");
  }
  if (number("load_before") > number("cpus") / 2) {
    warnings.push_back("load " + rounded(number("load_before")) + " on " + rounded(number("cpus")) +
                       " processors at the start: end what else runs, and run again");
  }
  if (number("steal_fraction") > 0.02) {
    warnings.push_back("the hypervisor gave " + rounded(number("steal_fraction") * 100) +
                       " % of this machine's time to others since boot");
  }
  std::string governor = text("governor");
  if (!governor.empty() && governor != "performance") {
    warnings.push_back("the frequency governor is " + governor + ": times vary with it");
  }
  std::string clock = text("clocksource");
  if (clock == "hpet" || clock == "acpi_pm" || clock == "jiffies") {
    warnings.push_back("the clock source is " + clock + ": reading the time is slow");
  }
  return warnings;
}

}  // namespace layermark
