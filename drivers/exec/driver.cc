// exec: any program that speaks the protocol of docs/exec-protocol.md.
#include "drivers/driver.h"

#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/sys/process.h"
#include "drivers/exec/command_line.h"
#include "drivers/exec/exec_snapshotter.h"
#include "drivers/exec/program.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline(60);

Result<std::vector<std::string>> CommandOf(const DriverOptions& options) {
  const auto found = options.find("command");
  if (found == options.end()) {
    return InvalidArgument(
        "needs the option command=PROG: the program to run, which speaks the exec protocol");
  }
  return SplitCommand(found->second);
}

Result<std::chrono::milliseconds> DeadlineOf(const DriverOptions& options) {
  const auto found = options.find("deadline");
  if (found == options.end()) return std::chrono::milliseconds(kDeadline);
  const std::string& text = found->second;
  int seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || seconds < 1 || seconds > 3600) {
    return InvalidArgument("deadline=" + text + ": must be whole seconds from 1 to 3600");
  }
  return std::chrono::milliseconds(std::chrono::seconds(seconds));
}

Result<std::unique_ptr<ExecProgram>> MakeProgram(const DriverOptions& options, const std::string& root) {
  LM_ASSIGN(std::vector<std::string> command, CommandOf(options));
  LM_ASSIGN(const std::chrono::milliseconds deadline, DeadlineOf(options));
  return std::make_unique<ExecProgram>(std::move(command), root, deadline);
}

Result<ExecReply> AskCapabilities(ExecProgram& program) {
  LM_ASSIGN(ExecReply reply, program.Call(ExecVerb::kCapabilities, nlohmann::json::object()));
  LM_TRY(reply.status);
  return reply;
}

class ExecDriver : public Driver {
 public:
  std::string name() const override { return LAYERMARK_DRIVER_NAME; }
  std::string summary() const override { return "any program that speaks the exec protocol"; }
  std::string default_backing() const override { return "ext4"; }

  std::vector<OptionRow> options() const override {
    return {{"command", {}, "the program and its arguments; quotes work, no shell does", true},
            {"deadline", {}, "seconds that one call may take; default 60"}};
  }

  // Only the program knows; see Declare.
  CapabilitySet capabilities(const DriverOptions&, const std::string&) const override { return {}; }
  InodeFormula inode_formula(const DriverOptions&) const override { return {}; }
  Result<std::string> Version(const DriverOptions&) const override {
    return Unimplemented("only the program knows its version; see Declare");
  }

  Result<Declaration> Declare(const DriverOptions& options, const std::string&,
                              const std::string& directory) const override {
    LM_ASSIGN(const std::unique_ptr<ExecProgram> program, MakeProgram(options, directory));
    LM_ASSIGN(ExecReply reply, AskCapabilities(*program));
    Declaration declaration;
    declaration.capabilities = reply.capabilities;
    declaration.complete = false;
    declaration.version =
        reply.name + (reply.name.empty() || reply.version.empty() ? "" : " ") + reply.version;
    declaration.inode_formula = reply.inode_formula;
    if (!reply.inode_formula.explanation.empty()) declaration.capabilities.Add(Capability::inodes_foretold);
    return declaration;
  }

  std::chrono::milliseconds call_deadline(const DriverOptions& options) const override {
    const auto deadline = DeadlineOf(options);
    return deadline.ok() ? *deadline : std::chrono::milliseconds(0);
  }

  std::vector<std::string> NeededPaths(const DriverOptions& options) const override {
    const auto command = CommandOf(options);
    std::vector<std::string> paths;
    if (!command.ok()) return paths;
    for (const std::string& word : *command) {
      if (const size_t slash = word.find('/'); slash != std::string::npos)
        paths.push_back(word.substr(slash));
    }
    return paths;
  }

  // That the program is there. What it answers is a matter of the cases, not of the machine.
  Status Probe(const DriverOptions& options, const std::string&) const override {
    LM_ASSIGN(const std::vector<std::string> command, CommandOf(options));
    LM_TRY(DeadlineOf(options));
    if (!FindProgram(command[0])) return NotFound(command[0] + ": no such program");
    return Status::Ok();
  }

  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    LM_ASSIGN(std::unique_ptr<ExecProgram> program, MakeProgram(options, root));
    LM_ASSIGN(const ExecReply reply, AskCapabilities(*program));
    if (reply.capabilities.Has(Capability::serial)) program->set_serial();
    return std::unique_ptr<Snapshotter>(std::make_unique<ExecSnapshotter>(std::move(program)));
  }
};

}  // namespace

const Driver& LAYERMARK_DRIVER_ENTRY() {
  static const ExecDriver driver;
  return driver;
}

}  // namespace layermark
