// A record that cannot be used costs one warning, never a deploy, and nothing that others wrote.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.hpp"
#include "fleet/record_file.hpp"
#include "fleet/record_support.hpp"

namespace murder::fleet {
namespace {

TEST_F(RecordTest, a_damaged_file_is_moved_aside_and_kept) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, std::string(8192, 'x'));
  record(numbered(1));
  expect_one_warning("was damaged");
  EXPECT_EQ(ids(), std::vector<std::string>{id(1)});
  EXPECT_EQ(read_file(path.string() + ".damaged-20261122-131502"), std::string(8192, 'x'));
}

TEST_F(RecordTest, damage_that_is_found_late_costs_one_record) {
  record(numbered(1, 2000));
  {
    const UniqueFd fd = open_file(path, O_RDWR);
    const std::string garbage(fs::file_size(path) - 8192, 'x');
    ASSERT_EQ(::pwrite(fd.get(), garbage.data(), garbage.size(), 8192),
              static_cast<ssize_t>(garbage.size()));
  }
  record(numbered(2));
  expect_one_warning("was damaged");
  warnings.clear();
  record(numbered(3));
  EXPECT_TRUE(warnings.empty());
  EXPECT_EQ(ids(), std::vector<std::string>{id(3)});
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(path.parent_path())) ++files;
  EXPECT_EQ(files, 2u);
}

TEST_F(RecordTest, two_that_find_the_damage_at_once_move_it_aside_once) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, std::string(8192, 'x'));
  EXPECT_FALSE(move_damaged_aside(path, now_ms, Duration::zero()).empty());
  record(numbered(1));
  EXPECT_TRUE(move_damaged_aside(path, now_ms, Duration::zero()).empty());
  EXPECT_EQ(ids().size(), 1u);
}

TEST_F(RecordTest, reading_a_damaged_file_says_so_and_leaves_it) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, std::string(8192, 'x'));
  try {
    history();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the next deploy moves it aside"), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(RecordTest, where_no_file_can_be_there_is_no_record_and_one_warning) {
  write_file_atomically(temp.path() / "state", "a file, no folder");
  Record record = open();
  record.begin(numbered(1));
  record.flush();
  EXPECT_FALSE(record.works());
  record.update_host(id(1), host("web-001", HostState::healthy));
  record.log(id(1), "web-001", "check", "text");
  record.finish(numbered(1), 0);
  expect_one_warning("this command is not recorded: cannot make ");
}

TEST_F(RecordTest, another_process_that_holds_the_lock_costs_one_warning) {
  record(numbered(1));
  Record record = open();
  Database other(path, Duration::zero());
  {
    Transaction transaction(other, Transaction::Kind::write);
    record.begin(numbered(2));
    record.flush();
    record.finish(numbered(2), 0);
  }
  record.finish(numbered(2), 0);
  EXPECT_FALSE(record.works());
  expect_one_warning("database is locked");
  EXPECT_EQ(ids(), std::vector<std::string>{id(1)});
}

TEST_F(RecordTest, a_newer_murders_record_is_left_alone) {
  record(numbered(1));
  const auto version = Database(path, Duration::zero()).value_of("PRAGMA user_version");
  Database(path, Duration::zero()).execute("PRAGMA user_version=99");
  record(numbered(2));
  expect_one_warning("newer murder");
  EXPECT_THROW(history(), Error);
  Database(path, Duration::zero())
      .execute(("PRAGMA user_version=" + std::to_string(version)).c_str());
  EXPECT_EQ(ids(), std::vector<std::string>{id(1)});
}

TEST_F(RecordTest, a_database_of_something_else_is_left_alone) {
  fs::create_directories(path.parent_path());
  open_file(path, O_RDWR | O_CREAT);
  Database(path, Duration::zero()).execute("CREATE TABLE deploys(id TEXT)");
  const std::string before = read_file(path);
  record(numbered(1));
  expect_one_warning("no history of murder");
  EXPECT_EQ(read_file(path), before);
}

class SmallDisk : public RecordTest {
 protected:
  void SetUp() override {
    fs::create_directory(disk());
    if (::mount("murder-test", disk().c_str(), "tmpfs", 0, "size=256k,mode=755") != 0)
      GTEST_SKIP() << "cannot mount a tmpfs (" << system_reason(errno)
                   << "): run as root to test full disks";
    mounted_ = true;
    path = disk() / "history.db";
  }
  void TearDown() override {
    if (mounted_) ::umount2(disk().c_str(), MNT_DETACH);
  }
  fs::path disk() const { return temp.path() / "disk"; }

 private:
  bool mounted_ = false;
};

TEST_F(SmallDisk, a_full_disk_costs_one_warning_and_no_earlier_deploy) {
  record(numbered(1));
  ASSERT_TRUE(warnings.empty());
  {
    Record record = open();
    record.begin(numbered(2, 5000));
    record.flush();
    EXPECT_FALSE(record.works());
    record.update_host(id(2), host("web-001", HostState::healthy));
    record.finish(numbered(2, 5000), 0);
  }
  expect_one_warning("full");
  EXPECT_EQ(ids(), std::vector<std::string>{id(1)});
}

TEST_F(SmallDisk, a_read_only_disk_costs_one_warning_and_can_be_read) {
  record(numbered(1));
  ASSERT_EQ(::mount("murder-test", disk().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=256k"),
            0);
  record(numbered(2));
  expect_one_warning("ead-only file system");
  EXPECT_EQ(ids(), std::vector<std::string>{id(1)});
}

}  // namespace
}  // namespace murder::fleet
