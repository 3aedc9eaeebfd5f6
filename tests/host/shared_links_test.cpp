#include "host/shared_links.hpp"

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class SharedLinks : public testing::Test {
 protected:
  void SetUp() override { stage(destination_, "v1", sample_pack("1")); }
  fs::path dest() const { return temp_.path() / "app"; }
  fs::path release() const { return dest() / "releases/v1"; }
  void link(const std::vector<std::string>& paths) { link_shared(destination_, "v1", paths); }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(SharedLinks, what_is_shared_is_made_and_linked_and_is_no_drift) {
  link({"log", "var/run/", "config/deep/uploads"});
  EXPECT_EQ(fs::read_symlink(release() / "log"), "../../shared/log");
  EXPECT_EQ(fs::read_symlink(release() / "var/run"), "../../../shared/var/run");
  EXPECT_EQ(fs::read_symlink(release() / "config/deep/uploads"),
            "../../../../shared/config/deep/uploads");
  for (const char* path : {"log", "var/run", "config/deep/uploads"})
    EXPECT_TRUE(fs::is_directory(fs::symlink_status(dest() / "shared" / path))) << path;
  write_text(release() / "log/app.log", "a line");
  EXPECT_EQ(read_text(dest() / "shared/log/app.log"), "a line");
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
  EXPECT_EQ(linked_paths(destination_, "v1"),
            (std::vector<std::string>{"config/deep/uploads", "log", "var/run"}));
}

TEST_F(SharedLinks, a_file_that_is_there_is_linked_as_it_is) {
  write_text(dest() / "shared/config/secrets.yml", "secret");
  link({"config/secrets.yml"});
  EXPECT_EQ(read_text(release() / "config/secrets.yml"), "secret");
}

TEST_F(SharedLinks, doing_it_again_changes_nothing_and_others_may_be_added) {
  link({"log"});
  const auto inode = status_of(release() / "log").st_ino;
  link({"log", "tmp"});
  EXPECT_EQ(status_of(release() / "log").st_ino, inode);
  link({"uploads"});
  EXPECT_EQ(linked_paths(destination_, "v1"), (std::vector<std::string>{"log", "tmp", "uploads"}));
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

TEST_F(SharedLinks, an_empty_folder_of_the_release_makes_way) {
  link({"empty"});
  EXPECT_TRUE(fs::is_symlink(release() / "empty"));
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

TEST_F(SharedLinks, what_the_release_ships_is_never_replaced) {
  expect_error(ErrorKind::failed,
               "releases/v1/etc/config to shared/etc/config: the release ships a file there",
               [&] { link({"etc/config"}); });
  expect_error(ErrorKind::failed, "ships a folder that is not empty there", [&] { link({"etc"}); });
  expect_error(ErrorKind::failed, "ships a file there", [&] { link({"latest"}); });
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

TEST_F(SharedLinks, paths_that_lead_elsewhere_are_refused_before_anything_is_made) {
  for (const char* path : {"", "/", "/etc", "..", "../x", "a/../b", "a//b", "./a", "a\nb"})
    expect_error(ErrorKind::usage, "cannot link the shared path", [&] { link({"log", path}); });
  EXPECT_FALSE(is_there(dest() / "shared"));
  EXPECT_FALSE(is_there(release() / "log"));
}

TEST_F(SharedLinks, no_symlink_leads_out_of_the_destination) {
  const fs::path outside = temp_.path() / "outside";
  fs::create_directory(outside);
  fs::create_directory(dest() / "shared");
  fs::create_symlink(outside, dest() / "shared/out");
  expect_error(ErrorKind::failed, "shared/out: it is no folder (symlinks are not followed",
               [&] { link({"out/log"}); });
  fs::create_symlink(outside, release() / "var");
  expect_error(ErrorKind::failed, "releases/v1/var: it is no folder", [&] { link({"var/log"}); });
  fs::remove_all(dest() / "shared");
  fs::create_symlink(outside, dest() / "shared");
  expect_error(ErrorKind::failed, "shared: it is no folder", [&] { link({"log"}); });
  EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(SharedLinks, a_path_below_another_that_is_linked_is_refused) {
  link({"log"});
  expect_error(ErrorKind::failed, "releases/v1/log: it is no folder", [&] { link({"log/nginx"}); });
}

TEST_F(SharedLinks, a_file_where_a_folder_is_meant_is_told) {
  write_text(dest() / "shared/log", "a file");
  expect_error(ErrorKind::failed, "shared/log: it is a file, and a folder is meant (\"log/\")",
               [&] { link({"log/"}); });
}

TEST_F(SharedLinks, what_is_not_staged_cannot_be_linked_into) {
  expect_error(ErrorKind::failed, "cannot link into v9: no such release",
               [&] { link_shared(destination_, "v9", {"log"}); });
}

TEST_F(SharedLinks, folders_belong_to_whom_their_parent_belongs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give folders away";
  fs::create_directory(dest() / "shared");
  ASSERT_EQ(::chown((dest() / "shared").c_str(), 12345, 23456), 0);
  link({"log/app"});
  EXPECT_EQ(status_of(dest() / "shared/log/app").st_uid, 12345u);
  EXPECT_EQ(status_of(dest() / "shared/log").st_gid, 23456u);
}

TEST_F(SharedLinks, a_link_that_was_changed_or_taken_away_is_drift) {
  link({"log", "empty", "a/b", "tmp"});
  fs::remove(release() / "log");
  fs::remove(release() / "empty");
  fs::remove(release() / "a/b");
  write_text(release() / "a/b", "a file");
  write_text(release() / "a/c", "not linked");
  fs::remove(release() / "tmp");
  fs::create_symlink("/tmp", release() / "tmp");
  write_text(release() / "new", "not linked either");
  EXPECT_EQ(drifts(destination_, "v1"),
            (std::vector<std::string>{"type a/b", "missing empty", "missing log", "added new",
                                      "link tmp"}));
}

TEST_F(SharedLinks, a_new_release_of_the_same_tag_begins_without_links) {
  link({"log"});
  fs::remove_all(release());
  stage(destination_, "v1", sample_pack("1"));
  EXPECT_EQ(linked_paths(destination_, "v1"), std::vector<std::string>());
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

}  // namespace
}  // namespace murder
