#include "scenario/kernel_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace layermark {
namespace {

constexpr std::string_view kMarks[] = {
    "WARNING:",
    "BUG:",
    "kernel BUG at",
    "Oops",
    "general protection",
    "Unable to handle kernel",
    "Kernel panic",
    "KASAN:",
    "KCSAN:",
    "UBSAN:",
    "kmemleak:",
    "possible circular locking",
    "possible recursive locking",
    "inconsistent lock state",
    "suspicious RCU usage",
    "blocked for more than",
    "self-detected stall",
    "detected stalls on",
    "soft lockup",
    "EXT4-fs error",
    "BTRFS error",
    "BTRFS critical",
    "BTRFS: error",
    "XFS: Assertion failed",
    "I/O error",
};
// Marks of one file system that hold only together.
constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
    {"XFS (", "orruption"},  {"XFS (", "nternal error"}, {"XFS (", "Shutting down filesystem"},
    {"erofs", "corrupted"},  {"overlayfs", "corrupted"}, {"EXT4-fs (", "error count"},
    {"EXT4-fs (", "orrupt"}, {"JBD2:", "rror"},          {"Aborting journal", "on device"},
};

Result<uint64_t> ReadTaint(const std::string& file) {
  LM_ASSIGN(std::string text, ReadFile(file, 64));
  uint64_t taint = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), taint).ec != std::errc()) {
    return DataLoss(file + " holds no number: " + text);
  }
  return taint;
}

}  // namespace

std::optional<std::string> KernelProblem(std::string_view record) {
  // "priority,sequence,time,flags;text\n KEY=value..."; the facility is what the priority holds above bit 3.
  unsigned priority = 0;
  if (std::from_chars(record.data(), record.data() + record.size(), priority).ec != std::errc()) {
    return std::nullopt;
  }
  if (priority >> 3 != 0) return std::nullopt;
  size_t start = record.find(';');
  if (start == std::string_view::npos) return std::nullopt;
  std::string_view text = record.substr(start + 1);
  text = text.substr(0, text.find('\n'));
  auto holds = [text](std::string_view mark) { return text.find(mark) != std::string_view::npos; };
  bool problem = std::any_of(std::begin(kMarks), std::end(kMarks), holds) ||
                 std::any_of(std::begin(kPairs), std::end(kPairs),
                             [&](const auto& pair) { return holds(pair.first) && holds(pair.second); });
  if (!problem) return std::nullopt;
  return std::string(text);
}

std::vector<int> LoopDevicesIn(std::string_view text) {
  constexpr std::string_view kName = "loop";
  std::vector<int> numbers;
  const auto is_word = [&](size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_');
  };
  for (size_t at = text.find(kName); at != text.npos; at = text.find(kName, at + 1)) {
    int number = 0;
    const auto parsed = std::from_chars(text.data() + at + kName.size(), text.data() + text.size(), number);
    const bool whole =
        (at == 0 || !is_word(at - 1)) && !is_word(static_cast<size_t>(parsed.ptr - text.data()));
    if (parsed.ec == std::errc() && number >= 0 && whole) numbers.push_back(number);
  }
  return numbers;
}

Result<KernelLog> KernelLog::OpenAtEnd() {
  LM_ASSIGN(Fd log, Open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  if (lseek(log.get(), 0, SEEK_END) < 0) return Status::Errno("lseek", "/dev/kmsg");
  return OpenOver(std::move(log), "/proc/sys/kernel/tainted");
}

Result<KernelLog> KernelLog::OpenOver(Fd log, std::string taint_file) {
  KernelLog reader;
  reader.log_ = std::move(log);
  reader.taint_file_ = std::move(taint_file);
  LM_ASSIGN(reader.taint_, ReadTaint(reader.taint_file_));
  return reader;
}

Status KernelLog::ReadOn() {
  char record[8192];
  for (;;) {
    ssize_t n = read(log_.get(), record, sizeof(record));
    if (n > 0) {
      if (auto text = KernelProblem({record, static_cast<size_t>(n)})) collected_.push_back(std::move(*text));
    } else if (n == 0 || errno == EAGAIN) {
      return Status::Ok();
    } else if (errno == EPIPE) {
      collected_.emplace_back("kernel messages were overwritten before they could be read");
    } else if (errno != EINTR) {
      return Status::Errno("read", "/dev/kmsg");
    }
  }
}

void KernelLog::Collect() {
  (void)ReadOn();
}

Result<std::vector<std::string>> KernelLog::NewProblems(const std::vector<std::string>& allowed,
                                                        bool all_devices) {
  LM_TRY(ReadOn());
  LM_ASSIGN(uint64_t taint, ReadTaint(taint_file_));
  if (taint != taint_) {
    collected_.push_back("taint changed from " + std::to_string(taint_) + " to " + std::to_string(taint));
    taint_ = taint;
  }
  std::vector<std::string> problems = std::move(collected_);
  collected_.clear();
  std::erase_if(problems, [&](const std::string& text) {
    const std::vector<int> devices = LoopDevicesIn(text);
    return std::any_of(allowed.begin(), allowed.end(),
                       [&](const std::string& part) { return text.find(part) != std::string::npos; }) ||
           (!all_devices && !devices.empty() &&
            std::none_of(devices.begin(), devices.end(), [&](int number) { return loops_.WasOurs(number); }));
  });
  loops_.Forget();
  return problems;
}

}  // namespace layermark
