#include "conformance/fuzz/calls.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

TEST(FuzzCalls, TextAndBack) {
  FuzzRandom random(7);
  CallProgram program;
  for (uint64_t index = 0; index < 8; ++index) {
    for (SnapshotCall& call : GenerateCalls(random, 100, true, index, 130))
      program.push_back(std::move(call));
  }
  const std::string text = "# a comment\n" + ToText(program);
  EXPECT_TRUE(IsCallProgram(text));
  const Result<CallProgram> again = ParseCallProgram(text);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(*again, program);
  EXPECT_FALSE(IsCallProgram("layermark-fuzz 1\nsteps\n"));
  EXPECT_FALSE(IsCallProgram("#"));
}

TEST(FuzzCalls, RefusesWithTheLine) {
  EXPECT_EQ(ParseCallProgram("").status().code(), Code::kInvalidArgument);
  const std::string head = "layermark-calls 1\n";
  for (const char* bad : {"forget key=\"a\"", "remove name=\"a\"", "remove key=a", "remove key=\"a",
                          "fill key=\"a\" step=\"file path=\\\"../x\\\" data=\\\"\\\" mode=0644\"",
                          "fill key=\"a\" step=\"burn\"", "stat key=\"\\000\""}) {
    const Result<CallProgram> program = ParseCallProgram(head + bad);
    EXPECT_EQ(program.status().code(), Code::kInvalidArgument) << bad;
    EXPECT_NE(program.status().message().find("line 2"), std::string::npos) << program.status().message();
  }
}

}  // namespace
}  // namespace layermark
