// Area container: a process started in a container's namespaces on the driver's snapshot.
#include <utility>

#include "conformance/support/case.h"
#include "core/sys/fd.h"
#include "scenario/image_source.h"
#include "scenario/launcher.h"

namespace layermark {
namespace {

using std::chrono::seconds;

Layer Base() {
  return Layer()
      .Dir("etc")
      .File("etc/passwd", "root:x:0:0::/:\n")
      .File("etc/shadow", "secret", 0600)
      .Symlink("bin", "usr/bin")
      .Dir("usr")
      .Dir("usr/bin", 02755)
      .File("usr/bin/su", "x", 04755)
      .Chown("usr/bin", 12, 34)
      .Dir("tmp", 01777)
      .Fifo("pipe");
}

ContainerSpec On(const MountedSnapshot& snapshot) {
  ContainerSpec spec;
  spec.root = snapshot.path();
  return spec;
}

// Runs the static probe with `command`; what it says is in the result.
Result<ContainerResult> Probe(ContainerSpec spec, std::vector<std::string> command) {
  LM_ASSIGN(Fd program, StaticProbeProgram());
  spec.program_fd = program.get();
  spec.argv = std::move(command);
  spec.argv.insert(spec.argv.begin(), "probe");
  return RunContainer(spec, seconds(30));
}

// What the probe printed; a probe that fails is a Status with what it said.
Result<std::string> Ask(const ContainerSpec& spec, std::vector<std::string> command) {
  LM_ASSIGN(ContainerResult result, Probe(spec, std::move(command)));
  if (!result.status.success()) return Internal(result.status.ToString() + ": " + result.standard_error);
  return result.standard_output;
}

bool Says(CaseContext& t, const ContainerSpec& spec, std::vector<std::string> command,
          const std::string& expected) {
  const std::string what = command.front();
  Result<std::string> seen = Ask(spec, std::move(command));
  return t.Ok(seen, what) && t.Equal(expected, *seen, what);
}

// The listing made inside, as a manifest.
Result<Manifest> SeenInside(const ContainerSpec& spec) {
  LM_ASSIGN(std::string text, Ask(spec, {"list"}));
  LM_ASSIGN(std::vector<ProbeLine> lines, ParseProbeListing(text));
  return ProbeManifest(lines);
}

// A listing holds neither attributes nor holes.
const CompareOptions kAsListed = {.xattrs = false, .hole_tolerance_bytes = -1, .ignored_paths = {}};

}  // namespace

LM_CASE(
    container, sees_exactly_the_snapshot,
    .claim = "the process sees every name, attribute and content of the mounted snapshot and nothing else",
    .source = "properties 1; properties 2; rule 23", .needs = {Capability::priv_namespaces}) {
  t.Given({Base().Link("etc/passwd2", "etc/passwd"),
           Layer().Remove("pipe").File("etc/new", "upper").Chmod("etc/shadow", 0640)});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  Result<Manifest> inside = SeenInside(On(*snapshot));
  if (!t.Ok(inside, "listing inside")) return;
  t.SameTree(t.given_manifest(), *inside, "the container does not see what the model says", kAsListed);
}

LM_CASE(container, writes_land_in_its_layer,
        .claim = "what the process writes is in its snapshot, also after commit, and not in the parent",
        .source = "rule 42; properties 28", .needs = {Capability::priv_namespaces}) {
  t.Given({Base()});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  t.Ok(Ask(On(*snapshot), {"write", "/etc/passwd", "changed"}), "changing a lower file");
  t.Ok(Ask(On(*snapshot), {"write", "/tmp/new", "new"}), "making a file");
  Result<Manifest> inside = SeenInside(On(*snapshot));
  if (!t.Ok(inside, "listing inside")) return;
  t.Check(Compare(t.given_manifest(), *inside, kAsListed).size() > 1,
          "the container's own writes do not show inside");
  if (!t.Ok(snapshot->Unmount(), "unmount") || !t.Ok(t.api().Commit("c1", "c"), "commit")) return;
  Result<Manifest> committed = t.subject().ViewManifest("c1");
  if (t.Ok(committed, "viewing the committed snapshot")) {
    t.SameTree(*inside, *committed, "the commit is not what the container saw", kAsListed);
  }
  Result<Manifest> parent = t.subject().ViewManifest(t.given());
  if (t.Ok(parent, "viewing the parent")) t.SameTree(t.given_manifest(), *parent, "the parent was changed");
}

LM_CASE(container, two_of_one_image_are_apart,
        .claim = "two containers on one image run side by side and do not see each other's writes",
        .source = "rule 3; rule 23", .needs = {Capability::priv_namespaces}) {
  t.Given({Base()});
  if (t.ended()) return;
  MountedSnapshot* one = t.PrepareOnGiven("one");
  MountedSnapshot* two = t.PrepareOnGiven("two");
  if (one == nullptr || two == nullptr) return;
  // One is running all the while.
  Result<Fd> program = StaticProbeProgram();
  if (!program.ok()) return t.Error(program.status().ToString());
  ContainerSpec paused = On(*one);
  paused.program_fd = program->get();
  paused.argv = {"probe", "pause"};
  Result<Container> running = Container::Start(paused);
  if (!t.Ok(running, "starting the first")) return;
  t.Ok(Ask(On(*one), {"write", "/etc/passwd", "of one"}), "writing in the first");
  t.Ok(Ask(On(*one), {"write", "/mine", "of one"}), "writing in the first");
  Result<Manifest> second = SeenInside(On(*two));
  if (t.Ok(second, "listing the second")) {
    t.SameTree(t.given_manifest(), *second, "the second container sees the first's writes", kAsListed);
  }
  t.Ok(Ask(On(*two), {"write", "/etc/passwd", "of two"}), "writing in the second");
  Says(t, On(*one), {"read", "/etc/passwd"}, "of one");
  Says(t, On(*two), {"read", "/etc/passwd"}, "of two");
  t.Check(running->Running(), "the first container ended");
  t.Ok(running->Stop(std::chrono::milliseconds(0)), "stopping the first");
}

LM_CASE(container, read_only_root_refuses_writes,
        .claim = "with a read-only root every write is EROFS and nothing changes",
        .source = "runtime-spec config.md root.readonly", .needs = {Capability::priv_namespaces}) {
  t.Given({Base()});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  ContainerSpec spec = On(*snapshot);
  spec.read_only_root = true;
  for (const char* path : {"/etc/passwd", "/new"}) {
    Result<ContainerResult> refused = Probe(spec, {"write", path, "x"});
    if (!t.Ok(refused, "running the probe")) continue;
    t.Equal(1, refused->status.code, std::string("exit status of a write to ") + path);
    t.Check(refused->standard_error.find("Read-only file system") != std::string::npos,
            std::string("write to ") + path + ": " + refused->standard_error);
  }
  Result<Manifest> after = ReadManifest(snapshot->root_fd());
  if (t.Ok(after, "reading the snapshot")) t.SameTree(t.given_manifest(), *after, "the snapshot was changed");
  t.Ok(Ask(On(*snapshot), {"write", "/new", "x"}), "a container with a writable root on the same mount");
}

LM_CASE(container, a_view_refuses_writes,
        .claim = "a container on a view of an image reads it and cannot write", .source = "rule 27",
        .needs = {Capability::priv_namespaces}) {
  t.Given({Base()});
  if (t.ended()) return;
  Result<MountedSnapshot> view = t.subject().View("v", t.given());
  if (!t.Ok(view, "view")) return;
  Result<Manifest> inside = SeenInside(On(*view));
  if (t.Ok(inside, "listing inside")) t.SameTree(t.given_manifest(), *inside, "the view inside", kAsListed);
  Result<ContainerResult> refused = Probe(On(*view), {"write", "/etc/passwd", "x"});
  if (t.Ok(refused, "running the probe")) {
    t.Check(refused->standard_error.find("Read-only file system") != std::string::npos,
            "write in a view: " + refused->status.ToString() + " " + refused->standard_error);
  }
}

LM_CASE(container, runs_with_the_ids_given,
        .claim = "the process has the user, groups, directory and environment given, and is pid 1",
        .source = "runtime-spec config.md process", .needs = {Capability::priv_namespaces}) {
  t.Given({Base().Dir("srv").Dir("srv/web")});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  ContainerSpec spec = On(*snapshot);
  spec.uid = 33;
  spec.gid = 44;
  spec.groups = {5, 6};
  spec.working_dir = "/srv/web";
  spec.env = {"A=one two"};
  Says(t, spec, {"ids"}, "uid 33 gid 44 groups 5,6 cwd /srv/web pid 1\n");
  Says(t, spec, {"env", "A"}, "one two");
}

LM_CASE(container, permissions_are_enforced,
        .claim = "another user in the container may do what the modes of the snapshot say and no more",
        .source = "runtime-spec config.md process.user",
        .needs = {Capability::priv_namespaces, Capability::priv_chown}) {
  t.Given({Base().File("mine", "x", 0600).Chown("mine", 33, 44)});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  ContainerSpec spec = On(*snapshot);
  spec.uid = 33;
  spec.gid = 44;
  for (const char* path : {"/etc/shadow", "/etc/passwd", "/new"}) {
    Result<ContainerResult> refused = Probe(spec, {"write", path, "x"});
    if (!t.Ok(refused, "running the probe")) continue;
    t.Check(refused->standard_error.find("Permission denied") != std::string::npos,
            std::string("write of another user to ") + path + ": " + refused->status.ToString());
  }
  t.Ok(Ask(spec, {"write", "/mine", "changed"}), "writing the user's own file of a lower layer");
  t.Ok(Ask(spec, {"write", "/tmp/new", "x"}), "making a file in a directory that anyone may write");
  Says(t, spec, {"read", "/mine"}, "changed");
}

LM_CASE(container, mounts_made_inside_stay_inside,
        .claim = "/proc, /dev and /tmp of a container are no mounts outside and leave the snapshot as it was",
        .source = "runtime-spec config.md mounts", .needs = {Capability::priv_namespaces}) {
  t.Given({Base().Dir("proc").Dir("dev")});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  ContainerSpec spec = On(*snapshot);
  spec.mount_proc = true;
  t.Ok(Ask(spec, {"write", "/tmp/inside", "x"}), "writing to the container's /tmp");
  Result<std::vector<MountInfo>> mounts = ReadMountInfo();
  if (!mounts.ok()) return t.Error(mounts.status().ToString());
  for (const MountInfo& mount : *mounts) {
    t.Check(!mount.mount_point.starts_with(snapshot->path() + "/"), "mounted outside: " + mount.mount_point);
  }
  Result<Manifest> after = ReadManifest(snapshot->root_fd());
  if (t.Ok(after, "reading the snapshot")) t.SameTree(t.given_manifest(), *after, "the snapshot was changed");
}

LM_CASE(container, exit_status_is_reported, .claim = "the exit status of the process comes out as it is",
        .source = "runtime-spec runtime.md", .needs = {Capability::priv_namespaces}) {
  t.Given({Base()});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  for (int status : {0, 7, 255}) {
    Result<ContainerResult> ended = Probe(On(*snapshot), {"exit", std::to_string(status)});
    if (t.Ok(ended, "running the probe")) t.Equal(status, ended->status.code, "exit status");
  }
}

LM_CASE(container, starts_a_program_of_a_lower_layer,
        .claim = "a program that lies in a lower layer is found on PATH and runs",
        .source = "runtime-spec config.md process", .needs = {Capability::priv_namespaces}) {
  Result<Fd> program = StaticProbeProgram();
  if (!program.ok()) return t.Error(program.status().ToString());
  Result<std::string> bytes = ReadAll(program->get());
  if (!bytes.ok()) return t.Error(bytes.status().ToString());
  t.Given({Layer().Dir("opt").File("opt/hello", *bytes, 0755), Layer().File("upper", "x")});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("c");
  if (snapshot == nullptr) return;
  ContainerSpec spec = On(*snapshot);
  spec.env = {"PATH=/nowhere:/opt"};
  spec.argv = {"hello", "print", "found"};
  Result<ContainerResult> result = RunContainer(spec, seconds(30));
  if (t.Ok(result, "running")) t.Equal(std::string("found"), result->standard_output, "standard output");
}

LM_CASE(container, starts_what_the_image_says,
        .claim = "the run's image, unpacked layer by layer, starts the program that its config names",
        .source = "image-spec config.md; rule 42", .needs = {Capability::priv_namespaces},
        .deadline_seconds = 300, .wants_image = true) {
  std::string parent;
  for (size_t i = 0; i < t.image().layer_count(); ++i) {
    Result<Fd> layer = t.image().OpenLayer(i);
    if (!layer.ok()) return t.Error(layer.status().ToString());
    const std::string name = "image" + std::to_string(i);
    if (!t.Ok(t.subject().CommitTar(name, parent, layer->get()), "unpacking layer " + std::to_string(i)))
      return;
    parent = name;
  }
  Result<MountedSnapshot> snapshot = t.subject().Prepare("c", parent);
  if (!t.Ok(snapshot, "prepare and mount")) return;
  Result<ContainerSpec> spec = SpecFromImage(t.image().config(), snapshot->path());
  if (spec.status().code() == Code::kFailedPrecondition) {
    // An image without a program: the probe must see the image's tree.
    Result<Manifest> expected = ReadManifest(snapshot->root_fd());
    Result<Manifest> inside = SeenInside(On(*snapshot));
    if (t.Ok(expected, "reading the image's tree") && t.Ok(inside, "listing inside")) {
      t.SameTree(*expected, *inside, "the container does not see the image", kAsListed);
    }
    return;
  }
  if (!t.Ok(spec, "reading the image's config")) return;
  // A service never ends by itself; that it is alive after its start, or ended well, is what is asked.
  Result<Container> container = Container::Start(*spec);
  if (!t.Ok(container, "starting " + (spec->argv.empty() ? "" : spec->argv[0]))) return;
  for (int i = 0; i < 100 && container->Running(); ++i) usleep(10'000);
  const bool running = container->Running();
  Result<ExitStatus> ended = container->Stop(seconds(10));
  if (t.Ok(ended, "stopping") && !running) {
    t.Check(ended->success(), "the image's program: " + ended->ToString() + ": " + container->output());
  }
}

}  // namespace layermark
