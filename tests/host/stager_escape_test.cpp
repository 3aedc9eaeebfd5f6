// Manifests that decode_manifest would never let through, and others who write into DEST: whatever
// they try, nothing outside of TAG.partial is written.
#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class StagerEscape : public testing::Test {
 protected:
  void SetUp() override {
    write_text(outside() / "victim", "untouched");
    write_text(dest() / "shared/victim", "untouched");
  }
  void TearDown() override {
    EXPECT_EQ(names_in(outside()), std::vector<std::string>{"victim"});
    EXPECT_EQ(read_text(outside() / "victim"), "untouched");
    EXPECT_EQ(status_of(outside() / "victim").st_nlink, 1u);
    EXPECT_EQ(names_in(dest() / "shared"), std::vector<std::string>{"victim"});
    EXPECT_EQ(read_text(dest() / "shared/victim"), "untouched");
    EXPECT_EQ(names_in(dest()), (std::vector<std::string>{".murder", "releases", "shared"}));
    EXPECT_EQ(names_in(temp_.path()), (std::vector<std::string>{"app", "outside"}));
    EXPECT_FALSE(destination_.has_release("v1"));
  }
  fs::path dest() const { return temp_.path() / "app"; }
  fs::path outside() const { return temp_.path() / "outside"; }
  fs::path partial() const { return dest() / "releases/v1.partial"; }
  void expect_refused(PackBuilder& builder, std::string_view why) {
    const Pack pack = builder.build();
    expect_error(ErrorKind::integrity, why, [&] {
      Stager stager(destination_, "v1", pack.manifest, {});
      for (std::size_t i = 0; i < pack.frames.size(); ++i)
        stager.unpack(i, as_bytes(pack.frames[i]));
      stager.finish("");
    });
  }
  /// Stages until `frame`, lets `meddle` do its work in TAG.partial, and goes on.
  void expect_meddling_refused(const Pack& pack, std::size_t frame,
                               const std::function<void()>& meddle) {
    expect_error(ErrorKind::integrity, "something else was put in its way", [&] {
      Stager stager(destination_, "v1", pack.manifest, {});
      for (std::size_t i = 0; i < pack.frames.size(); ++i) {
        if (i == frame) meddle();
        stager.unpack(i, as_bytes(pack.frames[i]));
      }
      if (frame == pack.frames.size()) meddle();
      stager.finish(pack.stored_manifest());
    });
  }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(StagerEscape, paths_that_climb) {
  for (const char* path :
       {"../x", "../../shared/victim", "..", ".", "a/../../x", "a/./x", "a//x", "a/", "", "/"}) {
    SCOPED_TRACE(path);
    expect_refused(PackBuilder().folder("a").file(path, "evil"), "leads out of the release");
    expect_refused(PackBuilder().folder("a").folder(path), "leads out of the release");
    expect_refused(PackBuilder().folder("a").symlink(path, "x"), "leads out of the release");
  }
  expect_refused(PackBuilder().folder("..").file("../x", "evil"), "leads out of the release");
  expect_refused(PackBuilder().file(std::string("x\0/../../y", 10), "evil"),
                 "leads out of the release");
}

TEST_F(StagerEscape, absolute_paths) {
  expect_refused(PackBuilder().file((outside() / "x").native(), "evil"),
                 "leads out of the release");
  expect_refused(PackBuilder().folder((outside() / "x").native()), "leads out of the release");
  expect_refused(PackBuilder().file("/x", "evil"), "leads out of the release");
}

TEST_F(StagerEscape, paths_through_a_symlink_entry) {
  expect_refused(PackBuilder().symlink("a", outside().native()).file("a/x", "evil"),
                 "does not lie in a folder of the release");
  expect_refused(PackBuilder().symlink("a", "../../shared").file("a/victim", "evil"),
                 "does not lie in a folder of the release");
  expect_refused(
      PackBuilder().folder("b").symlink("a", "b").folder("a/sub").file("a/sub/x", "evil"),
      "does not lie in a folder of the release");
  expect_refused(PackBuilder().symlink("a", outside().native()).hardlink("a/x", "f").file("f", ""),
                 "does not lie in a folder of the release");
}

TEST_F(StagerEscape, an_entry_named_twice) {
  expect_refused(
      PackBuilder().symlink("a", (outside() / "victim").native()).file("a", "evil content"),
      "named twice");
  expect_refused(PackBuilder().folder("a").symlink("a", outside().native()).file("a/x", "evil"),
                 "named twice");
}

TEST_F(StagerEscape, paths_below_a_file_or_below_nothing) {
  expect_refused(PackBuilder().file("a", "x").file("a/b", "x"),
                 "does not lie in a folder of the release");
  expect_refused(PackBuilder().file("never/named/x", "x"),
                 "does not lie in a folder of the release");
}

TEST_F(StagerEscape, hard_links_to_outside) {
  expect_refused(PackBuilder().hardlink("a", (outside() / "victim").native()),
                 "a hard link to what is not a file of the release");
  expect_refused(PackBuilder().hardlink("a", "../../shared/victim"),
                 "a hard link to what is not a file of the release");
  expect_refused(PackBuilder().hardlink("a", "b").symlink("b", (outside() / "victim").native()),
                 "a hard link to what is not a file of the release");
  expect_refused(PackBuilder().hardlink("a", "b").folder("b"),
                 "a hard link to what is not a file of the release");
  expect_refused(PackBuilder().hardlink("a", "b").hardlink("b", "a"),
                 "a hard link to what is not a file of the release");
  expect_refused(PackBuilder().hardlink("a", "a"),
                 "a hard link to what is not a file of the release");
  expect_refused(PackBuilder().hardlink("a", ""),
                 "a hard link to what is not a file of the release");
}

TEST_F(StagerEscape, links_to_nothing) {
  expect_refused(PackBuilder().symlink("a", ""), "a symlink to nothing");
  expect_refused(PackBuilder().symlink("a", std::string("b\0c", 3)), "a symlink to nothing");
}

TEST_F(StagerEscape, content_outside_of_the_frames) {
  const auto refuse_changed = [&](const std::function<void(Manifest&)>& change) {
    Pack pack = PackBuilder().file("a", noise(5000, 1)).file("b", noise(5000, 2)).build();
    change(pack.manifest);
    expect_error(ErrorKind::integrity, "refused to unpack",
                 [&] { Stager(destination_, "v1", pack.manifest, {}); });
  };
  refuse_changed([](Manifest& m) { m.entries[1].size = 1u << 30; });
  refuse_changed([](Manifest& m) { m.entries[1].size = ~0ull; });
  refuse_changed([](Manifest& m) { m.entries[1].tar_offset = ~0ull - 10; });
  refuse_changed([](Manifest& m) { m.entries[1].tar_offset = m.entries[0].tar_offset + 1; });
  refuse_changed([](Manifest& m) { m.frames[1].raw_offset += 1; });
  refuse_changed([](Manifest& m) { m.frames[1].raw_size = ~0ull; });
  refuse_changed([](Manifest& m) { m.frames.clear(); });
  refuse_changed([](Manifest& m) { m.entries[0].type = static_cast<EntryType>(9); });
}

TEST_F(StagerEscape, special_bits_of_a_mode_are_dropped) {
  const Pack pack = PackBuilder().folder("d", 07777).file("d/f", "x", 06755).build();
  Stager stager(destination_, "v1", pack.manifest, {});
  for (std::size_t i = 0; i < pack.frames.size(); ++i) stager.unpack(i, as_bytes(pack.frames[i]));
  EXPECT_EQ(status_of(partial() / "d/f").st_mode & 07777, 0755u);
}

TEST_F(StagerEscape, a_symlink_where_the_partial_release_will_be) {
  fs::create_directory_symlink(outside(), partial());
  const Pack pack = sample_pack("1");
  const Stager stager(destination_, "v1", pack.manifest, {});
  EXPECT_TRUE(S_ISDIR(status_of(partial()).st_mode));
}

TEST_F(StagerEscape, a_symlink_where_the_releases_are) {
  fs::remove(dest() / "releases");
  fs::create_directory_symlink(outside(), dest() / "releases");
  const Pack pack = sample_pack("1");
  expect_error(ErrorKind::failed, "not a folder",
               [&] { Stager(destination_, "v1", pack.manifest, {}); });
}

TEST_F(StagerEscape, a_folder_exchanged_for_a_symlink_meanwhile) {
  // More folders than are kept open, so that the one exchanged has to be opened again.
  PackBuilder builder;
  builder.folder("a").file("a/spans", noise(9000, 1));
  for (int i = 0; i < 100; ++i)
    builder.folder("b" + std::to_string(i)).file("b" + std::to_string(i) + "/x", "x");
  builder.folder("c").hardlink("c/link", "a/spans");
  const Pack pack = builder.build();
  expect_meddling_refused(pack, pack.frames.size(), [&] {
    fs::rename(partial() / "a", partial() / "moved");
    fs::create_directory_symlink(outside(), partial() / "a");
  });
}

TEST_F(StagerEscape, a_symlink_put_where_a_file_will_be) {
  const Pack pack = sample_pack("1");
  expect_meddling_refused(pack, 0,
                          [&] { fs::create_symlink(outside() / "victim", partial() / "bin/app"); });
  expect_meddling_refused(pack, 0,
                          [&] { fs::create_symlink(outside() / "new", partial() / "etc/config"); });
  expect_meddling_refused(
      pack, 0, [&] { fs::create_symlink(outside() / "new", partial() / "etc/nothing"); });
  expect_meddling_refused(
      pack, 0, [&] { fs::create_symlink(outside() / "new", partial() / "bin/app-again"); });
}

TEST_F(StagerEscape, a_begun_file_exchanged_for_a_way_out) {
  const Pack pack = sample_pack("1");  // bin/app spans the first three frames
  expect_meddling_refused(pack, 1, [&] {
    fs::remove(partial() / "bin/app");
    fs::create_symlink(outside() / "victim", partial() / "bin/app");
  });
  expect_meddling_refused(
      pack, 1, [&] { fs::create_hard_link(partial() / "bin/app", partial() / "second-name"); });
  expect_meddling_refused(pack, 1, [&] {
    fs::remove(partial() / "bin/app");
    ASSERT_EQ(::mkfifo((partial() / "bin/app").c_str(), 0600), 0);
  });
}

}  // namespace
}  // namespace murder
