// A disk that fills up at every possible moment: the old release stays live, the error says what is
// needed, and the same command works once there is room. On a tmpfs of the test's own, whose size
// is raised page by page.
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(disk());
    if (::mount("murder-test", disk().c_str(), "tmpfs", 0, "size=64m,mode=755") != 0)
      GTEST_SKIP() << "cannot mount a tmpfs (" << system_reason(errno)
                   << "): run as root to test full disks";
    mounted_ = true;
    destination_ = Destination::open(disk() / "app", Destination::Mode::create);
    stage(*destination_, "v1", sample_pack("1"));
    activate(*destination_, "v1");
  }
  void TearDown() override {
    destination_.reset();
    if (mounted_) ::umount2(disk().c_str(), MNT_DETACH);
  }
  fs::path disk() const { return temp_.path() / "disk"; }
  void resize(const std::string& options) {
    ASSERT_EQ(::mount("murder-test", disk().c_str(), "tmpfs", MS_REMOUNT, options.c_str()), 0)
        << system_reason(errno);
  }
  void leave_free(std::uint64_t pages) {
    struct statvfs st {};
    ASSERT_EQ(::statvfs(disk().c_str(), &st), 0);
    resize("size=" + std::to_string((st.f_blocks - st.f_bfree + pages) * st.f_frsize));
    ASSERT_EQ(destination_->free_bytes(), pages * st.f_frsize);
  }
  void expect_v1_is_live_and_whole() {
    EXPECT_EQ(destination_->current_tag(), "v1");
    EXPECT_EQ(drifts(*destination_, "v1"), no_drift);
  }
  /// Raises the room until `operation` succeeds; what fails before must say so and harm nothing.
  void for_each_room(const std::function<void()>& operation) {
    for (std::uint64_t pages = 0; pages < 200; ++pages) {
      leave_free(pages);
      try {
        operation();
        EXPECT_GT(pages, 0u) << "it never ran out of room";
        return;
      } catch (const Error& error) {
        const std::string_view message = error.what();
        EXPECT_EQ(error.kind(), ErrorKind::failed) << message;
        EXPECT_NE(message.find("no space left in " + (disk() / "app").native() + " (needed "),
                  std::string_view::npos)
            << message;
        EXPECT_NE(message.find(" free); make room and run the same command again"),
                  std::string_view::npos)
            << message;
      }
      expect_v1_is_live_and_whole();
      // What was staged so far does not keep the disk full.
      EXPECT_GE(destination_->free_bytes() + std::uint64_t{4} * 4096, pages * 4096);
    }
    FAIL() << "it never succeeded";
  }

  TempFolder temp_;
  bool mounted_ = false;
  std::optional<Destination> destination_;
};

TEST_F(FullDisk, staging_keeps_the_old_release_live_and_succeeds_once_there_is_room) {
  const Pack pack = sample_pack("2");
  for_each_room([&] { stage(*destination_, "v2", pack); });
  expect_v1_is_live_and_whole();
  EXPECT_EQ(drifts(*destination_, "v2"), no_drift);
}

TEST_F(FullDisk, staging_a_file_too) {
  write_text(temp_.path() / "payload", noise(100'000, 1));
  for_each_room([&] { stage_file(*destination_, "v2", "file", temp_.path() / "payload", {}); });
  expect_v1_is_live_and_whole();
  EXPECT_EQ(drifts(*destination_, "v2"), no_drift);
}

TEST_F(FullDisk, the_error_names_the_file_and_the_room) {
  const Pack pack = PackBuilder().file("big", noise(1'000'000, 1)).build(1u << 20);
  leave_free(10);
  expect_error(
      ErrorKind::failed,
      "cannot unpack big: no space left in " + (disk() / "app").native() + " (needed 1.0 MB, ",
      [&] { stage(*destination_, "v2", pack); });
}

TEST_F(FullDisk, room_that_is_not_there_is_told_beforehand) {
  leave_free(100);
  EXPECT_NO_THROW(check_room(*destination_, 100'000, 200'000, 0));
  expect_error(ErrorKind::failed, "it needs 420 kB, 410 kB free",
               [&] { check_room(*destination_, 200'000, 200'000, 0); });
}

TEST_F(FullDisk, inodes_can_run_out_too) {
  struct statvfs st {};
  ASSERT_EQ(::statvfs(disk().c_str(), &st), 0);
  resize("nr_inodes=" + std::to_string(st.f_files - st.f_ffree + 4));
  expect_error(ErrorKind::failed, "no inodes left in",
               [&] { stage(*destination_, "v2", sample_pack("2")); });
  expect_v1_is_live_and_whole();
  resize("nr_inodes=1000");
  stage(*destination_, "v2", sample_pack("2"));
  EXPECT_EQ(drifts(*destination_, "v2"), no_drift);
}

TEST_F(FullDisk, activating_changes_nothing_or_all) {
  stage(*destination_, "v2", sample_pack("2"));
  // The journal is filled up nearly to the end of its page: a part of the next line still fits.
  const fs::path journal = disk() / "app/.murder/journal";
  std::ofstream(journal, std::ios::app) << std::string(4075 - fs::file_size(journal), ' ') << "\n";
  const auto size = fs::file_size(journal);
  leave_free(0);
  expect_error(ErrorKind::failed, "no space left", [&] { activate(*destination_, "v2"); });
  expect_v1_is_live_and_whole();
  EXPECT_EQ(fs::file_size(journal), size);
  EXPECT_EQ(names_in(disk() / "app"), (std::vector<std::string>{".murder", "current", "releases"}));
  leave_free(8);
  EXPECT_EQ(activate(*destination_, "v2"), "v1");
}

}  // namespace
}  // namespace murder
