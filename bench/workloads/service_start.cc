// Service start: from Prepare until the service in the container answers on its loopback.
#include <fmt/core.h>
#include <time.h>

#include <charconv>

#include "bench/harness/fixture.h"
#include "scenario/launcher.h"

namespace layermark {
namespace {

constexpr const char* kText = "layermark probe page";

class ServiceStart : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_ASSIGN(top_, fixture().Unpack());
    LM_ASSIGN(raw_root_, fixture().UnpackRaw("tree"));
    LM_ASSIGN(probe_, StaticProbeProgram());
    const ImageConfig& config = context_.image->config();
    own_service_ = !config.exposed_ports.empty() && !(config.entrypoint.empty() && config.cmd.empty());
    if (own_service_) {
      const std::string& port = config.exposed_ports.front();
      const auto parsed = std::from_chars(port.data(), port.data() + port.size(), port_);
      if (parsed.ec != std::errc())
        return InvalidArgument(fmt::format("the image exposes \"{}\", which is no port", port));
    }
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch& watch) { return OnDriver(watch); },
                                             FunctionSide::Step{}, [this] { return StopOnDriver(); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch& watch) { return OnBind(watch); },
                                          FunctionSide::Step{}, [this] { return StopOnBind(); });
    return Status::Ok();
  }

  Status Verify() override {
    // The same answer as from an ordinary directory with the same image.
    Stopwatch unused;
    LM_TRY(OnBind(unused));
    const std::string expected = body_;
    LM_TRY(StopOnBind());
    const Status status = OnDriver(unused);
    const std::string seen = body_;
    LM_TRY(status);
    LM_TRY(StopOnDriver());
    if (seen.empty() || seen != expected) {
      return WrongAnswer(fmt::format("the service answers {} bytes, on an ordinary directory {}", seen.size(),
                                     expected.size()));
    }
    return Status::Ok();
  }

 private:
  // Starts the container on `root` and asks until it answers.
  Status Serve(const std::string& root, std::unique_ptr<Container>& container) {
    ContainerSpec spec;
    if (own_service_) {
      LM_ASSIGN(spec, SpecFromImage(context_.image->config(), root));
    } else {
      spec.root = root;
      spec.program_fd = probe_.get();
      spec.argv = {"probe", "serve", std::to_string(port_), kText};
      spec.loopback = true;
    }
    LM_ASSIGN(Container started, Container::Start(spec));
    container = std::make_unique<Container>(std::move(started));
    for (int attempt = 0; attempt < 20000; ++attempt) {
      Result<std::pair<int, std::string>> answer = container->HttpGet(port_, "/", std::chrono::seconds(5));
      if (answer.ok()) {
        if (answer->first != 200) return WrongAnswer(fmt::format("the service answers {}", answer->first));
        body_ = answer->second;
        return Status::Ok();
      }
      if (!container->Running()) {
        return WrongAnswer("the service ended: " + container->output());
      }
      const timespec pause = {0, 200'000};
      nanosleep(&pause, nullptr);
    }
    return Status(Code::kDeadlineExceeded, "the service does not answer: " + container->output());
  }

  Status OnDriver(Stopwatch& watch) {
    key_ = NextKey("service");
    LM_ASSIGN(snapshot_, fixture().subject().Prepare(key_, top_));
    LM_TRY(Serve(snapshot_.path(), on_driver_));
    watch.Phase(Metric::ready_time);
    return Status::Ok();
  }

  Status StopOnDriver() {
    LM_TRY(on_driver_->Stop(Grace()).status());
    on_driver_.reset();
    LM_TRY(snapshot_.Unmount());
    return api().Remove(key_);
  }

  Status OnBind(Stopwatch& watch) {
    LM_ASSIGN(bind_, MountedSnapshot::Mount("bind", {{"bind", raw_root_, "", {"rbind", "rw"}}}));
    LM_TRY(Serve(bind_.path(), on_bind_));
    watch.Phase(Metric::ready_time);
    return Status::Ok();
  }

  Status StopOnBind() {
    LM_TRY(on_bind_->Stop(Grace()).status());
    on_bind_.reset();
    return bind_.Unmount();
  }

  // A service gets time to end; the static server has nothing to tidy up.
  std::chrono::milliseconds Grace() const { return std::chrono::milliseconds(own_service_ ? 3000 : 0); }

  std::string top_, raw_root_, key_, body_;
  Fd probe_;
  bool own_service_ = false;
  int port_ = 8080;
  MountedSnapshot snapshot_, bind_;
  std::unique_ptr<Container> on_driver_, on_bind_;
};

LM_WORKLOAD(
    service_start,
    {.family = "container_start",
     .summary = "time until the image's service (without one: a small static server) answers HTTP 200",
     .source = "performance.md W05; HelloBench",
     .operation = "prepare, mount, start what the config says, GET / until it answers",
     .raw_twin = "the same on a bind mount of the unpacked image",
     .image = {.stacks = 1, .trees = 1, .plain = 1},
     .min_pairs = 5,
     .max_pairs = 60,
     .seconds_quick = 0.6,
     .inexact_counts = {{"", ""}}},
    MakeWorkload<ServiceStart>);

}  // namespace
}  // namespace layermark
