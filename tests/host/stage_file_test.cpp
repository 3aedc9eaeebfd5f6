#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class StageFile : public testing::Test {
 protected:
  void SetUp() override { write_text(payload(), content_); }
  fs::path payload() const { return temp_.path() / "payload"; }
  fs::path releases() const { return temp_.path() / "app/releases"; }

  TempFolder temp_;
  std::string content_ = noise(3'000'000, 1) + std::string(1u << 20, '\0') + noise(77, 2);
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(StageFile, becomes_a_release_of_one_file) {
  stage_file(destination_, "v1", "model.bin", payload(), {});
  EXPECT_EQ(names_in(releases()), std::vector<std::string>{"v1"});
  EXPECT_EQ(names_in(releases() / "v1"), std::vector<std::string>{"model.bin"});
  EXPECT_EQ(read_text(releases() / "v1/model.bin"), content_);
  EXPECT_EQ(status_of(releases() / "v1/model.bin").st_mode & 07777, 0644u);
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
  EXPECT_EQ(read_journal(destination_).back().action, "staged");
}

TEST_F(StageFile, is_verified_like_any_other) {
  stage_file(destination_, "v1", "model.bin", payload(), {});
  std::fstream(releases() / "v1/model.bin", std::ios::in | std::ios::out) << "changed";
  write_text(releases() / "v1/more", "x");
  EXPECT_EQ(drifts(destination_, "v1"),
            (std::vector<std::string>{"content model.bin", "added more"}));
}

TEST_F(StageFile, the_payload_stays_apart) {
  const struct stat before = status_of(payload());
  stage_file(destination_, "v1", "model.bin", payload(), {});
  EXPECT_NE(status_of(releases() / "v1/model.bin").st_ino, before.st_ino);
  EXPECT_EQ(status_of(payload()).st_mode, before.st_mode);
  write_text(payload(), "rewritten by the next transfer");
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

TEST_F(StageFile, has_the_same_mtime_wherever_it_is_staged) {
  const Destination other = Destination::open(temp_.path() / "other", Destination::Mode::create);
  stage_file(destination_, "v1", "model.bin", payload(), {});
  stage_file(other, "v1", "model.bin", payload(), {});
  const struct stat here = status_of(releases() / "v1/model.bin");
  const struct stat there = status_of(temp_.path() / "other/releases/v1/model.bin");
  EXPECT_EQ(here.st_mtim.tv_sec, there.st_mtim.tv_sec);
  EXPECT_EQ(here.st_mtim.tv_nsec, 0);
}

TEST_F(StageFile, zeros_take_no_room) {
  const std::string zeros(9u << 19, '\0');
  for (const std::string& content : {zeros + "end", "begin" + zeros}) {
    const std::string tag = "size-" + std::to_string(content.size());
    write_text(payload(), content);
    stage_file(destination_, tag, "image", payload(), {});
    EXPECT_LE(status_of(releases() / tag / "image").st_blocks * 512, 64 * 1024);
    EXPECT_EQ(drifts(destination_, tag), no_drift);
  }
}

TEST_F(StageFile, empty_files_and_those_of_many_frames_can_be_staged) {
  for (const std::size_t size : {0u, 1u, 512u, (8u << 20) - 1536, (8u << 20) - 1535, 20u << 20}) {
    const std::string tag = "size-" + std::to_string(size);
    write_text(payload(), noise(size, size));
    stage_file(destination_, tag, "file", payload(), {});
    EXPECT_EQ(fs::file_size(releases() / tag / "file"), size);
    EXPECT_EQ(drifts(destination_, tag), no_drift);
  }
}

TEST_F(StageFile, the_same_again_changes_nothing_and_other_content_is_refused) {
  stage_file(destination_, "v1", "model.bin", payload(), {});
  const auto inode = status_of(releases() / "v1/model.bin").st_ino;
  stage_file(destination_, "v1", "model.bin", payload(), {});
  EXPECT_EQ(status_of(releases() / "v1/model.bin").st_ino, inode);
  EXPECT_EQ(read_journal(destination_).size(), 1u);
  expect_error(ErrorKind::usage, "with other content",
               [&] { stage_file(destination_, "v1", "other-name", payload(), {}); });
  write_text(payload(), "other");
  expect_error(ErrorKind::usage, "with other content",
               [&] { stage_file(destination_, "v1", "model.bin", payload(), {}); });
  EXPECT_EQ(read_text(releases() / "v1/model.bin"), content_);
  EXPECT_EQ(names_in(releases()), std::vector<std::string>{"v1"});
}

TEST_F(StageFile, names_that_lead_elsewhere_are_refused) {
  for (const char* name : {"", ".", "..", "../x", "/etc/x", "a/b"})
    expect_error(ErrorKind::integrity, "leads out of the release",
                 [&] { stage_file(destination_, "v1", name, payload(), {}); });
  expect_error(ErrorKind::usage, "bad tag",
               [&] { stage_file(destination_, "v1.partial", "x", payload(), {}); });
  EXPECT_TRUE(names_in(releases()).empty());
}

TEST_F(StageFile, a_payload_that_is_not_there_leaves_nothing) {
  expect_error(ErrorKind::failed, "cannot open",
               [&] { stage_file(destination_, "v1", "x", temp_.path() / "none", {}); });
  EXPECT_TRUE(names_in(releases()).empty());
}

TEST_F(StageFile, an_owner_gets_it) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: gives files to another user";
  stage_file(destination_, "v1", "model.bin", payload(), {"12345"});
  EXPECT_EQ(status_of(releases() / "v1/model.bin").st_uid, 12345u);
  EXPECT_EQ(status_of(releases() / "v1").st_uid, 12345u);
}

}  // namespace
}  // namespace murder
