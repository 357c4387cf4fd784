#include "bench/gate/canary.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <sstream>

#include "core/sys/fd.h"
#include "results/statistics.h"

namespace layermark {
namespace {

constexpr int kPairs = 60;

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// About ten microseconds of arithmetic that no compiler can leave out.
void Spin() {
  volatile uint64_t x = 88172645463325252ULL;
  for (int i = 0; i < 4000; ++i) x = x * 6364136223846793005ULL + 1442695040888963407ULL;
}

Status Touch(const std::string& path) {
  LM_ASSIGN(Fd fd, Open(path, O_CREAT | O_EXCL | O_WRONLY, 0600));
  LM_TRY(WriteAll(fd.get(), "canary"));
  LM_TRY(fd.Close());
  return unlink(path.c_str()) == 0 ? Status::Ok() : Status::Errno("unlink", path);
}

}  // namespace

Status Canary::Sing() {
  const std::string path = directory_ + "/canary";
  for (int i = 0; i < kPairs; ++i) {
    const int64_t t0 = NowNs();
    Spin();
    const int64_t t1 = NowNs();
    Spin();
    const int64_t t2 = NowNs();
    cpu_.push_back(std::log(static_cast<double>(t2 - t1) / static_cast<double>(t1 - t0)));
    const int64_t f0 = NowNs();
    LM_TRY(Touch(path));
    const int64_t f1 = NowNs();
    LM_TRY(Touch(path));
    const int64_t f2 = NowNs();
    file_.push_back(std::log(static_cast<double>(f2 - f1) / static_cast<double>(f1 - f0)));
  }
  return Status::Ok();
}

std::vector<double> Canary::LogRatios() const {
  if (cpu_.empty()) return {};
  return {Median(cpu_), Median(file_)};
}

StealCounter ReadSteal() {
  StealCounter counter;
  const Result<std::string> text = ReadFile("/proc/stat", size_t{1} << 20);
  if (!text.ok()) return counter;
  std::istringstream line(text->substr(0, text->find('\n')));
  std::string word;
  line >> word;
  double value = 0;
  for (int i = 0; i < 8 && line >> value; ++i) {
    counter.all += value;
    if (i == 7) counter.stolen = value;
  }
  return counter;
}

double StealFraction(const StealCounter& before, const StealCounter& after) {
  return after.all > before.all ? (after.stolen - before.stolen) / (after.all - before.all) : 0;
}

}  // namespace layermark
