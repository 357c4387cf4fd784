#include "scenario/capability_probes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <functional>
#include <map>

#include "drivers/registry.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

std::string InWorker(const std::function<std::string()>& body) {
  std::string text;
  Status status = RunWorkers({{body}}, 1, [&](const WorkerAnswer& answer) {
    text = answer.status.success() ? answer.text : answer.status.ToString();
    return true;
  });
  return status.ok() ? text : status.ToString();
}

TEST(CapabilityProbesTest, EveryPrivilegeAndFeatureHasAProbe) {
  for (const CapabilityRow& row : AllCapabilities()) {
    if (row.group == CapabilityGroup::kSnapshot) continue;
    EXPECT_NE(ProbeOf(row.id), nullptr) << row.name;
  }
  EXPECT_EQ(ProbeOf(Capability::layers_500), nullptr);
}

TEST(CapabilityProbesTest, RootHasThePrivileges) {
  if (geteuid() != 0) GTEST_SKIP() << "about root";
  EXPECT_EQ(InWorker([]() -> std::string {
              Status made = CreateWorkspace({}, int64_t{64} << 20);
              if (!made.ok()) return made.ToString();
              std::string missing;
              for (const CapabilityRow& row : AllCapabilities()) {
                if (row.group != CapabilityGroup::kPrivilege) continue;
                Status status = ProbePrivilege(row.id);
                if (!status.ok()) missing += std::string(row.name) + ": " + status.ToString() + "; ";
              }
              Result<std::vector<std::string>> left = ListDir(AT_FDCWD, WorkspacePath());
              if (!left.ok() || !left->empty()) missing += "a probe left something";
              return missing;
            }),
            "");
}

TEST(CapabilityProbesTest, AnOrdinaryUserHasNoneAndTheCallIsNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  std::string text = InWorker([]() -> std::string {
    if (chdir("/") != 0 || setgid(65534) != 0 || setuid(65534) != 0) return "setuid";
    SetDiskDirectory("/tmp");
    std::string all;
    for (const CapabilityRow& row : AllCapabilities()) {
      if (row.group != CapabilityGroup::kPrivilege) continue;
      Status status = ProbePrivilege(row.id);
      all += std::string(row.name) + " " + status.operation() + " " + ErrnoName(status.error_number()) + "\n";
    }
    return all;
  });
  for (const char* line : {"priv_mount unshare(CLONE_NEWNS) EPERM", "priv_mknod mknod EPERM",
                           "priv_chown fchown EPERM", "priv_namespaces unshare EPERM"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in\n" << text;
  }
  for (const char* name : {"priv_trusted_xattr", "priv_loop"}) {
    EXPECT_EQ(text.find(std::string(name) + "  "), std::string::npos) << text;
  }
}

TEST(CapabilityProbesTest, AFeatureIsNoPrivilege) {
  EXPECT_EQ(ProbePrivilege(Capability::reflink).code(), Code::kInvalidArgument);
  EXPECT_EQ(ProbePrivilege(Capability::layers_500).code(), Code::kInvalidArgument);
}

// Every built-in driver that can run here, where it is at home: what it claims is there, and nothing else.
TEST(CapabilityProbesTest, DriversDeclareWhatTheProbesFind) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  int tried = 0;
  for (const Driver* driver : AllDrivers()) {
    if (!InstanceSpec{driver, {}}.WhatIsMissing().empty()) continue;  // it declares by what it is given
    std::string text = InWorker([driver]() -> std::string {
      Status made = CreateWorkspace({}, int64_t{2} << 30);
      if (!made.ok()) return made.ToString();
      BackingSpec spec;
      spec.kind = driver->default_backing();
      Result<Backing> backing = Backing::Create(spec);
      if (!backing.ok()) return backing.status().ToString();
      Result<std::string> directory = backing->NewDirectory("probe");
      if (!directory.ok()) return directory.status().ToString();
      if (Status can = driver->Probe({}, *directory); !can.ok()) return "cannot run: " + can.ToString();
      InstanceSpec instance;
      instance.driver = driver;
      auto verdicts = ProbeCapabilities(instance, *backing);
      if (!verdicts.ok()) return verdicts.status().ToString();
      std::string wrong;
      for (const CapabilityVerdict& verdict : *verdicts) {
        if (verdict.agrees()) continue;
        wrong += std::string(Row(verdict.id).name) +
                 (verdict.declared ? " declared, but: " : " works undeclared ") + verdict.probe.ToString() +
                 "\n";
      }
      Result<std::vector<std::string>> left = ListDir(AT_FDCWD, backing->path());
      for (const std::string& name : left.ok() ? *left : std::vector<std::string>{}) {
        if (name.starts_with("capabilities")) wrong += "left " + name + "\n";
      }
      return wrong;
    });
    if (text.starts_with("cannot run: ")) continue;
    EXPECT_EQ(text, "") << driver->name();
    ++tried;
  }
  EXPECT_GT(tried, 0);
}

}  // namespace
}  // namespace layermark
