#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class Verify : public testing::Test {
 protected:
  void SetUp() override { stage(destination_, "v1", sample_pack("1")); }
  fs::path in_release(const char* path) const { return temp_.path() / "app/releases/v1" / path; }
  std::vector<std::string> drifts() const { return test::drifts(destination_, "v1"); }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(Verify, finds_nothing_where_nothing_changed) { EXPECT_EQ(drifts(), no_drift); }

TEST_F(Verify, one_changed_bit_is_found_under_every_name) {
  std::string content = read_text(in_release("bin/app"));
  content[4321] = static_cast<char>(content[4321] ^ 1);
  std::fstream(in_release("bin/app"), std::ios::in | std::ios::out | std::ios::binary) << content;
  EXPECT_EQ(drifts(), (std::vector<std::string>{"content bin/app", "content bin/app-again"}));
}

TEST_F(Verify, a_hard_link_that_became_a_file_of_its_own_is_good_while_its_content_is) {
  fs::remove(in_release("bin/app-again"));
  fs::copy_file(in_release("bin/app"), in_release("bin/app-again"));
  EXPECT_EQ(drifts(), no_drift);
  write_text(in_release("bin/app-again"), "other");
  EXPECT_EQ(drifts(), std::vector<std::string>{"content bin/app-again"});
}

TEST_F(Verify, missing_and_added_entries_are_found) {
  fs::remove(in_release("etc/config"));
  fs::remove(in_release("latest"));
  write_text(in_release("new/deep/file"), "x");
  write_text(in_release("empty/file"), "x");
  EXPECT_EQ(drifts(), (std::vector<std::string>{"added empty/file", "missing etc/config",
                                                "missing latest", "added new"}));
}

TEST_F(Verify, everything_below_a_missing_folder_is_missing) {
  fs::remove_all(in_release("bin"));
  EXPECT_EQ(drifts(),
            (std::vector<std::string>{"missing bin", "missing bin/app", "missing bin/app-again"}));
}

TEST_F(Verify, changed_modes_are_found_with_their_special_bits) {
  fs::permissions(in_release("etc/config"), fs::perms::others_read, fs::perm_options::add);
  fs::permissions(in_release("empty"), fs::perms{0755});
  fs::permissions(in_release("bin/app"), fs::perms::set_uid, fs::perm_options::add);
  ASSERT_EQ(drifts(), (std::vector<std::string>{"mode bin/app", "mode bin/app-again", "mode empty",
                                                "mode etc/config"}));
  EXPECT_EQ(verify_release(destination_, "v1")[3].detail, "mode 0644, not 0640");
}

TEST_F(Verify, changed_links_are_found_and_not_followed) {
  fs::remove(in_release("latest"));
  fs::create_symlink("bin/app-again", in_release("latest"));
  EXPECT_EQ(drifts(), std::vector<std::string>{"link latest"});
  EXPECT_EQ(verify_release(destination_, "v1")[0].detail, "to bin/app-again, not bin/app");
}

TEST_F(Verify, a_changed_type_is_found_even_when_it_leads_to_the_same_content) {
  fs::rename(in_release("etc"), temp_.path() / "etc");
  fs::create_directory_symlink(temp_.path() / "etc", in_release("etc"));
  fs::remove(in_release("bin/app"));
  ASSERT_EQ(::mkfifo(in_release("bin/app").c_str(), 0755), 0);
  EXPECT_EQ(drifts(), (std::vector<std::string>{"type bin/app", "type etc", "missing etc/config",
                                                "missing etc/nothing"}));
}

TEST_F(Verify, a_size_that_differs_is_told_without_reading) {
  fs::resize_file(in_release("etc/config"), 3);
  ASSERT_EQ(drifts(), std::vector<std::string>{"content etc/config"});
  EXPECT_EQ(verify_release(destination_, "v1")[0].detail, "3 bytes, not 11");
}

TEST_F(Verify, without_release_or_manifest_there_is_nothing_to_compare) {
  expect_error(ErrorKind::failed, "no such release", [&] { verify_release(destination_, "v2"); });
  expect_error(ErrorKind::usage, "bad tag", [&] { verify_release(destination_, "../v1"); });
  fs::remove(destination_.manifest_path("v1"));
  expect_error(ErrorKind::failed, "no manifest was kept",
               [&] { verify_release(destination_, "v1"); });
}

TEST_F(Verify, a_damaged_manifest_is_an_integrity_failure) {
  std::string stored = read_text(destination_.manifest_path("v1"));
  stored.resize(stored.size() / 2);
  write_text(destination_.manifest_path("v1"), stored);
  expect_error(ErrorKind::integrity, "manifests/v1", [&] { verify_release(destination_, "v1"); });
}

}  // namespace
}  // namespace murder
