#include "cli/terminal_progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace layermark {
namespace {

double Seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

std::string Left(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s left", seconds);
  return fmt::format("{:.0f} min left", seconds / 60);
}

size_t TerminalWidth() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

}  // namespace

TerminalProgress::TerminalProgress() {
  const char* term = std::getenv("TERM");
  terminal_ = isatty(STDERR_FILENO) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

void TerminalProgress::Begin(const std::string& phase, size_t total) {
  phase_ = phase;
  total_ = total;
  done_ = 0;
  began_ = said_ = Clock::now();
  drawn_ = {};
  if (terminal_) {
    Draw("");
  } else {
    fmt::print(stderr, "{}: {} to do\n", phase_, total_);
  }
}

void TerminalProgress::Wipe() {
  if (line_on_screen_) fmt::print(stderr, "\r\033[K");
  line_on_screen_ = false;
}

void TerminalProgress::Draw(const std::string& what) {
  const double elapsed = Seconds(Clock::now() - began_);
  std::string text = fmt::format("{}: {}/{}", phase_, done_, total_);
  if (done_ > 0 && done_ < total_ && elapsed > 1) {
    text += ", " + Left(elapsed / static_cast<double>(done_) * static_cast<double>(total_ - done_));
  }
  if (!what.empty()) text += "  " + what;
  const size_t width = TerminalWidth() - 1;
  if (text.size() > width) text.resize(width);
  fmt::print(stderr, "\r\033[K{}", text);
  std::fflush(stderr);
  line_on_screen_ = true;
  drawn_ = Clock::now();
}

void TerminalProgress::Step(const std::string& what) {
  ++done_;
  const auto now = Clock::now();
  if (terminal_) {
    if (Seconds(now - drawn_) > 0.1 || done_ == total_) Draw(what);
  } else if (Seconds(now - said_) > 20 && done_ < total_) {
    const double elapsed = Seconds(now - began_);
    fmt::print(stderr, "  {}/{}, {}\n", done_, total_,
               Left(elapsed / static_cast<double>(done_) * static_cast<double>(total_ - done_)));
    said_ = now;
  }
}

void TerminalProgress::Note(const std::string& line) {
  Wipe();
  fmt::print(stderr, "  {}\n", line);
}

void TerminalProgress::End(const std::string& summary) {
  Wipe();
  fmt::print(stderr, "{}: {} ({:.1f} s)\n", phase_, summary, Seconds(Clock::now() - began_));
}

}  // namespace layermark
