#include "host/prune.hpp"

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class PruneTest : public ::testing::Test {
 protected:
  /// A release of one file with what a transfer keeps of it.
  void stage(const std::string& tag) {
    stage_file(destination_, tag, "app", payload_, {});
    keep_pack(tag);
  }
  /// As a transfer leaves it.
  void keep_pack(const std::string& tag, const std::string& suffix = ".tar.zst") {
    write_text(own() / "packs" / (tag + suffix), "pack");
    write_text(own() / "packs" / (tag + ".torrent"), "torrent");
  }
  /// As another tool takes a release away.
  void move_away(const std::string& tag) {
    fs::rename(dest() / "releases" / tag, folder_.path() / ("taken-" + tag));
  }
  void set_age(const std::string& tag, int hours) {
    for (const char* const suffix : {".tar.zst", ".tar.zst.partial", ".torrent"}) {
      const fs::path path = own() / "packs" / (tag + suffix);
      if (fs::exists(path))
        fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(hours));
    }
  }
  std::vector<std::string> packs() const { return names_in(own() / "packs"); }
  fs::path dest() const { return folder_.path() / "app"; }
  fs::path own() const { return dest() / ".murder"; }

  TempFolder folder_;
  const Destination destination_ = Destination::open(dest(), Destination::Mode::create);
  const fs::path payload_ = [this] {
    write_text(folder_.path() / "payload", "content");
    return folder_.path() / "payload";
  }();
};

TEST_F(PruneTest, packs_of_releases_that_others_took_away_do_not_pile_up) {
  for (const char* const tag : {"v1", "v2", "v3"}) {
    stage(tag);
    move_away(tag);
  }
  EXPECT_EQ(prune(destination_, 1).removed, (std::vector<std::string>{"v1", "v2"}));
  EXPECT_EQ(packs(), (std::vector<std::string>{"v3.tar.zst", "v3.torrent"}));
  EXPECT_TRUE(prune(destination_, 1).removed.empty());
}

TEST_F(PruneTest, the_pack_that_was_staged_from_last_is_the_newest) {
  for (const char* const tag : {"v1", "v2", "v1"}) {
    stage(tag);
    move_away(tag);
    fs::remove_all(folder_.path() / ("taken-" + std::string(tag)));
  }
  // Its files are older: staging again from a kept pack writes none.
  set_age("v1", 5);
  EXPECT_EQ(prune(destination_, 1).removed, std::vector<std::string>{"v2"});
}

TEST_F(PruneTest, a_transfer_that_was_given_up_takes_no_room_for_ever) {
  keep_pack("old", ".tar.zst.partial");
  set_age("old", 48);
  write_text(dest() / "releases/old.partial/app", "half");
  keep_pack("young", ".tar.zst.partial");
  EXPECT_EQ(prune(destination_, 1).removed, std::vector<std::string>{"old"});
  EXPECT_EQ(packs(), (std::vector<std::string>{"young.tar.zst.partial", "young.torrent"}));
  EXPECT_FALSE(fs::exists(dest() / "releases/old.partial"));
}

TEST_F(PruneTest, packs_without_a_release_take_no_releases_place) {
  for (const char* const tag : {"v1", "v2", "v3"}) stage(tag);
  move_away("v3");
  EXPECT_TRUE(prune(destination_, 2).removed.empty());
  EXPECT_TRUE(destination_.has_release("v1"));
}

TEST_F(PruneTest, what_is_being_fetched_stays) {
  for (const char* const tag : {"v1", "v2"}) keep_pack(tag);
  set_age("v1", 48);
  const TransferLock fetching(destination_, "v1");
  EXPECT_TRUE(prune(destination_, 1).removed.empty());
  EXPECT_EQ(packs().size(), 4u);
}

}  // namespace
}  // namespace murder
