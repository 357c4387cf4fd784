#include "drivers/exec/program.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/sys/process.h"
#include "drivers/breach.h"

namespace layermark {
namespace {

// What a program wrote last says most: a trace ends with its error.
std::string EndOf(std::string_view text) {
  constexpr size_t kShown = 2000;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.size() <= kShown) return std::string(text);
  return "..." + std::string(text.substr(text.size() - kShown));
}

// The most common mistake: a script named by a path that holds only where layermark was started.
std::string Hint(const std::vector<std::string>& command) {
  for (size_t i = 1; i < command.size(); ++i) {
    struct stat st = {};
    if (command[i].starts_with('/') || stat(command[i].c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    return fmt::format(
        " (the program runs in its root: \"{}\" is not found there unless its path is absolute)", command[i]);
  }
  return "";
}

}  // namespace

Result<ExecReply> ExecProgram::Call(ExecVerb verb, nlohmann::json request) {
  request["root"] = root_;
  std::string input;
  try {
    input = request.dump();
  } catch (const nlohmann::json::exception&) {
    return InvalidArgument(
        fmt::format("{}: what is asked is not UTF-8 and cannot be said in JSON", VerbName(verb)));
  }
  std::unique_lock<std::mutex> turn(one_at_a_time_, std::defer_lock);
  if (serial_) turn.lock();
  Result<ExecReply> reply = Run(verb, input);
  if (!reply.ok()) NoteBreach(reply.status());
  return reply;
}

Result<ExecReply> ExecProgram::Run(ExecVerb verb, const std::string& input) {
  std::vector<std::string> argv = command_;
  argv.emplace_back(VerbName(verb));
  const std::string what = fmt::format("{} {}", command_[0], VerbName(verb));
  if (hung_)
    return Status(Code::kDeadlineExceeded, what + ": not called: the program hung in an earlier call");
  CommandOptions options;
  options.working_directory = root_;
  options.standard_input = input;
  options.deadline = deadline_;
  Result<CommandOutput> output = RunCommand(argv, options);
  if (!output.ok()) {
    // NOT_FOUND of a missing program must not pass for NOT_FOUND of a missing snapshot.
    const bool too_much = output.status().code() == Code::kOutOfRange;
    return Status(too_much ? Code::kOutOfRange : Code::kUnavailable,
                  fmt::format("{}: {}{}", what, output.status().message(), Hint(command_)));
  }
  const std::string said = EndOf(output->standard_error);
  const std::string heard = said.empty() ? "" : fmt::format("; standard error: {}", said);
  const ExitStatus& exit = output->status;
  if (exit.timed_out) {
    hung_ = true;
    return Status(Code::kDeadlineExceeded,
                  fmt::format("{}: no end after {} s, killed{}", what,
                              std::chrono::duration<double>(deadline_).count(), heard));
  }
  if (exit.signal != 0)
    return DataLoss(fmt::format("{}: {}{}{}", what, exit.ToString(), heard, Hint(command_)));
  Result<ExecReply> reply = ReadExecReply(verb, exit.code, output->standard_output);
  if (!reply.ok())
    return DataLoss(fmt::format("{}: {}{}{}", what, reply.status().message(), heard, Hint(command_)));
  if (!reply->status.ok()) {
    reply->status =
        Status(reply->status.code(), fmt::format("{}: {}{}", what, reply->status.message(), heard));
  }
  return reply;
}

}  // namespace layermark
