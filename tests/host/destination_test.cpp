#include "host/destination.hpp"

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class DestinationTest : public testing::Test {
 protected:
  fs::path dest() const { return temp_.path() / "srv/app"; }
  Destination create() const { return Destination::open(dest(), Destination::Mode::create); }

  TempFolder temp_;
};

TEST_F(DestinationTest, makes_its_layout_where_nothing_was) {
  const Destination destination = create();
  EXPECT_EQ(destination.path(), dest());
  EXPECT_TRUE(fs::is_directory(dest() / "releases"));
  EXPECT_TRUE(fs::is_directory(dest() / ".murder/packs"));
  EXPECT_TRUE(fs::is_directory(dest() / ".murder/manifests"));
  EXPECT_TRUE(fs::is_directory(dest() / ".murder/transfers"));
  EXPECT_EQ(destination.pack_path("v1"), dest() / ".murder/packs/v1.tar.zst");
  EXPECT_EQ(destination.partial_pack_path("v1"), dest() / ".murder/packs/v1.tar.zst.partial");
  EXPECT_EQ(destination.metainfo_path("v1"), dest() / ".murder/packs/v1.torrent");
  EXPECT_EQ(destination.manifest_path("v1"), dest() / ".murder/manifests/v1");
}

TEST_F(DestinationTest, packs_can_be_read_by_their_owner_alone) {
  create();
  EXPECT_EQ(status_of(dest() / ".murder").st_mode & 07777, 0700u);
}

TEST_F(DestinationTest, opening_again_changes_nothing) {
  stage(create(), "v1", sample_pack("1"));
  const Destination again = create();
  EXPECT_TRUE(again.has_release("v1"));
  EXPECT_TRUE(Destination::open(dest(), Destination::Mode::existing).has_release("v1"));
}

TEST_F(DestinationTest, an_empty_path_and_the_root_are_refused) {
  for (const char* path : {"", "/", "//", "/.", "/tmp/.."})
    expect_error(ErrorKind::usage, "the destination is",
                 [&] { Destination::open(path, Destination::Mode::create); });
  fs::create_directory_symlink("/", temp_.path() / "root");
  expect_error(ErrorKind::usage, "the destination is",
               [&] { Destination::open(temp_.path() / "root", Destination::Mode::existing); });
  EXPECT_FALSE(is_there("/.murder"));
}

TEST_F(DestinationTest, existing_makes_nothing) {
  expect_error(ErrorKind::failed, "cannot open",
               [&] { Destination::open(dest(), Destination::Mode::existing); });
  EXPECT_FALSE(is_there(dest()));
  fs::create_directories(dest());
  expect_error(ErrorKind::failed, "no release was ever staged there",
               [&] { Destination::open(dest(), Destination::Mode::existing); });
  EXPECT_TRUE(names_in(dest()).empty());
}

TEST_F(DestinationTest, a_file_in_its_place_is_an_error) {
  write_text(dest(), "a file");
  expect_error(ErrorKind::failed, dest().native(), [&] { create(); });
}

TEST_F(DestinationTest, a_destination_that_cannot_be_written_is_refused_at_once) {
  create();
  ::chmod((dest() / "releases").c_str(), 0555);
  ::chmod(temp_.path().c_str(), 0755);
  EXPECT_EQ(in_child([&] {
              drop_privileges();
              try {
                create();
              } catch (const Error& error) {
                require(error.kind() == ErrorKind::failed, error.what());
                require(std::string_view(error.what()).find("cannot write") == 0, error.what());
                return;
              }
              require(false, "opened");
            }),
            0);
}

TEST_F(DestinationTest, the_path_may_lead_through_symlinks_but_not_go_on_inside) {
  fs::create_directories(temp_.path() / "disk");
  fs::create_directories(dest().parent_path());
  fs::create_directory_symlink(temp_.path() / "disk", dest());
  create();
  EXPECT_TRUE(fs::is_directory(temp_.path() / "disk/releases"));

  fs::remove(temp_.path() / "disk/releases");
  fs::create_directory(temp_.path() / "elsewhere");
  fs::create_directory_symlink(temp_.path() / "elsewhere", temp_.path() / "disk/releases");
  expect_error(ErrorKind::failed, "not a folder", [&] { create(); });
}

TEST_F(DestinationTest, a_renamed_destination_stays_the_same_one) {
  const Destination destination = create();
  fs::rename(dest(), temp_.path() / "srv/moved");
  create();  // another one under the old name
  stage(destination, "v1", sample_pack("1"));
  EXPECT_TRUE(is_there(temp_.path() / "srv/moved/releases/v1"));
  EXPECT_FALSE(is_there(dest() / "releases/v1"));
}

TEST_F(DestinationTest, current_is_read_in_the_forms_that_deploy_tools_write) {
  const Destination destination = create();
  EXPECT_EQ(destination.current_tag(), std::nullopt);
  const auto points_to = [&](const fs::path& target) {
    fs::remove(dest() / "current");
    fs::create_symlink(target, dest() / "current");
    return destination.current_tag();
  };
  EXPECT_EQ(points_to("releases/v1"), "v1");
  EXPECT_EQ(points_to(dest() / "releases/20240131120000"), "20240131120000");
  EXPECT_EQ(points_to("releases/v1/public"), std::nullopt);
  EXPECT_EQ(points_to("/somewhere/releases/v1"), std::nullopt);
  EXPECT_EQ(points_to("releases/v1.partial"), std::nullopt);
  EXPECT_EQ(points_to("releases/.."), std::nullopt);
  fs::remove(dest() / "current");
  fs::create_directory(dest() / "current");
  EXPECT_EQ(destination.current_tag(), std::nullopt);
}

TEST_F(DestinationTest, only_a_complete_folder_is_a_release) {
  const Destination destination = create();
  fs::create_directories(dest() / "releases/v1.partial");
  fs::create_directories(dest() / "elsewhere");
  fs::create_directory_symlink("../elsewhere", dest() / "releases/link");
  write_text(dest() / "releases/file", "x");
  for (const char* tag : {"v1", "v1.partial", "link", "file", "..", ".", "", "a/b", "../releases"})
    EXPECT_FALSE(destination.has_release(tag)) << tag;
  fs::rename(dest() / "releases/v1.partial", dest() / "releases/v1");
  EXPECT_TRUE(destination.has_release("v1"));
}

TEST_F(DestinationTest, releases_are_listed_newest_first_with_the_live_one_and_the_partial_one) {
  const Destination destination = create();
  EXPECT_TRUE(destination.releases().empty());
  // Within one second, in an order that is neither that of names nor that of the disk.
  for (const char* tag : {"b", "c", "a"}) stage(destination, tag, sample_pack(tag));
  fs::create_directory(dest() / "releases/d.partial");
  write_text(dest() / "releases/not a tag/x", "x");
  activate(destination, "c");
  append_journal(destination, {4'000'000'000, "staged", "b", ""});

  std::vector<std::string> lines;
  for (const Destination::Release& release : destination.releases()) {
    EXPECT_GT(release.staged_at, 1'600'000'000);
    if (release.partial) {
      EXPECT_EQ(release.tag, "d");
      EXPECT_FALSE(release.live);
    } else {
      lines.push_back(release.tag + (release.live ? " live" : ""));
    }
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"b", "a", "c live"}));
  EXPECT_EQ(destination.releases().size(), 4u);
}

TEST_F(DestinationTest, room_is_checked_before_the_first_byte) {
  const Destination destination = create();
  const std::uint64_t available = destination.free_bytes();
  EXPECT_GT(available, 0u);
  EXPECT_NO_THROW(check_room(destination, 1000, 1000, 0));
  // The 5 % count, and so does what is there already.
  expect_error(ErrorKind::failed, " free",
               [&] { check_room(destination, available / 2, available / 2, 0); });
  EXPECT_NO_THROW(check_room(destination, available / 2, available / 2, available / 2));
  expect_error(ErrorKind::failed, "it needs", [&] { check_room(destination, ~0ull, ~0ull, 0); });
}

TEST(TreeBytesOnDisk, small_files_take_whole_blocks) {
  PackBuilder builder;
  for (int i = 0; i < 100; ++i) builder.file("f" + std::to_string(i), "x");
  const Manifest manifest = builder.folder("folder")
                                .file("empty", "")
                                .file("one-block", std::string(4096, 'x'))
                                .file("two-blocks", std::string(4097, 'x'))
                                .symlink("link", "folder")
                                .build()
                                .manifest;
  EXPECT_EQ(tree_bytes_on_disk(manifest), (100u + 1 + 0 + 1 + 2) * 4096);
}

}  // namespace
}  // namespace murder
