#include "drivers/exec/reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layermark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ExecReply Read(ExecVerb verb, const std::string& output, int exit_code = 0) {
  auto reply = ReadExecReply(verb, exit_code, output);
  EXPECT_TRUE(reply.ok()) << output << ": " << reply.status().ToString();
  return reply.ok() ? *reply : ExecReply();
}

// What the reader says of an answer that breaks the protocol.
std::string Broken(ExecVerb verb, const std::string& output, int exit_code = 0) {
  auto reply = ReadExecReply(verb, exit_code, output);
  EXPECT_EQ(reply.status().code(), Code::kDataLoss) << output;
  return reply.status().message();
}

TEST(ExecReplyTest, ReadsMounts) {
  const ExecReply reply = Read(ExecVerb::kPrepare,
                               R"({"mounts":[{"type":"bind","source":"/a","options":["rbind","rw"]},
                                             {"type":"tmpfs","target":"sub","more":1}]})");
  EXPECT_TRUE(reply.status.ok());
  EXPECT_THAT(reply.mounts,
              ElementsAre(Mount{"bind", "/a", "", {"rbind", "rw"}}, Mount{"tmpfs", "", "sub", {}}));
  EXPECT_TRUE(Read(ExecVerb::kMounts, "{}").mounts.empty());
}

TEST(ExecReplyTest, TakesJoinedLayersApart) {
  for (const char* type : {"overlay", "fuse.unionfs", "fuse3.fuse-overlayfs"}) {
    const ExecReply reply = Read(
        ExecVerb::kView, R"({"mounts":[{"type":")" + std::string(type) +
                             R"(","options":["ro","lowerdir=/a\\:b:/c","upperdir=/u:v","lowerdir=/d"]}]})");
    ASSERT_EQ(reply.mounts.size(), 1u);
    EXPECT_THAT(reply.mounts[0].options,
                ElementsAre("ro", "lowerdir=/a:b", "lowerdir=/c", "upperdir=/u:v", "lowerdir=/d"));
  }
  EXPECT_THAT(
      Read(ExecVerb::kView, R"({"mounts":[{"type":"bind","options":["lowerdir=/a:/b"]}]})").mounts[0].options,
      ElementsAre("lowerdir=/a:/b"));
}

TEST(ExecReplyTest, ReadsInfos) {
  const std::string info =
      R"({"name":"n","parent":"p","kind":"COMMITTED","createdAt":"1970-01-01T00:00:01Z",
          "updatedAt":"1970-01-01T00:00:02.5Z","labels":{"k":"v","e":""},"unknown":[]})";
  const ExecReply stat = Read(ExecVerb::kStat, R"({"info":)" + info + "}");
  ASSERT_EQ(stat.infos.size(), 1u);
  EXPECT_EQ(stat.infos[0].name, "n");
  EXPECT_EQ(stat.infos[0].parent, "p");
  EXPECT_EQ(stat.infos[0].kind, Kind::kCommitted);
  EXPECT_EQ(stat.infos[0].created_ns, 1'000'000'000);
  EXPECT_EQ(stat.infos[0].updated_ns, 2'500'000'000);
  EXPECT_EQ(stat.infos[0].labels, (Labels{{"k", "v"}, {"e", ""}}));

  const ExecReply walk = Read(ExecVerb::kWalk, R"({"info":[{"name":"a","kind":"VIEW","created_at":null,
                                                   "updated_at":"1970-01-01T00:00:01Z"},)" +
                                                   info + "]}");
  ASSERT_EQ(walk.infos.size(), 2u);
  EXPECT_EQ(walk.infos[0].kind, Kind::kView);
  EXPECT_EQ(walk.infos[0].created_ns, 0);
  EXPECT_EQ(walk.infos[0].updated_ns, 1'000'000'000);
  EXPECT_TRUE(Read(ExecVerb::kWalk, "{}").infos.empty());
}

TEST(ExecReplyTest, ReadsIntegersAsNumbersAndStrings) {
  EXPECT_EQ(Read(ExecVerb::kUsage, R"({"size":"9223372036854775807","inodes":3})").usage.size_bytes,
            std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Read(ExecVerb::kUsage, R"({"size":"1","inodes":3})").usage.inodes, 3);
  EXPECT_EQ(Read(ExecVerb::kUsage, R"({"size":-5})").usage.size_bytes, -5);
  for (const char* size :
       {"1.5", "\"1x\"", "\"\"", "[]", "18446744073709551615", "\"99999999999999999999\"", "true"}) {
    EXPECT_THAT(Broken(ExecVerb::kUsage, R"({"size":)" + std::string(size) + "}"),
                HasSubstr("\"size\" of the answer is no 64-bit integer"));
  }
}

TEST(ExecReplyTest, ReadsCapabilities) {
  const ExecReply reply =
      Read(ExecVerb::kCapabilities,
           R"({"protocol":1,"name":"x","version":"2","capabilities":["serial","xattr_user"]})");
  EXPECT_EQ(reply.name, "x");
  EXPECT_EQ(reply.version, "2");
  EXPECT_EQ(reply.capabilities, (CapabilitySet{Capability::serial, Capability::xattr_user}));
  EXPECT_TRUE(reply.inode_formula.explanation.empty());
  const ExecReply counts =
      Read(ExecVerb::kCapabilities, R"({"protocol":"1","capabilities":["inodes_foretold"],"inodeFormula":
           {"stores":"OWN_LAYER","whiteouts":"ONE_EACH","perStore":4,"perSnapshot":"2","viewStoresTree":true}})");
  EXPECT_EQ(counts.inode_formula.stores, InodeFormula::Stores::kOwnLayer);
  EXPECT_EQ(counts.inode_formula.whiteouts, InodeFormula::Whiteouts::kOneEach);
  EXPECT_EQ(counts.inode_formula.per_store, 4);
  EXPECT_EQ(counts.inode_formula.per_snapshot, 2);
  EXPECT_TRUE(counts.inode_formula.view_stores_tree);
  EXPECT_FALSE(counts.inode_formula.explanation.empty());

  EXPECT_THAT(Broken(ExecVerb::kCapabilities, R"({"capabilities":[]})"),
              HasSubstr("\"protocol\" is missing"));
  EXPECT_THAT(Broken(ExecVerb::kCapabilities, R"({"protocol":2,"capabilities":[]})"), HasSubstr("version 2"));
  EXPECT_THAT(Broken(ExecVerb::kCapabilities, R"({"protocol":1})"), HasSubstr("\"capabilities\" is missing"));
  EXPECT_THAT(Broken(ExecVerb::kCapabilities, R"({"protocol":1,"capabilities":["flight"]})"),
              HasSubstr("unknown capability \"flight\""));
  EXPECT_THAT(Broken(ExecVerb::kCapabilities, R"({"protocol":1,"capabilities":["priv_mount"]})"),
              HasSubstr("the machine's"));
  EXPECT_THAT(Broken(ExecVerb::kCapabilities, R"({"protocol":1,"capabilities":["inodes_foretold"]})"),
              HasSubstr("without \"inodeFormula\""));
}

TEST(ExecReplyTest, ReadsErrors) {
  const ExecReply reply = Read(ExecVerb::kStat, R"({"error":{"code":"NOT_FOUND","message":"no a"}})", 1);
  EXPECT_EQ(reply.status.code(), Code::kNotFound);
  EXPECT_EQ(reply.status.message(), "no a");
  EXPECT_FALSE(Read(ExecVerb::kStat, R"({"error":{"code":"INTERNAL"}})", 1).status.message().empty());
  for (const char* code : {"OK", "ENOENT", "not_found", "", "5"}) {
    EXPECT_THAT(Broken(ExecVerb::kStat, R"({"error":{"code":")" + std::string(code) + "\"}}", 1),
                HasSubstr("is no code of an error"));
  }
  EXPECT_THAT(Broken(ExecVerb::kStat, "{}", 1), HasSubstr("exit status 1 without \"error\""));
  EXPECT_THAT(Broken(ExecVerb::kStat, R"({"error":"NOT_FOUND"})", 1), HasSubstr("not an object"));
  EXPECT_THAT(Broken(ExecVerb::kRemove, R"({"error":{"code":"NOT_FOUND"}})", 0),
              HasSubstr("exit status 0 with"));
}

TEST(ExecReplyTest, AnythingElseBreaksTheProtocol) {
  EXPECT_THAT(Broken(ExecVerb::kStat, "{}", 3), HasSubstr("exit status 3"));
  EXPECT_THAT(Broken(ExecVerb::kRemove, " \n"), HasSubstr("nothing on standard output"));
  for (const char* text : {"done", "{}{}", "note\n{}", "{} # end", "{\"a\":", "{\"a\":\"\xff\"}"}) {
    EXPECT_THAT(Broken(ExecVerb::kRemove, text), HasSubstr("not one JSON object"));
  }
  for (const char* text : {"[]", "null", "3", "\"x\""}) {
    EXPECT_THAT(Broken(ExecVerb::kRemove, text), HasSubstr("not an object"));
    EXPECT_THAT(Broken(ExecVerb::kRemove, text, 1), HasSubstr("not an object"));
  }
  EXPECT_THAT(Broken(ExecVerb::kStat, "{}"), HasSubstr("\"info\" is missing"));
  EXPECT_THAT(Broken(ExecVerb::kStat, R"({"info":[]})"), HasSubstr("not an object"));
  EXPECT_THAT(Broken(ExecVerb::kStat, R"({"info":{"kind":"active"}})"), HasSubstr("UNKNOWN, VIEW, ACTIVE"));
  EXPECT_THAT(Broken(ExecVerb::kStat, R"({"info":{"createdAt":"today"}})"), HasSubstr("\"createdAt\""));
  EXPECT_THAT(Broken(ExecVerb::kStat, R"({"info":{"labels":{"k":1}}})"), HasSubstr("\"k\" of \"labels\""));
  EXPECT_THAT(Broken(ExecVerb::kStat, R"({"info":{"name":1}})"), HasSubstr("\"name\""));
  EXPECT_THAT(Broken(ExecVerb::kWalk, R"({"info":{}})"), HasSubstr("not an array"));
  EXPECT_THAT(Broken(ExecVerb::kWalk, R"({"info":[{},{"parent":{}}]})"), HasSubstr("\"parent\" of info 1"));
  EXPECT_THAT(Broken(ExecVerb::kMounts, R"({"mounts":[{"options":"ro"}]})"), HasSubstr("not an array"));
  EXPECT_THAT(Broken(ExecVerb::kMounts, R"({"mounts":[{"options":[1]}]})"), HasSubstr("not a string"));
  EXPECT_THAT(Broken(ExecVerb::kMounts, R"({"mounts":["bind"]})"), HasSubstr("mount 0 is string"));
}

TEST(ExecReplyTest, DeepNestingEndsWithAnAnswer) {
  const std::string deep(1 << 18, '[');
  EXPECT_THAT(Broken(ExecVerb::kRemove, deep), HasSubstr("not one JSON object"));
  EXPECT_TRUE(ReadExecReply(ExecVerb::kRemove, 0, "{\"x\":" + deep + std::string(1 << 18, ']') + "}").ok());
}

}  // namespace
}  // namespace layermark
