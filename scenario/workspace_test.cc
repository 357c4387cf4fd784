#include "scenario/workspace.h"

#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

// Runs `body` where it may mount, and answers its text.
std::string InWorker(const std::function<std::string()>& body) {
  std::string text;
  Status status = RunWorkers({{body}}, 1, [&](const WorkerAnswer& answer) {
    text = answer.status.success() ? answer.text : answer.status.ToString();
    return true;
  });
  return status.ok() ? text : status.ToString();
}

TEST(WorkspaceTest, IsATmpfsOfItsOwnThatGoesWithTheNamespace) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  std::string path = InWorker([]() -> std::string {
    Status status = CreateWorkspace({}, int64_t{8} << 20);
    if (!status.ok()) return status.ToString();
    struct statvfs st = {};
    if (statvfs(WorkspacePath().c_str(), &st) != 0) return "statvfs";
    if (st.f_blocks * st.f_frsize != size_t{8} << 20) return "another size";
    Result<std::string> one = WorkspaceDirectory("a"), two = WorkspaceDirectory("a");
    if (!one.ok() || !two.ok() || *one == *two) return "no two directories";
    status = WriteFile(*one + "/file", "x");
    if (!status.ok()) return status.ToString();
    if (CreateWorkspace({}, int64_t{8} << 20).ok()) return "made twice";
    return WorkspacePath();
  });
  ASSERT_TRUE(path == "/mnt" || path == "/media" || path == "/srv") << path;
  Result<std::vector<MountInfo>> mounts = ReadMountInfo();
  ASSERT_TRUE(mounts.ok());
  for (const MountInfo& mount : *mounts) EXPECT_FALSE(mount.mount_point == path && mount.type == "tmpfs");
}

TEST(WorkspaceTest, AvoidsWhatTheRunNeeds) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  std::string path = InWorker([]() -> std::string {
    Status status = CreateWorkspace({"/mnt/out", "/media"}, int64_t{8} << 20);
    return status.ok() ? WorkspacePath() : status.ToString();
  });
  EXPECT_EQ(path, "/srv");
  std::string refused = InWorker([]() -> std::string {
    Status status = CreateWorkspace({"/mnt/out", "/media/x", "/srv/y/z"}, int64_t{8} << 20);
    return std::string(CodeName(status.code())) + " " + status.message();
  });
  EXPECT_TRUE(refused.starts_with("FAILED_PRECONDITION")) << refused;
  EXPECT_NE(refused.find("/srv holds /srv/y/z"), std::string::npos) << refused;
}

TEST(WorkspaceTest, WithoutAWorkspaceThereIsNoDirectory) {
  EXPECT_EQ(WorkspacePath(), "");
  EXPECT_EQ(WorkspaceDirectory("a").status().code(), Code::kFailedPrecondition);
}

TEST(WorkspaceTest, TheBudgetIsBounded) {
  int64_t budget = RamBudgetBytes();
  EXPECT_GT(budget, 0);
  EXPECT_LE(budget, int64_t{4} << 30);
}

TEST(WorkspaceTest, TheDiskDirectoryIsWhatWasSet) {
  EXPECT_EQ(InWorker([]() -> std::string {
              SetDiskDirectory("/var/tmp/x");
              return DiskDirectory();
            }),
            "/var/tmp/x");
}

}  // namespace
}  // namespace layermark
