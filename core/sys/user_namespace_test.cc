#include "core/sys/user_namespace.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/sys/process.h"

namespace layermark {
namespace {

TEST(UserNamespace, SubordinateIdsAreFoundByNameOrNumber) {
  const std::string text = "# a note\nanna:100000:65536\n1001:200000:1000\nanna:900000:1\nbroken\n";
  EXPECT_EQ(SubordinateIds(text, "anna", 1000), "100000 65536");
  EXPECT_EQ(SubordinateIds(text, "", 1001), "200000 1000");
  EXPECT_EQ(SubordinateIds(text, "otto", 1002), "");
  EXPECT_EQ(SubordinateIds("", "anna", 1000), "");
}

TEST(UserNamespace, ItsRootMayMountWhatNeedsNoDevice) {
  auto child = ChildProcess::Fork([](int) -> int {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 10;
    prctl(PR_SET_DUMPABLE, 1);  // changing the user took /proc/self away from it
    if (MayMount()) return 11;  // nobody may not
    const Status entered = EnterUserNamespace();
    if (entered.code() == Code::kPermissionDenied || entered.code() == Code::kResourceExhausted) return 77;
    if (!entered.ok() || MappedOwners() < 1) return 12;
    if (geteuid() != 0 || !MayMount()) return 13;
    return 0;
  });
  ASSERT_TRUE(child.ok());
  auto status = child->Wait(std::chrono::seconds(30));
  ASSERT_TRUE(status.ok());
  if (status->code == 77) GTEST_SKIP() << "user namespaces are forbidden here";
  EXPECT_EQ(status->code, 0) << status->ToString();
}

}  // namespace
}  // namespace layermark
