#include "host/placement.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include "host/support.hpp"
#include "release/tree_digest.hpp"

namespace murder {
namespace {

using namespace test;

/// What `place` is to find at its target, for what lies at `source`.
Placement placement_of(const fs::path& source, const fs::path& target) {
  Placement placement;
  placement.target = target;
  placement.is_file = fs::is_regular_file(source);
  ScanOptions options;
  options.include_vcs = true;
  if (placement.is_file) options.only = source.filename().native();
  Manifest manifest =
      manifest_of_tree(scan_tree(placement.is_file ? source.parent_path() : source, options));
  placement.bytes = manifest.total_file_bytes();
  if (placement.is_file)
    manifest.entries.front().path = placed_file_name;
  else
    placement.mode = status_of(source).st_mode & 0777;
  placement.content = manifest.content_digest();
  return placement;
}

class Place : public testing::Test {
 protected:
  fs::path target() const { return temp_.path() / "srv/thing"; }
  fs::path staging() const { return temp_.path() / "srv/.thing.murder-copy"; }

  /// As a transfer would have left it.
  Destination staged(const fs::path& source) const {
    Destination destination = Destination::open(staging(), Destination::Mode::create);
    const fs::path release = staging() / "releases/v1";
    fs::create_directory(release);
    const std::string from =
        fs::is_regular_file(source) ? source.native() : (source / ".").native();
    run_shell("cp -a '" + from + "' '" + release.native() + "/'");
    return destination;
  }
  static void run_shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT: tests alone
  }
  fs::path file(const std::string& content, unsigned mode = 0751) const {
    const fs::path path = temp_.path() / "from/tool";
    fs::create_directories(path.parent_path());
    write_text(path, content);
    fs::permissions(path, fs::perms(mode));
    return path;
  }
  fs::path tree(const std::string& content = "one") const {
    const fs::path path = temp_.path() / ("tree-" + content);
    if (fs::exists(path)) return path;
    fs::create_directories(path / "sub/.git");
    write_text(path / "sub/file", content);
    write_text(path / "sub/.git/config", "kept");
    fs::create_symlink("sub/file", path / "link");
    fs::permissions(path, fs::perms(0710));
    return path;
  }
  void SetUp() override { fs::create_directory(temp_.path() / "srv"); }

  TempFolder temp_;
};

TEST_F(Place, a_file_comes_with_its_mode_and_time_under_another_name) {
  const fs::path source = file("#!/bin/sh\n");
  const Placement placement = placement_of(source, target());
  EXPECT_FALSE(look_at_target(placement).same);
  const Destination destination = staged(source);
  EXPECT_FALSE(place(destination, "v1", placement));
  EXPECT_EQ(read_text(target()), "#!/bin/sh\n");
  EXPECT_EQ(status_of(target()).st_mode & 07777, 0751u);
  EXPECT_EQ(status_of(target()).st_mtim.tv_sec, status_of(source).st_mtim.tv_sec);
  EXPECT_TRUE(look_at_target(placement).same);
  EXPECT_TRUE(remove_staging(destination));
  EXPECT_EQ(names_in(target().parent_path()), std::vector<std::string>{"thing"});
}

TEST_F(Place, a_tree_comes_with_the_mode_of_its_folder) {
  const Placement placement = placement_of(tree(), target());
  const Destination destination = staged(tree());
  EXPECT_FALSE(place(destination, "v1", placement));
  EXPECT_EQ(read_text(target() / "sub/file"), "one");
  EXPECT_EQ(read_text(target() / "sub/.git/config"), "kept");
  EXPECT_EQ(fs::read_symlink(target() / "link"), "sub/file");
  EXPECT_EQ(status_of(target()).st_mode & 07777, 0710u);
  EXPECT_TRUE(look_at_target(placement).same);
}

TEST_F(Place, whatever_differs_is_found) {
  const Placement placement = placement_of(tree(), target());
  const auto differs = [&](const std::string& change) {
    run_shell("rm -rf '" + target().native() + "'; cp -a '" + tree().native() + "' '" +
              target().native() + "'");
    EXPECT_TRUE(look_at_target(placement).same);
    run_shell("cd '" + target().native() + "' && " + change);
    const TargetState found = look_at_target(placement);
    EXPECT_FALSE(found.same) << change;
    EXPECT_NE(found.in_the_way.find("with other content: --replace"), std::string::npos)
        << found.in_the_way;
  };
  differs("printf two >sub/file");          // content of the same length
  differs("touch -d 2001-01-01 sub/file");  // its time
  differs("chmod 600 sub/file");
  differs("chmod 711 .");
  differs("ln -sfn sub/other link");
  differs("touch sub/more");
  differs("rm sub/.git/config");
}

TEST_F(Place, files_give_way_to_files_and_nothing_else_does_unasked) {
  const fs::path source = file("new");
  write_text(target(), "old");
  EXPECT_EQ(look_at_target(placement_of(source, target())).in_the_way, "");
  EXPECT_TRUE(place(staged(source), "v1", placement_of(source, target())));
  EXPECT_EQ(read_text(target()), "new");

  fs::remove(target());
  fs::create_symlink("elsewhere", target());
  EXPECT_NE(
      look_at_target(placement_of(source, target())).in_the_way.find("a symlink to elsewhere"),
      std::string::npos);
  fs::remove(target());
  fs::create_directory(target());
  Placement over_folder = placement_of(source, target());
  over_folder.replace = true;
  EXPECT_NE(look_at_target(over_folder).in_the_way.find("end the path with '/'"),
            std::string::npos);
  expect_error(ErrorKind::usage, "is a folder", [&] { place(staged(source), "v1", over_folder); });
  EXPECT_TRUE(fs::is_empty(target()));

  fs::remove(target());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  target().native().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(fd);
  EXPECT_NE(look_at_target(over_folder).in_the_way.find("move it away"), std::string::npos);
}

TEST_F(Place, a_tree_that_is_replaced_is_never_half_there_and_then_gone) {
  run_shell("cp -a '" + tree("old").native() + "' '" + target().native() + "'");
  Placement placement = placement_of(tree("new"), target());
  const Destination destination = staged(tree("new"));
  expect_error(ErrorKind::usage, "--replace", [&] { place(destination, "v1", placement); });
  EXPECT_EQ(read_text(target() / "sub/file"), "old");
  placement.replace = true;
  EXPECT_TRUE(place(destination, "v1", placement));
  EXPECT_EQ(read_text(target() / "sub/file"), "new");
  EXPECT_EQ(read_text(staging() / "releases/v1/sub/file"), "old");
  EXPECT_TRUE(remove_staging(destination));
  EXPECT_FALSE(fs::exists(staging()));
}

TEST_F(Place, what_was_placed_before_may_be_placed_again) {
  const Placement placement = placement_of(tree(), target());
  const Destination destination = staged(tree());
  EXPECT_FALSE(place(destination, "v1", placement));
  EXPECT_FALSE(place(destination, "v1", placement));
  fs::remove_all(target());
  expect_error(ErrorKind::failed, "not staged", [&] { place(destination, "v1", placement); });
}

TEST_F(Place, reading_is_given_up_when_nobody_waits) {
  const fs::path source = file("content");
  run_shell("cp -a '" + source.native() + "' '" + target().native() + "'");
  std::stop_source stop;
  stop.request_stop();
  expect_error(ErrorKind::failed, "given up",
               [&] { look_at_target(placement_of(source, target()), stop.get_token()); });
}

}  // namespace
}  // namespace murder
