#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class Activate : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tag : {"v0", "v1", "v2", "v3"})
      fs::create_directory(dest() / "releases" / tag);
  }
  fs::path dest() const { return temp_.path() / "app"; }
  std::string live() const { return destination_.current_tag().value_or("nothing"); }
  std::string last_line() const {
    const std::vector<JournalEntry> entries = read_journal(destination_);
    if (entries.empty()) return "";
    return entries.back().action + " " + entries.back().tag + " after " +
           entries.back().previous_tag;
  }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(Activate, points_current_at_the_release_and_says_what_was_live) {
  EXPECT_EQ(activate(destination_, "v1"), std::nullopt);
  EXPECT_EQ(fs::read_symlink(dest() / "current"), "releases/v1");
  EXPECT_EQ(activate(destination_, "v2"), "v1");
  EXPECT_EQ(fs::read_symlink(dest() / "current"), "releases/v2");
  EXPECT_EQ(last_line(), "activated v2 after v1");
  EXPECT_EQ(names_in(dest()), (std::vector<std::string>{".murder", "current", "releases"}));
}

TEST_F(Activate, activating_what_is_live_does_nothing) {
  activate(destination_, "v1");
  const auto inode = status_of(dest() / "current").st_ino;
  EXPECT_EQ(activate(destination_, "v1"), "v1");
  EXPECT_EQ(status_of(dest() / "current").st_ino, inode);
  EXPECT_EQ(read_journal(destination_).size(), 1u);
}

TEST_F(Activate, what_is_not_staged_cannot_go_live) {
  activate(destination_, "v1");
  fs::create_directory(dest() / "releases/v9.partial");
  expect_error(ErrorKind::failed, "no such release", [&] { activate(destination_, "v9"); });
  expect_error(ErrorKind::usage, "bad tag", [&] { activate(destination_, "v9.partial"); });
  expect_error(ErrorKind::usage, "bad tag", [&] { activate(destination_, "../../etc"); });
  EXPECT_EQ(live(), "v1");
}

TEST_F(Activate, a_folder_named_current_is_left_alone_and_the_way_out_is_told) {
  write_text(dest() / "current/index.html", "by hand");
  expect_error(ErrorKind::failed, "it is a folder, not a symlink; move it away (mv ",
               [&] { activate(destination_, "v1"); });
  EXPECT_EQ(read_text(dest() / "current/index.html"), "by hand");
  EXPECT_TRUE(read_journal(destination_).empty());
}

TEST_F(Activate, links_that_killed_processes_left_are_removed) {
  fs::create_symlink("releases/v3", dest() / "current.tmp-1");
  fs::create_symlink("releases/v3", dest() / ("current.tmp-" + std::to_string(::getpid())));
  write_text(dest() / "current.tmp-notes", "a file of the user's");
  activate(destination_, "v1");
  EXPECT_EQ(live(), "v1");
  EXPECT_EQ(names_in(dest()),
            (std::vector<std::string>{".murder", "current", "current.tmp-notes", "releases"}));
}

TEST_F(Activate, a_journal_that_cannot_be_written_leaves_the_old_release_live) {
  activate(destination_, "v1");
  fs::remove(dest() / ".murder/journal");
  fs::create_directory(dest() / ".murder/journal");
  expect_error(ErrorKind::failed, "journal", [&] { activate(destination_, "v2"); });
  EXPECT_EQ(live(), "v1");
  EXPECT_EQ(names_in(dest()), (std::vector<std::string>{".murder", "current", "releases"}));
}

TEST_F(Activate, a_switch_that_the_kernel_refuses_is_not_in_the_journal) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: lets an ordinary user meet root's link";
  fs::create_symlink("releases/v1", dest() / "current");
  // Anyone may add a link here, but only root may replace root's.
  ::chmod(dest().c_str(), 01777);
  ::chmod(temp_.path().c_str(), 0755);
  give_to_ordinary_user(dest() / ".murder");
  EXPECT_EQ(in_child([&] {
              drop_privileges();
              try {
                activate(destination_, "v2");
              } catch (const Error& error) {
                require(std::string_view(error.what()).find("cannot switch") == 0, error.what());
                return;
              }
              require(false, "switched");
            }),
            0);
  EXPECT_EQ(live(), "v1");
  EXPECT_TRUE(read_journal(destination_).empty());
  EXPECT_EQ(names_in(dest()), (std::vector<std::string>{".murder", "current", "releases"}));
}

class Rollback : public Activate {};

TEST_F(Rollback, goes_back_and_then_further_back_never_forth) {
  for (const char* tag : {"v0", "v1", "v2"}) activate(destination_, tag);
  EXPECT_EQ(rollback(destination_, ""), "v1");
  EXPECT_EQ(live(), "v1");
  EXPECT_EQ(last_line(), "rolled-back v1 after v2");
  EXPECT_EQ(rollback(destination_, ""), "v0");
  EXPECT_EQ(live(), "v0");
  expect_error(ErrorKind::failed, "no release that was live before v0 is left",
               [&] { rollback(destination_, ""); });
  EXPECT_EQ(live(), "v0");
}

TEST_F(Rollback, an_activation_after_it_starts_from_there) {
  for (const char* tag : {"v0", "v1", "v2"}) activate(destination_, tag);
  rollback(destination_, "");
  activate(destination_, "v3");
  EXPECT_EQ(rollback(destination_, ""), "v1");
  EXPECT_EQ(rollback(destination_, ""), "v0");
}

TEST_F(Rollback, undoes_the_activation_of_an_older_release_too) {
  for (const char* tag : {"v0", "v1", "v2", "v1"}) activate(destination_, tag);
  EXPECT_EQ(rollback(destination_, ""), "v2");
  EXPECT_EQ(rollback(destination_, ""), "v1");
  EXPECT_EQ(rollback(destination_, ""), "v0");
}

TEST_F(Rollback, to_a_named_release) {
  for (const char* tag : {"v0", "v1", "v2"}) activate(destination_, tag);
  EXPECT_EQ(rollback(destination_, "v0"), "v0");
  EXPECT_EQ(live(), "v0");
  expect_error(ErrorKind::failed, "cannot roll back", [&] { rollback(destination_, ""); });
  // One that was never live: the way back from there is where one came from.
  EXPECT_EQ(rollback(destination_, "v3"), "v3");
  EXPECT_EQ(rollback(destination_, ""), "v0");
  expect_error(ErrorKind::failed, "no such release", [&] { rollback(destination_, "v9"); });
}

TEST_F(Rollback, to_what_is_live_does_nothing) {
  activate(destination_, "v1");
  EXPECT_EQ(rollback(destination_, "v1"), "v1");
  EXPECT_EQ(read_journal(destination_).size(), 1u);
}

TEST_F(Rollback, skips_releases_that_are_gone) {
  for (const char* tag : {"v0", "v1", "v2"}) activate(destination_, tag);
  fs::remove_all(dest() / "releases/v1");
  EXPECT_EQ(rollback(destination_, ""), "v0");
}

TEST_F(Rollback, without_anything_live_needs_a_name) {
  expect_error(ErrorKind::failed, "no release is live there", [&] { rollback(destination_, ""); });
  EXPECT_EQ(rollback(destination_, "v1"), "v1");
  EXPECT_EQ(live(), "v1");
}

TEST_F(Rollback, believes_the_link_rather_than_the_journal) {
  activate(destination_, "v0");
  activate(destination_, "v1");
  // Journalled, but killed before the rename.
  append_journal(destination_, {1, "activated", "v2", "v1"});
  EXPECT_EQ(rollback(destination_, ""), "v0");

  activate(destination_, "v1");
  append_journal(destination_, {1, "activated", "v2", "v1"});
  activate(destination_, "v3");
  EXPECT_EQ(rollback(destination_, ""), "v1") << "v2 never was live";

  // Switched by hand, past the journal.
  fs::remove(dest() / "current");
  fs::create_symlink("releases/v2", dest() / "current");
  EXPECT_EQ(rollback(destination_, ""), "v1");
}

TEST_F(Rollback, a_rollback_that_was_killed_half_way_can_be_done_again) {
  for (const char* tag : {"v0", "v1", "v2"}) activate(destination_, tag);
  append_journal(destination_, {1, "rolled-back", "v1", "v2"});
  EXPECT_EQ(live(), "v2");
  EXPECT_EQ(rollback(destination_, ""), "v1");
}

TEST_F(Activate, the_previous_release_is_where_rollback_would_go) {
  EXPECT_EQ(previous_release(destination_), std::nullopt);
  activate(destination_, "v1");
  EXPECT_EQ(previous_release(destination_), std::nullopt);
  activate(destination_, "v2");
  activate(destination_, "v3");
  EXPECT_EQ(previous_release(destination_), "v2");
  fs::remove_all(dest() / "releases/v2");
  EXPECT_EQ(previous_release(destination_), "v1");
  EXPECT_EQ(rollback(destination_, ""), "v1");
  EXPECT_EQ(previous_release(destination_), std::nullopt);
}

}  // namespace
}  // namespace murder
