// Removal on file systems that are full to the last block.
#include "drivers/support/database_room.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tuple>

#include "core/sys/fd.h"
#include "drivers/support/snapshot_store.h"
#include "testing/directory_mechanism.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

using layermark::testing::DirectoryMechanism;
using layermark::testing::DirectoryMechanismState;
using layermark::testing::ScratchFileSystem;
using layermark::testing::WithPrivateMounts;

// Leaves no room for a single block in the file system of `path`, a new file.
void FillUp(const std::string& path) {
  auto file = Open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  off_t end = 0;
  for (off_t size : {off_t{64} << 20, off_t{1} << 20, off_t{64} << 10, off_t{4} << 10}) {
    while (fallocate(file->get(), 0, end, size) == 0) end += size;
    ASSERT_EQ(errno, ENOSPC);
  }
  // What only a write finds: blocks that were kept for one.
  const std::string page(4096, 'x');
  while (pwrite(file->get(), page.data(), page.size(), end) > 0 && fdatasync(file->get()) == 0) end += 4096;
  ASSERT_EQ(errno, ENOSPC);
}

class FullFileSystemTest : public ::testing::TestWithParam<const char*> {};

TEST_P(FullFileSystemTest, EverySnapshotCanBeRemoved) {
  const Status ran = WithPrivateMounts([] {
    auto fs = ScratchFileSystem::Create(GetParam(), ::testing::TempDir());
    ASSERT_TRUE(fs.ok()) << fs.status().ToString();
    const std::string root = fs->path() + "/store";
    ASSERT_TRUE(MakeDirs(root).ok());
    const auto open = [&] {
      return OpenSnapshotStore(
          root, std::make_unique<DirectoryMechanism>(std::make_shared<DirectoryMechanismState>()));
    };
    auto store = open();
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    constexpr int kSnapshots = 8;
    for (int i = 0; i < kSnapshots; ++i) {
      Labels labels;
      for (int l = 0; l < 30; ++l) labels["label" + std::to_string(l)] = std::string(500, 'v');
      const std::string key = "key" + std::to_string(i);
      ASSERT_TRUE((*store)->Prepare(key, "", labels).ok());
    }
    FillUp(fs->path() + "/filler");
    Status late = (*store)->Prepare("late", "").status();
    EXPECT_TRUE(late.ok() || late.code() == Code::kResourceExhausted) << late.ToString();
    for (int i = 0; i < kSnapshots; ++i) {
      if (i == kSnapshots / 2) {
        store->reset();
        store = open();
        ASSERT_TRUE(store.ok()) << store.status().ToString();
      }
      const Status removed = (*store)->Remove("key" + std::to_string(i));
      EXPECT_TRUE(removed.ok()) << i << ": " << removed.ToString();
    }
    EXPECT_TRUE((*store)->Close().ok());
  });
  EXPECT_TRUE(ran.ok()) << ran.ToString();
}

INSTANTIATE_TEST_SUITE_P(FileSystems, FullFileSystemTest, ::testing::Values("ext4", "xfs", "btrfs"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(DatabaseRoom, ReservesBlocksAndKeepsWhatIsThere) {
  auto tree = TempTree::Create(::testing::TempDir(), "room");
  ASSERT_TRUE(tree.ok());
  const std::string path = tree->path() + "/metadata.db", log = path + "-wal";
  ASSERT_TRUE(WriteFile(path, "database").ok());
  ASSERT_TRUE(WriteFile(log, "log").ok());
  auto room = DatabaseRoom::Open(path);
  ASSERT_TRUE(room.ok()) << room.status().ToString();
  EXPECT_EQ(ReadFile(path).value(), "database");
  ASSERT_TRUE(room->ReserveLog().ok());
  ASSERT_TRUE(room->Reserve(100'000).ok());
  ASSERT_TRUE(room->Reserve(50'000).ok()) << "less than there is";
  for (const auto& [file, start, bytes] :
       {std::tuple(path, "database", int64_t{100'000}), std::tuple(log, "log", kReservedLogBytes)}) {
    const std::string content = ReadFile(file).value();
    EXPECT_GE(static_cast<int64_t>(content.size()), bytes) << file;
    EXPECT_EQ(content.c_str(), std::string(start)) << file;
    struct stat st = {};
    ASSERT_EQ(stat(file.c_str(), &st), 0);
    EXPECT_GE(st.st_blocks * 512, bytes) << file << ": blocks that are not there cannot be overwritten";
  }
}

}  // namespace
}  // namespace layermark
