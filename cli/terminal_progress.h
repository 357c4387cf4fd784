// Progress on standard error: one line that rewrites itself, with the time left, on a terminal; quiet lines
// otherwise.
#ifndef LAYERMARK_CLI_TERMINAL_PROGRESS_H_
#define LAYERMARK_CLI_TERMINAL_PROGRESS_H_

#include <chrono>
#include <string>

#include "scenario/progress.h"

namespace layermark {

class TerminalProgress : public Progress {
 public:
  TerminalProgress();
  void Begin(const std::string& phase, size_t total) override;
  void Step(const std::string& what) override;
  void Note(const std::string& line) override;
  void End(const std::string& summary) override;

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(const std::string& what);
  void Wipe();

  bool terminal_;
  std::string phase_;
  size_t total_ = 0, done_ = 0;
  Clock::time_point began_, drawn_, said_;
  bool line_on_screen_ = false;
};

}  // namespace layermark

#endif  // LAYERMARK_CLI_TERMINAL_PROGRESS_H_
