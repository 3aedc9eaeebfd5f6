#include "cli/work_folder.hpp"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/temp_dir.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

/// TMPDIR for the time of a test.
struct WorkFolderTest : testing::Test {
  test::TempDir place;
  std::string before = std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "";

  void SetUp() override { ::setenv("TMPDIR", place.path().c_str(), 1); }
  void TearDown() override {
    if (before.empty())
      ::unsetenv("TMPDIR");
    else
      ::setenv("TMPDIR", before.c_str(), 1);
  }
};

TEST_F(WorkFolderTest, is_for_its_owner_alone_and_gone_with_all_that_is_in_it) {
  fs::path path;
  {
    const WorkFolder folder;
    path = folder.path();
    EXPECT_EQ(path.parent_path(), place.path());
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700u);
    // As a release may be: nobody may write in it.
    fs::create_directories(path / "release/deep");
    write_file_atomically(path / "release/deep/file", "x");
    fs::permissions(path / "release/deep", fs::perms::owner_read | fs::perms::owner_exec);
    fs::permissions(path / "release", fs::perms::none);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(WorkFolderTest, a_place_that_is_not_there_is_named) {
  ::setenv("TMPDIR", (place.path() / "nowhere").c_str(), 1);
  try {
    const WorkFolder folder;
    FAIL() << "made " << folder.path();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((place.path() / "nowhere").string()),
              std::string::npos);
  }
}

/// In a process of its own, as it changes which mounts the process sees. The status that `work`
/// returns.
int in_child(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string mounts() {
  std::ifstream file("/proc/self/mounts");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(WorkFolderTest, memory_has_a_limit_and_is_seen_by_nobody_else) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    int failure = 0;
    {
      WorkFolder folder;
      if (!folder.make_in_memory("hosts", 8u << 20)) ::_exit(10);
      struct statvfs room {};
      ::statvfs((folder.path() / "hosts").c_str(), &room);
      if (room.f_blocks * room.f_frsize != 8u << 20) failure = 11;
      std::ofstream(folder.path() / "hosts/file") << "x";
      if (mounts().find(folder.path().string()) == std::string::npos) failure = 12;
      char byte = 'x';
      if (::write(ends[1], &byte, 1) != 1 || ::read(go[0], &byte, 1) != 1) failure = 13;
    }
    ::_exit(failure);
  }
  char byte = 0;
  ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  EXPECT_EQ(mounts().find(place.path().string()), std::string::npos);
  ASSERT_EQ(::write(go[1], &byte, 1), 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(fs::is_empty(place.path()));
  for (const int fd : {ends[0], ends[1], go[0], go[1]}) ::close(fd);
}

TEST_F(WorkFolderTest, who_may_not_mount_gets_an_ordinary_folder) {
  fs::permissions(place.path(), fs::perms::all);
  const int status = in_child([] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 20;
    WorkFolder folder;
    if (folder.make_in_memory("hosts", 1u << 20)) return 21;
    return fs::is_directory(folder.path() / "hosts") ? 0 : 22;
  });
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(fs::is_empty(place.path()));
}

TEST(AvailableMemory, is_known) { EXPECT_GT(available_memory(), 1u << 20); }

}  // namespace
}  // namespace murder::cli
