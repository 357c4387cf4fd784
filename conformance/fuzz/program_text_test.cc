#include "conformance/fuzz/program_text.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "conformance/fuzz/layer_words.h"

namespace layermark {
namespace {

TEST(FuzzProgramText, TheTableIsInTheOrderOfTheOperations) {
  int i = 0;
  for (const FuzzOpRow& row : AllFuzzOps()) {
    EXPECT_EQ(static_cast<int>(row.op), i++) << row.name;
    EXPECT_EQ(FindFuzzOp(row.name), &row);
  }
  EXPECT_STREQ(RowOf(StepOp::kTimes).name, "times");
}

// Every operation with every argument set to something that is not the default.
TEST(FuzzProgramText, EveryOperationComesBackAsItWas) {
  FuzzProgram program;
  Layer layer;
  layer.Dir("a\n \"b\\\xff", 0755).File("f", std::string(5000, 'x'), 04711).Link("g", "f").Symlink("s", "?x");
  layer.Mknod("n", S_IFCHR | 0600, makedev(1, 3))
      .Chown("f", 7, 8)
      .SetXattr("f", "user.x", std::string("\0\1", 2));
  layer.Times("f", -5, 1'700'000'000'000'000'001)
      .RemoveAll("g")
      .Sparse("h", 100, 50, "data")
      .RemoveXattr("f", "u");
  program.layers = {layer, Layer()};
  for (const FuzzOpRow& row : AllFuzzOps()) {
    FuzzStep s;
    s.op = row.op;
    if ((row.fields & kFieldPath) != 0) s.path = "a/\x01\t\"";
    if ((row.fields & kFieldTarget) != 0) s.target = std::string(255, 'n');
    if ((row.fields & kFieldName) != 0) s.name = "user.n=";
    if ((row.fields & kFieldData) != 0) s.data = "12\n";
    if ((row.fields & kFieldSlot) != 0) s.slot = 3;
    if ((row.fields & kFieldFrom) != 0) s.from = 2;
    if ((row.fields & kFieldMode) != 0) s.mode = S_IFIFO | 01777;
    if ((row.fields & kFieldOwner) != 0) s.uid = 12;
    if ((row.fields & kFieldRdev) != 0) s.rdev = makedev(1, 7);
    if ((row.fields & kFieldOffset) != 0) s.offset = -1;
    if ((row.fields & kFieldSize) != 0) s.size = 77;
    if ((row.fields & kFieldTimes) != 0) {
      s.atime_ns = kTimeOmit;
      s.mtime_ns = kTimeNow;
    }
    for (size_t i = 0; (row.fields & kFieldFlags) != 0 && i < 2 && i < row.flags->size(); ++i) {
      s.flags |= (*row.flags)[i].value;
    }
    if (row.op == FuzzOp::kSeek) s.flags = (*row.flags)[1].value;
    s.as = 1000;
    program.steps.push_back(s);
  }
  const std::string text = ToText(program);
  const Result<FuzzProgram> back = ParseFuzzProgram(text);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->steps, program.steps);
  ASSERT_EQ(back->layers.size(), 2U);
  EXPECT_EQ(back->layers[0].steps(), layer.steps());
  EXPECT_TRUE(back->layers[1].empty());
  EXPECT_LT(text.size(), 6000U) << "a long run of one byte is written short";
}

void ExpectRefused(const std::string& text, const std::string& why) {
  const Result<FuzzProgram> program = ParseFuzzProgram(text);
  ASSERT_FALSE(program.ok()) << text;
  EXPECT_EQ(program.status().code(), Code::kInvalidArgument);
  EXPECT_NE(program.status().message().find(why), std::string::npos) << program.status().message();
}

TEST(FuzzProgramText, SaysWhatIsWrongAndWhere) {
  const std::string head = "layermark-fuzz 1\nsteps\n";
  ExpectRefused("", "steps");
  ExpectRefused("something\n", "line 1: must be");
  ExpectRefused("layermark-fuzz 2\n", "line 1: must be");
  ExpectRefused(head + "fly path=\"a\"\n", "line 3: unknown operation \"fly\"");
  ExpectRefused(head + "stat wings=2\n", "unknown argument \"wings\"");
  ExpectRefused(head + "stat path\n", "\"path\" has no value");
  ExpectRefused(head + "stat path=a\n", "must stand in quotes");
  ExpectRefused(head + "stat path=\"a\n", "has no end");
  ExpectRefused(head + "stat path=\"\\q\"\n", "unknown escape");
  ExpectRefused(head + "open slot=99 path=\"a\"\n", "a slot must be");
  ExpectRefused(head + "open slot=1 path=\"a\" flags=WINGS\n", "flags: \"WINGS\"");
  ExpectRefused(head + "=", "no operation");
  ExpectRefused("layermark-fuzz 1\ndir path=\"a\"\n", "must come first");
  ExpectRefused("layermark-fuzz 1\nlayer\nunlink path=\"a\"\nsteps\n",
                "unknown operation \"unlink\" of a layer");
}

TEST(FuzzProgramText, RefusesWhatCouldReachOutside) {
  const std::string head = "layermark-fuzz 1\nsteps\n";
  ExpectRefused(head + "read path=\"/etc/passwd\"\n", "relative");
  ExpectRefused(head + "read path=\"a/../../b\"\n", "relative");
  ExpectRefused(head + "symlink path=\"a\" target=\"/\"\n", "relative");
  ExpectRefused(head + "symlink path=\"a\" target=\"..\"\n", "relative");
  ExpectRefused(head + "mknod path=\"a\" mode=060600 rdev=8:0\n", "only fifos");
  ExpectRefused(head + "read path=\"a\\000b\"\n", "relative");
  ExpectRefused("layermark-fuzz 1\nlayer\nmknod path=\"a\" mode=060600 rdev=8:0\nsteps\n", "only fifos");
  ExpectRefused("layermark-fuzz 1\nlayer\nsymlink path=\"a\" target=\"/etc\"\nsteps\n", "relative");
}

TEST(FuzzProgramText, HoldsItsBounds) {
  const std::string head = "layermark-fuzz 1\nsteps\n";
  ExpectRefused(head + "create path=\"a\" mode=0 data=\"xx\"*900000000000\n", "too long");
  std::string much = head;
  for (int i = 0; i < 20; ++i) much += "create path=\"a\" data=\"x\"*1000000\n";
  ExpectRefused(much, "too much data");
  ExpectRefused(head + "fd_truncate slot=0 size=99999999999\n", "out of range");
  std::string layers = "layermark-fuzz 1\n";
  for (int i = 0; i < 40; ++i) layers += "layer\n";
  ExpectRefused(layers, "too many layers");
}

TEST(FuzzProgramText, ASavedProgramNamesItsInstance) {
  EXPECT_EQ(
      InstanceNamedIn("# fuzz.a.b.c: expected ok, seen EIO\n# d:x=on,y=a on b on tmpfs; found by fuzz\n"),
      "d:x=on,y=a on b");
  for (const char* none : {"", "# a", "layermark-fuzz 1\n# d on tmpfs; found by fuzz\n",
                           "# a\nlayermark-fuzz 1\n", "# a\n# d on tmpfs\n", "# a\n# d; found by fuzz\n"}) {
    EXPECT_EQ(InstanceNamedIn(none), "") << none;
  }
}

TEST(FuzzProgramText, TheArgumentIsTheAttributeOrTheFlags) {
  const auto program = ParseFuzzProgram(
      "layermark-fuzz 1\nsteps\n  rename path=\"a\" target=\"b\" flags=WHITEOUT\n"
      "  removexattr path=\"a\" name=\"user.v\"\n  unlink path=\"a\"\n");
  ASSERT_TRUE(program.ok()) << program.status().ToString();
  EXPECT_EQ(ArgumentText(program->steps[0]), "WHITEOUT");
  EXPECT_EQ(ArgumentText(program->steps[1]), "user.v");
  EXPECT_EQ(ArgumentText(program->steps[2]), "");
}

}  // namespace
}  // namespace layermark
