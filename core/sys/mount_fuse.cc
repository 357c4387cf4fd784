// FUSE file systems whose program we run ourselves: types fuse.NAME and fuse3.NAME.
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <mutex>
#include <utility>

#include "core/sys/mount_internal.h"

namespace layermark {
namespace {

// For whoever counts what daemons do, after they have gone.
struct StartedDaemons {
  std::mutex mutex;
  std::vector<pid_t> pids;
};
StartedDaemons& Started() {
  static StartedDaemons started;
  return started;
}

}  // namespace

std::vector<pid_t> StartedFuseDaemons() {
  const std::lock_guard<std::mutex> lock(Started().mutex);
  return Started().pids;
}

}  // namespace layermark

namespace layermark::internal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kStartDeadline(10);
constexpr size_t kMaxArgument = size_t{128} << 10;  // MAX_ARG_STRLEN of the kernel

struct CommandLine {
  std::vector<std::string> argv;
  std::string working_directory;
  std::vector<Fd> layers;  // to be kept open until the program has found its layers
};

// Elements "lowerdir=PATH" become one option, the paths joined by ':'. There is no escape for ':' that every
// program understands (fuse-overlayfs has none). So where a path holds one, or where the list gets longer
// than an argument may be, the program stands in our /proc/PID/fd, in which each layer is a number.
Status AddOptions(const Mount& mount, CommandLine& out) {
  std::vector<KeyValue> options;
  size_t layer_bytes = 0;
  bool by_number = false;
  for (const std::string& option : mount.options) {
    if (option.empty() || option == "defaults") continue;
    options.push_back(SplitOption(option));
    if (!options.back().has_value || !IsLayerPathKey(options.back().key)) continue;
    by_number = by_number || options.back().value.find(':') != std::string::npos;
    layer_bytes += options.back().value.size() + 1;
  }
  by_number = by_number || layer_bytes > kMaxArgument / 2;
  if (by_number) {
    LM_ASSIGN(const std::string self, ReadLinkAt(AT_FDCWD, "/proc/self"));
    out.working_directory = fmt::format("/proc/{}/fd", self);
  }

  std::string layers;
  std::vector<std::string> words;
  for (KeyValue& kv : options) {
    if (kv.has_value && by_number && IsLayerPathKey(kv.key)) {
      LM_ASSIGN(Fd layer, Open(kv.value, O_PATH | O_DIRECTORY));
      kv.value = std::to_string(layer.get());
      out.layers.push_back(std::move(layer));
    }
    if (kv.has_value && (kv.key == "lowerdir" || kv.key == "lowerdir+")) {
      layers += (layers.empty() ? "" : ":") + kv.value;
    } else {
      words.push_back(kv.has_value ? kv.key + "=" + kv.value : kv.key);
    }
  }
  if (!layers.empty()) words.insert(words.begin(), "lowerdir=" + layers);
  // Each option is an argument of its own: together they may be longer than one argument.
  for (const std::string& word : words) {
    std::string escaped = EscapeWith(word, "\\,");  // undone by libfuse
    if (escaped.size() >= kMaxArgument) {
      return InvalidArgument(fmt::format("fuse option {}...: {} bytes, an argument takes {}",
                                         word.substr(0, 40), escaped.size(), kMaxArgument - 1));
    }
    out.argv.emplace_back("-o");
    out.argv.push_back(std::move(escaped));
  }
  return Status::Ok();
}

Result<CommandLine> MakeCommandLine(const Mount& mount, const std::string& target) {
  CommandLine out;
  std::string program = mount.type.substr(mount.type.find('.') + 1);
  std::string source = mount.source;
  if (const size_t hash = source.find('#'); hash != std::string::npos) {
    program = source.substr(0, hash);
    source = source.substr(hash + 1);
  }
  if (program.empty()) return InvalidArgument(fmt::format("mount type '{}': names no program", mount.type));
  out.argv = {program, "-f"};
  LM_TRY(AddOptions(mount, out));
  if (!source.empty() && source != "none") out.argv.push_back(source);
  out.argv.push_back(target);
  return out;
}

Status Failure(Code code, ChildProcess& daemon, const std::string& program, const std::string& what) {
  daemon.Drain();
  std::string said = daemon.output().substr(0, 2000);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return Status(code, fmt::format("{}: {}: {}", program, what, said.empty() ? "no message" : said));
}

}  // namespace

Result<ChildProcess> MountFuse(const Mount& mount, const std::string& target) {
  LM_ASSIGN(CommandLine command, MakeCommandLine(mount, target));
  // Opened before the start: from here on the kernel wakes a poll on it for every change of the mount table.
  LM_ASSIGN(const Fd changes, Open("/proc/self/mountinfo", O_RDONLY));
  const auto current_id = [&]() -> Result<uint64_t> {
    LM_ASSIGN(const Fd fd, Open(target, O_PATH));
    return MountIdOf(fd.get(), target);
  };
  LM_ASSIGN(const uint64_t before, current_id());

  CommandOptions options;
  options.working_directory = command.working_directory;
  options.never_block_output = true;
  options.max_output_bytes = size_t{64} << 10;
  LM_ASSIGN(ChildProcess daemon, ChildProcess::Spawn(command.argv, options));
  {
    const std::lock_guard<std::mutex> lock(Started().mutex);
    Started().pids.push_back(daemon.pid());
  }
  const std::string& program = command.argv[0];
  const auto end = Clock::now() + kStartDeadline;
  for (;;) {
    LM_ASSIGN(const std::optional<ExitStatus> ended, daemon.Poll());
    LM_ASSIGN(const uint64_t now, current_id());
    if (now != before) {
      if (!ended || ended->success()) return daemon;  // a success went to the background in spite of "-f"
      umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    if (ended) {
      return Failure(Code::kUnknown, daemon, program, ended->ToString() + " before its mount was there");
    }
    if (Clock::now() >= end) {
      return Failure(Code::kDeadlineExceeded, daemon, program,
                     fmt::format("no mount at {} within {} s", target, kStartDeadline.count()));
    }
    // The time limit is for an end without output and for a descriptor that stays readable.
    std::array<pollfd, 2> fds = {pollfd{changes.get(), POLLPRI, 0}, pollfd{daemon.output_fd(), POLLIN, 0}};
    poll(fds.data(), fds.size(), 20);
  }
}

}  // namespace layermark::internal
