// What a program of the exec protocol answers. The first byte of an input says to which verb and with which
// exit status.
#include "drivers/exec/reply.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {
namespace {

constexpr int kVerbs = static_cast<int>(ExecVerb::kCleanup) + 1;

std::string Answer(ExecVerb verb, const std::string& text, int exit_code = 0) {
  return static_cast<char>('a' + static_cast<int>(verb) + exit_code * kVerbs) + text;
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string info =
      R"({"name":"n","parent":"p","kind":"ACTIVE","createdAt":"2026-11-23T21:15:29.000000001Z",)"
      R"("updated_at":"1970-01-01T00:00:00+01:00","labels":{"k":"v"}})";
  const std::string mounts =
      R"({"mounts":[{"type":"overlay","source":"overlay","target":"","options":["lowerdir=/a\\:b:/c","ro"]},)"
      R"({"type":"bind","source":"/s","options":["rbind"]}]})";
  const std::string formula =
      R"({"stores":"OWN_LAYER","whiteouts":"ONE_EACH","perStore":"2","perSnapshot":1,"viewStoresTree":true,)"
      R"("explanation":"e"})";
  return {
      Answer(ExecVerb::kStat, R"({"info":)" + info + "}"),
      Answer(ExecVerb::kUpdate, R"({"info":{}})"),
      Answer(ExecVerb::kWalk, R"({"info":[)" + info + ",{}]}"),
      Answer(ExecVerb::kPrepare, mounts),
      Answer(ExecVerb::kView, R"({"mounts":[{"type":"fuse.x","options":["lowerdir=a:b"]}]})"),
      Answer(ExecVerb::kUsage, R"({"size":"9223372036854775807","inodes":3})"),
      Answer(ExecVerb::kCommit, "{}"),
      Answer(ExecVerb::kRemove, "null"),
      Answer(
          ExecVerb::kCapabilities,
          R"({"protocol":1,"name":"d","version":"1","capabilities":["acl","inodes_foretold"],"inodeFormula":)" +
              formula + "}"),
      Answer(ExecVerb::kStat, R"({"error":{"code":"NOT_FOUND","message":"m"}})", 1)};
}

void SetUp() {}

void Run(std::string_view input) {
  if (input.empty()) return;
  const int choice = static_cast<unsigned char>(input[0]) - 'a';
  const int chosen = ((choice % (2 * kVerbs)) + 2 * kVerbs) % (2 * kVerbs);
  const auto verb = static_cast<ExecVerb>(chosen % kVerbs);
  const int exit_code = chosen / kVerbs;
  const Result<ExecReply> reply = ReadExecReply(verb, exit_code, input.substr(1));
  if (!reply.ok()) {
    Promise(reply.status().code() == Code::kDataLoss, "a broken protocol is DATA_LOSS");
    Promise(!reply.status().message().empty(), "the text says how it is broken");
    return;
  }
  Promise(reply->status.ok() == (exit_code == 0), "the exit status says whether it is an error");
  const bool one = exit_code == 0 && (verb == ExecVerb::kStat || verb == ExecVerb::kUpdate);
  Promise(!one || reply->infos.size() == 1, "stat and update answer one info");
}

}  // namespace layermark::fuzz_target
