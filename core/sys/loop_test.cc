#include "core/sys/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>

#include "core/sys/process.h"
#include "testing/mount_test_util.h"

namespace layermark {
namespace {

bool IsBound(int number) {
  return Exists("/sys/block/loop" + std::to_string(number) + "/loop");
}
bool Unbinds(int number) {
  for (int i = 0; i < 1000; ++i) {
    if (!IsBound(number)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

Fd MakeImage(const std::string& dir, off_t size) {
  Result<Fd> image = Open(dir, O_TMPFILE | O_RDWR, 0600);
  EXPECT_TRUE(image.ok()) << image.status().ToString();
  EXPECT_EQ(ftruncate(image->get(), size), 0);
  return std::move(*image);
}

class LoopTest : public PrivateMountsTest {};

TEST_F(LoopTest, ShowsTheFileAndGoesWithTheObject) {
  int number;
  {
    const Fd image = MakeImage(Path("m"), 1 << 20);
    ASSERT_TRUE(PWriteAll(image.get(), "content", 4096).ok());
    Result<LoopDevice> loop = LoopDevice::Attach(image.get(), false);
    ASSERT_TRUE(loop.ok()) << loop.status().ToString();
    number = loop->number();
    EXPECT_EQ(loop->path(), "/dev/loop" + std::to_string(number));
    EXPECT_TRUE(IsBound(number));
    std::string data(7, '\0');
    ASSERT_EQ(pread(loop->fd(), data.data(), data.size(), 4096), 7);
    EXPECT_EQ(data, "content");
  }
  EXPECT_TRUE(Unbinds(number));
}

TEST_F(LoopTest, DirectIoIsUsedWhereTheBackingCan) {
  // ext4 can, whatever the temporary directory is on.
  const Fd outer_image = MakeImage(Path("m"), 32 << 20);
  Result<LoopDevice> outer = LoopDevice::Attach(outer_image.get(), false);
  ASSERT_TRUE(outer.ok()) << outer.status().ToString();
  ASSERT_TRUE(RunCommandOk({"mkfs.ext4", "-q", outer->path()}).ok());
  ASSERT_TRUE(MountFilesystem("ext4", outer->path(), Path("m"), {}).ok());
  for (const bool wanted : {true, false}) {
    const Fd image = MakeImage(Path("m"), 1 << 20);
    Result<LoopDevice> loop = LoopDevice::Attach(image.get(), wanted);
    ASSERT_TRUE(loop.ok()) << loop.status().ToString();
    const std::string dio = "/sys/block/loop" + std::to_string(loop->number()) + "/loop/dio";
    EXPECT_EQ(*ReadFile(dio), wanted ? "1\n" : "0\n");
  }
  // Whoever looks at all loop devices at this moment holds the last one, and its image, a little longer.
  Status unmounted = UnmountPath(Path("m"));
  for (int tries = 0; unmounted.error_number() == EBUSY && tries < 500; ++tries) {
    usleep(10'000);
    unmounted = UnmountPath(Path("m"));
  }
  EXPECT_TRUE(unmounted.ok()) << unmounted.ToString();
}

TEST_F(LoopTest, DirectIoIsAWishOnly) {
  // Not every kernel has direct I/O on memory files; either way the device has to work.
  const Fd image(memfd_create("image", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(image.get(), 1 << 20), 0);
  Result<LoopDevice> loop = LoopDevice::Attach(image.get(), true);
  ASSERT_TRUE(loop.ok()) << loop.status().ToString();
}

TEST_F(LoopTest, AMountedFileSystemKeepsItAfterTheDescriptorIsClosed) {
  const Fd image = MakeImage(Path("m"), 32 << 20);
  Result<LoopDevice> loop = LoopDevice::Attach(image.get(), false);
  ASSERT_TRUE(loop.ok()) << loop.status().ToString();
  ASSERT_TRUE(RunCommandOk({"mkfs.ext4", "-q", loop->path()}).ok());
  const Status s = MountFilesystem("ext4", loop->path(), Path("m"), {"noatime"});
  ASSERT_TRUE(s.ok()) << s.ToString();
  loop->CloseDescriptor();
  EXPECT_TRUE(WriteFile(Path("m/file"), "x").ok());
  EXPECT_TRUE(IsBound(loop->number()));
  EXPECT_TRUE(UnmountPath(Path("m")).ok());
  EXPECT_TRUE(Unbinds(loop->number()));
}

TEST_F(LoopTest, ProcessesThatAttachAtTheSameTimeGetDifferentDevices) {
  std::vector<ChildProcess> children;
  for (int i = 0; i < 8; ++i) {
    Result<ChildProcess> child = ChildProcess::Fork([&](int fd) {
      std::string numbers;
      std::vector<LoopDevice> held;
      for (int k = 0; k < 4; ++k) {
        Result<Fd> image = Open(Path("m"), O_TMPFILE | O_RDWR, 0600);
        if (!image.ok() || ftruncate(image->get(), 1 << 20) != 0) return 1;
        Result<LoopDevice> loop = LoopDevice::Attach(image->get(), false);
        if (!loop.ok()) {
          (void)WriteAll(fd, loop.status().ToString());
          return 2;
        }
        numbers += std::to_string(loop->number()) + "\n";
        held.push_back(std::move(*loop));
      }
      // Held until all have theirs, or a number could rightly come twice.
      if (!WriteAll(fd, numbers).ok()) return 3;
      return pause();
    });
    ASSERT_TRUE(child.ok());
    children.push_back(std::move(*child));
  }
  std::set<std::string> numbers;
  for (ChildProcess& child : children) {
    while (std::count(child.output().begin(), child.output().end(), '\n') < 4 && child.output_fd() >= 0) {
      child.Drain();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::string word;
    for (const char c : child.output()) {
      if (c != '\n') {
        word += c;
        continue;
      }
      EXPECT_TRUE(numbers.insert(word).second) << word;
      word.clear();
    }
    EXPECT_EQ(word, "");
  }
  EXPECT_EQ(numbers.size(), 32U);
  children.clear();
  for (const std::string& number : numbers) EXPECT_TRUE(Unbinds(std::stoi(number))) << number;
}

TEST_F(LoopTest, AMissingNodeIsNamed) {
  // A /dev with nothing but loop-control in it.
  const Fd image = MakeImage(Path("m"), 1 << 20);
  Result<Fd> control = Open("/dev/loop-control", O_PATH);
  ASSERT_TRUE(control.ok());
  ASSERT_TRUE(MountFilesystem("tmpfs", "dev", "/dev", {}).ok());
  ASSERT_TRUE(WriteFile("/dev/loop-control", "").ok());
  ASSERT_TRUE(
      BindMount("/proc/self/fd/" + std::to_string(control->get()), "/dev/loop-control", false, false).ok());
  const Status s = LoopDevice::Attach(image.get(), false).status();
  EXPECT_TRUE(UnmountPath("/dev/loop-control").ok());
  EXPECT_TRUE(UnmountPath("/dev").ok());
  EXPECT_EQ(s.code(), Code::kNotFound);
  EXPECT_THAT(s.ToString(), testing::HasSubstr("/dev/loop"));
}

}  // namespace
}  // namespace layermark
