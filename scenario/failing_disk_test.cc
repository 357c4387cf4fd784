#include "scenario/failing_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "core/sys/fd.h"
#include "scenario/backing.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

std::string WithWorkspace(const std::function<Status()>& body) {
  std::string text;
  const Status status = RunWorkers({{[&]() -> std::string {
                                     Status made = CreateWorkspace({}, int64_t{256} << 20);
                                     if (made.ok()) made = body();
                                     return made.ok() ? "ok" : made.ToString();
                                   }}},
                                   1, [&](const WorkerAnswer& answer) {
                                     text = answer.status.success() ? answer.text : answer.status.ToString();
                                     return true;
                                   });
  return status.ok() ? text : status.ToString();
}

TEST(FailingDisk, FailsOnCommandAndHeals) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(WithWorkspace([]() -> Status {
              LM_ASSIGN(FailingDisk disk, FailingDisk::Create(1 << 20));
              LM_TRY(PWriteAll(disk.file_fd(), "before", 4096));
              char buffer[6] = {};
              if (pread(disk.file_fd(), buffer, 6, 4096) != 6 || std::string(buffer, 6) != "before")
                return Internal("what was written is not read");
              disk.FailWritesAfter(1);
              LM_TRY(PWriteAll(disk.file_fd(), "passes", 8192));
              if (PWriteAll(disk.file_fd(), "fails", 12288).error_number() != EIO)
                return Internal("a write passed");
              if (fsync(disk.file_fd()) == 0) return Internal("fsync passed");
              disk.Heal();
              LM_TRY(disk.DropCache());
              disk.FailReadsAfter(0);
              if (pread(disk.file_fd(), buffer, 6, 4096) >= 0 || errno != EIO)
                return Internal("a read passed");
              disk.Heal();
              if (pread(disk.file_fd(), buffer, 6, 8192) != 6 || std::string(buffer, 6) != "passes")
                return Internal("after healing it does not read");
              return disk.failed_count() >= 3 ? Status::Ok() : Internal("the failures were not counted");
            }),
            "ok");
}

TEST(FailingDisk, CarriesABackingAndItsFailure) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(WithWorkspace([]() -> Status {
              LM_ASSIGN(FailingDisk disk, FailingDisk::Create(int64_t{32} << 20));
              LM_ASSIGN(Backing backing,
                        Backing::Create(
                            {.directory = "", .size_bytes = disk.size_bytes(), .on_file = disk.file_fd()}));
              LM_TRY(WriteFile(backing.path() + "/f", "safe"));
              LM_TRY(backing.Remount());
              disk.FailWritesAfter(0);
              LM_ASSIGN(Fd file, Open(backing.path() + "/g", O_RDWR | O_CREAT, 0600));
              LM_TRY(WriteAll(file.get(), "lost"));
              if (fsync(file.get()) == 0) return Internal("fsync on a failing disk passed");
              LM_TRY(file.Close());
              disk.Heal();
              LM_TRY(backing.Remount());
              LM_ASSIGN(const std::string content, ReadFile(backing.path() + "/f"));
              if (content != "safe") return Internal("what was safe is lost");
              return backing.Close();
            }),
            "ok");
}

}  // namespace
}  // namespace layermark
