#include "scenario/environment.h"

#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace layermark {
namespace {

TEST(EnvironmentTest, TellsTheMachine) {
  Environment environment = CollectEnvironment();
  struct utsname name = {};
  uname(&name);
  EXPECT_EQ(environment.text["kernel"], std::string("Linux ") + name.release);
  EXPECT_EQ(environment.text["architecture"], name.machine);
  EXPECT_EQ(environment.numbers["cpus"], static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN)));
  auto pages = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  EXPECT_NEAR(environment.numbers["memory_bytes"], pages, pages / 10);
  EXPECT_LE(environment.numbers["memory_available_bytes"], environment.numbers["memory_bytes"]);
  EXPECT_GE(environment.numbers["steal_fraction"], 0);
  EXPECT_LE(environment.numbers["steal_fraction"], 1);
  EXPECT_FALSE(environment.text["hypervisor"].empty());
  EXPECT_FALSE(environment.text["disk_filesystem"].empty());
  EXPECT_NE(environment.text["tool_mkfs_ext4"].find("mke2fs"), std::string::npos);
  for (const auto& [key, value] : environment.text) {
    EXPECT_FALSE(value.empty()) << key;
    EXPECT_EQ(value.find('\n'), std::string::npos) << key;
  }
}

TEST(EnvironmentTest, ReadsThisKernelsConfiguration) {
  Result<std::string> config = KernelConfig();
  if (!config.ok() && config.status().code() == Code::kNotFound) GTEST_SKIP() << "this kernel keeps none";
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_NE(config->find("CONFIG_PROC_FS=y"), std::string::npos);
}

TEST(EnvironmentTest, WarnsOfWhatSpoilsNumbers) {
  Environment quiet;
  quiet.numbers = {{"cpus", 4}, {"load_before", 0.5}, {"steal_fraction", 0.001}};
  quiet.text = {{"governor", "performance"}, {"clocksource", "tsc"}};
  EXPECT_TRUE(EnvironmentWarnings(quiet).empty());
  Environment noisy;
  noisy.numbers = {{"cpus", 4}, {"load_before", 7.2}, {"steal_fraction", 0.1}};
  noisy.text = {{"governor", "powersave"}, {"clocksource", "hpet"}, {"debug_kernel", "KASAN"}};
  std::vector<std::string> warnings = EnvironmentWarnings(noisy);
  ASSERT_EQ(warnings.size(), 5u);
  EXPECT_NE(warnings[0].find("KASAN"), std::string::npos);
  EXPECT_NE(warnings[1].find("7.20"), std::string::npos);
}

}  // namespace
}  // namespace layermark
