#include "scenario/launcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "core/sys/mount.h"
#include "core/tree/compare.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Runs `body` with a workspace and a root, a mount of its own that holds nothing; "ok" or what went wrong.
std::string WithRoot(const std::function<Status(const std::string& root)>& body) {
  std::string text;
  Status status = RunWorkers({{[&]() -> std::string {
                               Status done = CreateWorkspace({}, int64_t{64} << 20);
                               Result<std::string> root = WorkspaceDirectory("root");
                               if (done.ok() && !root.ok()) done = root.status();
                               if (done.ok()) done = MountFilesystem("tmpfs", "root", *root, {"mode=0755"});
                               if (done.ok()) done = body(*root);
                               return done.ok() ? "ok" : done.ToString();
                             }}},
                             1, [&](const WorkerAnswer& answer) {
                               text = answer.status.success() ? answer.text : answer.status.ToString();
                               return true;
                             });
  return status.ok() ? text : status.ToString();
}

Result<ContainerResult> Probe(ContainerSpec spec, std::vector<std::string> command,
                              milliseconds deadline = seconds(20)) {
  LM_ASSIGN(Fd program, StaticProbeProgram());
  spec.program_fd = program.get();
  spec.argv = std::move(command);
  spec.argv.insert(spec.argv.begin(), "probe");
  return RunContainer(spec, deadline);
}

Result<std::string> ProbeOk(const ContainerSpec& spec, std::vector<std::string> command) {
  LM_ASSIGN(ContainerResult result, Probe(spec, std::move(command)));
  if (!result.status.success()) return Internal(result.status.ToString() + ": " + result.standard_error);
  return result.standard_output;
}

Status Expect(const std::string& seen, const std::string& expected) {
  return seen == expected ? Status() : Internal("expected '" + expected + "', saw '" + seen + "'");
}

ContainerSpec On(const std::string& root) {
  ContainerSpec spec;
  spec.root = root;
  return spec;
}

class LauncherTest : public testing::Test {
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "containers need root";
  }
};

TEST_F(LauncherTest, RunsTrueAndMeasuresItsPhases) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_ASSIGN(Fd program, StaticTrueProgram());
              ContainerSpec spec = On(root);
              spec.program_fd = program.get();
              spec.capture_output = false;
              for (int i = 0; i < 20; ++i) {
                LM_ASSIGN(ContainerResult result, RunContainer(spec, seconds(20)));
                if (!result.status.success()) return Internal(result.status.ToString());
                const StartPhases& p = result.phases;
                if (p.clone_ns <= 0 || p.pivot_ns <= 0 || p.exec_ns <= 0)
                  return Internal("a phase without time");
                if (p.clone_ns + p.pivot_ns + p.exec_ns > p.total_ns)
                  return Internal("phases exceed their total");
              }
              return {};
            }),
            "ok");
}

TEST_F(LauncherTest, TheProcessSeesExactlyTheTree) {
  EXPECT_EQ(
      WithRoot([](const std::string& root) -> Status {
        Layer layer;
        layer.Dir("a").File("a/with space\n", "text").Link("b", "a/with space\n").Symlink("c", "to \\ there");
        layer.Mknod("null", S_IFCHR | 0620, makedev(1, 3)).Fifo("fifo").File("empty", "", 04711);
        layer.Chown("empty", 12, 34).Sparse("sparse", 1 << 20, 8192, "data").Dir("a/\xff\x01", 01777);
        LM_ASSIGN(Fd fd, Open(root, O_RDONLY | O_DIRECTORY));
        LM_TRY(ApplyLayer(layer, fd.get()));
        LM_ASSIGN(Manifest expected, ReadManifest(root));
        LM_ASSIGN(std::string text, ProbeOk(On(root), {"list"}));
        LM_ASSIGN(std::vector<ProbeLine> lines, ParseProbeListing(text));
        CompareOptions options;
        options.xattrs = false;
        options.hole_tolerance_bytes = -1;
        std::vector<Difference> differences = Compare(expected, ProbeManifest(lines), options);
        if (!differences.empty()) return Internal(Describe(differences));
        // And it must not be blind: a change has to show.
        LM_TRY(WriteFile(root + "/empty", "no more"));
        LM_ASSIGN(Manifest changed, ReadManifest(root));
        return Compare(changed, ProbeManifest(lines), options).empty() ? Internal("a change went unseen")
                                                                       : Status();
      }),
      "ok");
}

TEST_F(LauncherTest, WritesLandInTheRootAndNowhereElse) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_TRY(ProbeOk(On(root), {"write", "/layermark_launcher_test", "hello"}));
              LM_ASSIGN(std::string seen, ReadFile(root + "/layermark_launcher_test"));
              LM_TRY(Expect(seen, "hello"));
              if (Exists("/layermark_launcher_test")) return Internal("written outside");
              LM_ASSIGN(std::string again, ProbeOk(On(root), {"read", "/../layermark_launcher_test"}));
              return Expect(again, "hello");
            }),
            "ok");
}

TEST_F(LauncherTest, HasNamespacesOfItsOwn) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_ASSIGN(std::string mounts, ProbeOk(On(root), {"mounts"}));
              LM_TRY(Expect(mounts, "1\n"));
              LM_ASSIGN(std::string ids, ProbeOk(On(root), {"ids"}));
              LM_TRY(Expect(ids, "uid 0 gid 0 groups  cwd / pid 1\n"));
              LM_ASSIGN(bool mounted, IsMountPoint(root));
              return mounted ? Status() : Internal("the root was taken away from the caller");
            }),
            "ok");
}

TEST_F(LauncherTest, TakesUserGroupsDirectoryAndEnvironment) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_TRY(MakeDirs(root + "/srv/web"));
              ContainerSpec spec = On(root);
              spec.uid = 33;
              spec.gid = 44;
              spec.groups = {5, 6};
              spec.working_dir = "/srv/web";
              spec.env = {"A=one two", "B="};
              LM_ASSIGN(std::string ids, ProbeOk(spec, {"ids"}));
              LM_TRY(Expect(ids, "uid 33 gid 44 groups 5,6 cwd /srv/web pid 1\n"));
              LM_ASSIGN(std::string a, ProbeOk(spec, {"env", "A"}));
              LM_TRY(Expect(a, "one two"));
              LM_ASSIGN(ContainerResult none, Probe(spec, {"env", "HOME"}));
              return none.status.code == 1 ? Status() : Internal("the caller's environment came along");
            }),
            "ok");
}

TEST_F(LauncherTest, KeepsOutputsApartAndWhole) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_TRY(WriteFile(root + "/big", std::string(3 << 20, 'b')));
              LM_ASSIGN(std::string big, ProbeOk(On(root), {"read", "/big"}));
              if (big.size() != 3 << 20) return Internal("output cut to " + std::to_string(big.size()));
              LM_ASSIGN(ContainerResult result, Probe(On(root), {"read", "/missing"}));
              if (result.status.code != 1) return Internal(result.status.ToString());
              LM_TRY(Expect(result.standard_output, ""));
              LM_TRY(Expect(result.standard_error, "probe: open /missing: No such file or directory\n"));
              LM_ASSIGN(ContainerResult seven, Probe(On(root), {"exit", "7"}));
              return seven.status.code == 7 ? Status() : Internal(seven.status.ToString());
            }),
            "ok");
}

TEST_F(LauncherTest, PassesNoDescriptorOfTheCaller) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              Fd forgotten(open("/dev/null", O_RDONLY));  // without O_CLOEXEC
              LM_ASSIGN(std::string seen, ProbeOk(On(root), {"descriptors"}));
              return Expect(seen, "0 1 2\n");
            }),
            "ok");
}

TEST_F(LauncherTest, AnOrdinaryUserMayReopenItsOutput) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              ContainerSpec spec = On(root);
              spec.mount_proc = true;
              spec.uid = 33;
              spec.gid = 33;
              LM_ASSIGN(std::string seen, ProbeOk(spec, {"write", "/dev/stdout", "logged"}));
              return Expect(seen, "logged");
            }),
            "ok");
}

TEST_F(LauncherTest, KillsWhatOutlivesItsDeadline) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_ASSIGN(ContainerResult result, Probe(On(root), {"pause"}, milliseconds(50)));
              if (!result.status.timed_out) return Internal(result.status.ToString());
              return result.status.signal == SIGKILL ? Status() : Internal("not killed");
            }),
            "ok");
}

TEST_F(LauncherTest, NamesTheStepThatFailed) {
  EXPECT_EQ(
      WithRoot([](const std::string& root) -> Status {
        LM_ASSIGN(Fd program, StaticTrueProgram());
        ContainerSpec spec = On(root);
        spec.program_fd = program.get();
        spec.working_dir = "/not/there";
        Status status = RunContainer(spec, seconds(20)).status();
        LM_TRY(Expect(status.operation() + " " + status.path() + " " + ErrnoName(status.error_number()),
                      "chdir /not/there ENOENT"));
        LM_TRY(MakeDirs(root + "/plain"));
        spec = On(root + "/plain");
        spec.program_fd = program.get();
        status = RunContainer(spec, seconds(20)).status();
        LM_TRY(Expect(status.operation() + " " + ErrnoName(status.error_number()), "pivot_root EINVAL"));
        spec = On(root);
        spec.argv = {"no-such-program"};
        status = RunContainer(spec, seconds(20)).status();
        LM_TRY(
            Expect(std::string(CodeName(status.code())) + " " + status.path(), "NOT_FOUND no-such-program"));
        LM_TRY(WriteFile(root + "/text", "no program", 0644));
        spec.argv = {"/text"};
        status = RunContainer(spec, seconds(20)).status();
        LM_TRY(Expect(ErrnoName(status.error_number()), "EACCES"));
        spec.argv = {};
        return Expect(std::string(CodeName(RunContainer(spec, seconds(20)).status().code())),
                      "INVALID_ARGUMENT");
      }),
      "ok");
}

TEST_F(LauncherTest, FindsThePrograminTheRootsPath) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_ASSIGN(Fd program, StaticProbeProgram());
              LM_ASSIGN(std::string bytes, ReadAll(program.get()));
              LM_TRY(MakeDirs(root + "/opt/x"));
              LM_TRY(WriteFile(root + "/opt/x/hello", bytes, 0755));
              ContainerSpec spec = On(root);
              spec.env = {"PATH=/nowhere:/opt/x"};
              spec.argv = {"hello", "print", "found"};
              LM_ASSIGN(ContainerResult result, RunContainer(spec, seconds(20)));
              LM_TRY(Expect(result.standard_output, "found"));
              return Expect(result.standard_error, "found");
            }),
            "ok");
}

TEST_F(LauncherTest, MountsWhatRealImagesExpect) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              ContainerSpec spec = On(root);
              spec.mount_proc = true;
              LM_ASSIGN(std::string status, ProbeOk(spec, {"read", "/proc/self/status"}));
              if (status.find("NSpid:\t1\n") == std::string::npos) return Internal(status);
              LM_TRY(ProbeOk(spec, {"write", "/dev/null", "x"}));
              LM_TRY(ProbeOk(spec, {"write", "/tmp/scratch", "x"}));
              LM_ASSIGN(std::string text, ProbeOk(spec, {"list"}));
              LM_ASSIGN(std::vector<ProbeLine> lines, ParseProbeListing(text));
              std::string paths;
              for (const ProbeLine& line : lines) paths += line.path + " ";
              LM_TRY(Expect(paths, " dev proc tmp "));
              // What lies on the image under those mounts: the bare mount points.
              LM_ASSIGN(std::vector<std::string> dev, ListDir(AT_FDCWD, root + "/dev"));
              LM_ASSIGN(std::vector<std::string> tmp, ListDir(AT_FDCWD, root + "/tmp"));
              return dev.empty() && tmp.empty() ? Status() : Internal("the container wrote into its image");
            }),
            "ok");
}

TEST_F(LauncherTest, AReadOnlyRootRefusesWrites) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              ContainerSpec spec = On(root);
              spec.read_only_root = true;
              LM_ASSIGN(ContainerResult result, Probe(spec, {"write", "/file", "x"}));
              LM_TRY(Expect(result.standard_error, "probe: open /file: Read-only file system\n"));
              return WriteFile(root + "/file", "the caller still may");
            }),
            "ok");
}

TEST_F(LauncherTest, ServesOverTheContainersOwnLoopback) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_ASSIGN(Fd program, StaticProbeProgram());
              ContainerSpec spec = On(root);
              spec.program_fd = program.get();
              spec.loopback = true;
              spec.argv = {"probe", "serve", "8080", "It works"};
              LM_ASSIGN(Container one, Container::Start(spec));
              spec.argv.back() = "Me too";
              LM_ASSIGN(Container two, Container::Start(spec));  // the same port, in a network of its own
              auto get = [](Container& container) -> Result<std::pair<int, std::string>> {
                for (;;) {
                  auto answer = container.HttpGet(8080, "/", seconds(5));
                  if (answer.ok() || answer.status().code() != Code::kUnavailable) return answer;
                  usleep(1000);
                }
              };
              LM_ASSIGN(auto first, get(one));
              LM_ASSIGN(auto second, get(two));
              if (first != std::pair(200, std::string("It works"))) return Internal("one: " + first.second);
              if (second != std::pair(200, std::string("Me too"))) return Internal("two: " + second.second);
              Status nobody = one.HttpGet(8081, "/", seconds(5)).status();
              LM_TRY(Expect(std::string(CodeName(nobody.code())), "UNAVAILABLE"));
              if (nobody.message().find("ECONNREFUSED") == std::string::npos) return nobody;
              // Without a handler, init of a namespace does not see the SIGTERM.
              LM_ASSIGN(ExitStatus status, one.Stop(milliseconds(20)));
              if (status.signal != SIGKILL) return Internal(status.ToString());
              if (one.Running() || !two.Running()) return Internal("the wrong one was stopped");
              return {};
            }),
            "ok");
}

TEST_F(LauncherTest, ReportsTheEndOfARunningContainer) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_ASSIGN(Fd program, StaticProbeProgram());
              ContainerSpec spec = On(root);
              spec.program_fd = program.get();
              spec.argv = {"probe", "print", "bye"};
              LM_ASSIGN(Container container, Container::Start(spec));
              while (container.Running()) usleep(1000);
              LM_ASSIGN(ExitStatus status, container.Stop(seconds(1)));
              if (!status.success()) return Internal(status.ToString());
              return Expect(container.output(), "byebye");
            }),
            "ok");
}

TEST_F(LauncherTest, StartsFromSeveralThreadsAtOnce) {
  EXPECT_EQ(WithRoot([](const std::string& root) -> Status {
              LM_ASSIGN(Fd program, StaticTrueProgram());
              std::vector<Status> failures(8);
              std::vector<std::thread> threads;
              for (Status& failure : failures) {
                threads.emplace_back([&root, &program, &failure] {
                  ContainerSpec spec = On(root);
                  spec.program_fd = program.get();
                  for (int i = 0; i < 10 && failure.ok(); ++i) {
                    Result<ContainerResult> result = RunContainer(spec, seconds(20));
                    if (!result.ok()) failure = result.status();
                    if (result.ok() && !result->status.success())
                      failure = Internal(result->status.ToString());
                  }
                });
              }
              for (std::thread& thread : threads) thread.join();
              for (const Status& failure : failures) LM_TRY(failure);
              return {};
            }),
            "ok");
}

}  // namespace
}  // namespace layermark
