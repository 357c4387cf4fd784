#include "core/sys/outside.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

using std::chrono::milliseconds;

// Each in a child: the helper is the process's.
int InChild(const std::function<int()>& body) {
  auto child = ChildProcess::Fork([&](int) { return body(); });
  if (!child.ok()) return -1;
  auto status = child->Wait(std::chrono::seconds(30));
  return status.ok() ? status->code : -2;
}

TEST(Outside, WithoutAHelperNothingIsRun) {
  EXPECT_EQ(InChild([] {
              return RunOutside("true", milliseconds(1000)).code() == Code::kFailedPrecondition ? 0 : 1;
            }),
            0);
}

TEST(Outside, TellsHowACommandEnded) {
  EXPECT_EQ(InChild([] {
              if (!StartOutside().ok() || !StartOutside().ok()) return 1;
              if (!RunOutside("true", milliseconds(5000)).ok()) return 2;
              const Status failed = RunOutside("echo because >&2; exit 3", milliseconds(5000));
              if (failed.code() != Code::kInternal) return 3;
              if (failed.message().find("because") == std::string::npos) return 4;
              if (RunOutside("sleep 20", milliseconds(100)).code() != Code::kDeadlineExceeded) return 5;
              return RunOutside("true", milliseconds(5000)).ok() ? 0 : 6;
            }),
            0);
}

TEST(Outside, ProcessesShareTheHelperAndDoNotMixAnswers) {
  auto tree = TempTree::Create("/tmp", "outside");
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(InChild([&] {
              if (!StartOutside().ok()) return 1;
              std::vector<ChildProcess> workers;
              for (int i = 0; i < 4; ++i) {
                auto worker = ChildProcess::Fork([i](int) {
                  for (int round = 0; round < 10; ++round) {
                    const Status s =
                        RunOutside("echo worker" + std::to_string(i) + " >&2; exit 1", milliseconds(5000));
                    if (s.message().find("worker" + std::to_string(i)) == std::string::npos) return 1;
                  }
                  return 0;
                });
                if (!worker.ok()) return 2;
                workers.push_back(std::move(*worker));
              }
              for (ChildProcess& worker : workers) {
                auto ended = worker.Wait(std::chrono::seconds(20));
                if (!ended.ok() || !ended->success()) return 3;
              }
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace layermark
