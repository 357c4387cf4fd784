#include "scenario/worker.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <list>
#include <utility>

#include "scenario/worker_process.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

volatile sig_atomic_t g_interrupted = 0;

void OnInterrupt(int) {
  g_interrupted = 1;
}

// A killed tree whose head stays in the kernel for longer than this is left behind (it cannot run user code
// again); the run goes on without it.
constexpr auto kKillPatience = std::chrono::seconds(10);
constexpr auto kHardKillAfter = std::chrono::seconds(2);

struct Running {
  size_t index;
  WorkerProcess process;
  Clock::time_point started;
  Clock::time_point deadline;
  bool killed = false;
  bool killed_hard = false;
};

WorkerAnswer Answer(Running& worker) {
  WorkerAnswer answer;
  answer.index = worker.index;
  answer.seconds = std::chrono::duration<double>(Clock::now() - worker.started).count();
  worker.process.Drain();
  if (worker.process.Reap()) answer.status = worker.process.status();
  answer.status.timed_out = worker.killed;
  // Half an answer is none: a body that did not finish may have been writing it.
  if (answer.status.success()) answer.text = worker.process.TakeText();
  return answer;
}

void Wait(std::list<Running>& running) {
  std::vector<pollfd> fds;
  auto until = Clock::now() + std::chrono::milliseconds(100);
  for (Running& worker : running) {
    if (worker.process.answer_fd() >= 0) fds.push_back({worker.process.answer_fd(), POLLIN, 0});
    fds.push_back({worker.process.exit_fd(), POLLIN, 0});
    if (!worker.killed) until = std::min(until, worker.deadline);
  }
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  poll(fds.data(), fds.size(), static_cast<int>(std::max<int64_t>(left + 1, 0)));
}

// Kills what runs past its deadline; true once the worker has ended or was given up.
bool Advance(Running& worker) {
  worker.process.Drain();
  if (worker.process.Reap()) return true;
  auto now = Clock::now();
  if (now < worker.deadline) return false;
  if (!worker.killed) {
    worker.killed = true;
    worker.process.Kill();
  }
  if (!worker.killed_hard && now >= worker.deadline + kHardKillAfter) {
    worker.killed_hard = true;
    worker.process.KillHard();
  }
  return now >= worker.deadline + kKillPatience;
}

void KillAll(std::list<Running>& running) {
  auto now = Clock::now();
  for (Running& worker : running) worker.deadline = std::min(worker.deadline, now);
  while (!running.empty()) {
    running.remove_if([](Running& worker) { return Advance(worker); });
    if (!running.empty()) Wait(running);
  }
}

}  // namespace

void InstallInterruptHandler() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() {
  return g_interrupted != 0;
}

Status RunWorkers(std::vector<WorkerJob> jobs, int parallel,
                  const std::function<bool(const WorkerAnswer&)>& done,
                  const std::function<void()>& meanwhile) {
  if (parallel < 1) return InvalidArgument("RunWorkers: parallel must be at least 1");
  std::list<Running> running;
  size_t next = 0;
  while (next < jobs.size() || !running.empty()) {
    if (Interrupted()) {
      KillAll(running);
      return {Code::kCancelled, "interrupted"};
    }
    while (next < jobs.size() && running.size() < static_cast<size_t>(parallel)) {
      auto started = Clock::now();
      Result<WorkerProcess> process = WorkerProcess::Start(jobs[next].body);
      if (!process.ok()) {
        KillAll(running);
        return process.status();
      }
      running.push_back({next, std::move(*process), started, started + jobs[next].deadline});
      ++next;
    }
    Wait(running);
    if (meanwhile) meanwhile();
    for (auto it = running.begin(); it != running.end();) {
      if (!Advance(*it)) {
        ++it;
        continue;
      }
      Status setup = it->process.Reap() ? it->process.setup() : Status();
      WorkerAnswer answer = Answer(*it);
      it = running.erase(it);
      if (!setup.ok() || !done(answer)) {
        KillAll(running);
        return setup;
      }
    }
  }
  return {};
}

}  // namespace layermark
