#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "core/sys/fd.h"
#include "scenario/backing.h"
#include "scenario/capability_probes.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

// Runs every probe of a mounted snapshot on a directory of a fresh `kind`, with the mounts given, and answers
// "NAME: failure" of those that fail.
std::string FailuresOn(const std::string& kind, const std::vector<Mount>& mounts = {},
                       bool with_device = true) {
  std::string text;
  Status ran = RunWorkers({{[&]() -> std::string {
                            auto body = [&]() -> Result<std::string> {
                              LM_TRY(CreateWorkspace({}, int64_t{1} << 30));
                              BackingSpec spec;
                              spec.kind = kind;
                              LM_ASSIGN(Backing backing, Backing::Create(spec));
                              LM_ASSIGN(std::string directory, backing.NewDirectory("probe"));
                              LM_ASSIGN(Fd root, Open(directory, O_RDONLY | O_DIRECTORY));
                              LM_TRY(ApplyLayer(ProbeLayer(), root.get()));
                              ProbeContext context;
                              if (with_device) LM_TRY(ApplyLayer(ProbeDeviceLayer(), root.get()));
                              context.mount_fd = root.get();
                              context.mounts = mounts;
                              std::string failures;
                              for (const CapabilityRow& row : AllCapabilities()) {
                                CapabilityProbe probe = ProbeOf(row.id);
                                if (row.group == CapabilityGroup::kPrivilege || probe == nullptr) continue;
                                Status status = probe(context);
                                if (!status.ok())
                                  failures += std::string(row.name) + ": " + status.ToString() + "\n";
                              }
                              root = Fd();
                              return failures;
                            };
                            Result<std::string> failures = body();
                            return failures.ok() ? *failures : "broken: " + failures.status().ToString();
                          }}},
                          1, [&](const WorkerAnswer& answer) {
                            text = answer.status.success() ? answer.text : answer.status.ToString();
                            return true;
                          });
  return ran.ok() ? text : ran.ToString();
}

bool Holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class FeatureProbesTest : public testing::Test {
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  }
};

TEST_F(FeatureProbesTest, AnOrdinaryDirectoryOfXfsHasThemAll) {
  std::string failures = FailuresOn("xfs");
  EXPECT_EQ(failures,
            "upper_visible: FAILED_PRECONDITION: the snapshot has no mounts\n"
            "fuse_daemon: FAILED_PRECONDITION: no FUSE daemon stands behind the mount\n");
}

TEST_F(FeatureProbesTest, WhatIsMissingIsNamedByCallAndErrno) {
  std::string ext4 = FailuresOn("ext4");
  EXPECT_TRUE(Holds(ext4, "reflink: UNIMPLEMENTED: FICLONE new_reflink_b: EOPNOTSUPP")) << ext4;
  EXPECT_FALSE(Holds(ext4, "fallocate")) << ext4;
  std::string tmpfs = FailuresOn("tmpfs");
  EXPECT_TRUE(Holds(tmpfs, "fallocate(ZERO_RANGE) new_fallocate: EOPNOTSUPP")) << tmpfs;
}

TEST_F(FeatureProbesTest, AnUpperDirectoryMustHoldTheChangesAndNothingElse) {
  Mount none{"bind", "/x", "", {"rw"}};
  EXPECT_TRUE(Holds(FailuresOn("tmpfs", {none}), "upper_visible: FAILED_PRECONDITION: no option upperdir"));
  Mount elsewhere{"overlay", "overlay", "", {"upperdir=/usr"}};
  EXPECT_TRUE(Holds(FailuresOn("tmpfs", {elsewhere}), "upper_visible: NOT_FOUND: fstatat new_upper"));
}

TEST_F(FeatureProbesTest, AMissingDeviceNodeIsSeen) {
  EXPECT_TRUE(Holds(FailuresOn("tmpfs", {}, false), "devices: NOT_FOUND: "));
}

}  // namespace
}  // namespace layermark
