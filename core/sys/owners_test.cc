#include "core/sys/owners.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "core/sys/user_namespace.h"

namespace layermark {
namespace {

TEST(Owners, AMapHoldsTheIdsOfItsRanges) {
  const std::string map = "         0       1001          1\n         1     100000      65536\n";
  EXPECT_TRUE(MapHolds(map, 0));
  EXPECT_TRUE(MapHolds(map, 1));
  EXPECT_TRUE(MapHolds(map, 65536));
  EXPECT_FALSE(MapHolds(map, 65537));
  EXPECT_TRUE(MapHolds(map, static_cast<uid_t>(-1)));
  EXPECT_TRUE(MapHolds("0 0 4294967295\n", 4294967294U));
  EXPECT_FALSE(MapHolds("", 0));
}

TEST(Owners, OfAnAccessListTheNamedOnesCount) {
  std::string list("\x02\x00\x00\x00", 4);
  list += std::string("\x01\x00\x06\x00\xff\xff\xff\xff", 8);  // the owner
  list += std::string("\x02\x00\x04\x00\x05\x00\x00\x00", 8);  // user 5
  EXPECT_TRUE(OwnersOfAccessListAreMapped(list)) << "every id is there outside of a namespace";
  EXPECT_TRUE(OwnersOfAccessListAreMapped(""));
  EXPECT_TRUE(OwnersOfAccessListAreMapped("short"));
}

TEST(Owners, ARefusalThatTheNamespaceHasNoPartInIsNotNoted) {
  (void)TakeUnmappedOwner();
  EXPECT_EQ(ChownAt(AT_FDCWD, "/nonexistent/file", 1, 1, 0), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(TakeUnmappedOwner().has_value());
}

TEST(Owners, AnOwnerThatTheNamespaceLacksIsNotedOnce) {
  auto tree = TempTree::Create("/tmp", "owners");
  ASSERT_TRUE(tree.ok());
  const std::string path = tree->path() + "/file";
  ASSERT_TRUE(WriteFile(path, "").ok());
  auto child = ChildProcess::Fork([&](int) -> int {
    const Status entered = EnterUserNamespace();
    if (entered.code() == Code::kPermissionDenied || entered.code() == Code::kResourceExhausted) return 77;
    if (!entered.ok()) return 15;
    if (ChownAt(AT_FDCWD, path.c_str(), 4000000000U, 4000000000U, 0) == 0 || errno != EINVAL) return 10;
    if (TakeUnmappedOwner() != "4000000000:4000000000") return 11;
    if (TakeUnmappedOwner()) return 12;
    const std::string list("\x02\x00\x00\x00\x08\x00\x04\x00\x00\x28\x6b\xee", 12);  // group 4000000000
    if (OwnersOfAccessListAreMapped(list)) return 13;
    return TakeUnmappedOwner() == "4294967295:4000000000" ? 0 : 14;
  });
  ASSERT_TRUE(child.ok());
  auto status = child->Wait(std::chrono::seconds(30));
  ASSERT_TRUE(status.ok());
  if (status->code == 77) GTEST_SKIP() << "user namespaces are forbidden here";
  EXPECT_EQ(status->code, 0) << status->ToString();
}

}  // namespace
}  // namespace layermark
