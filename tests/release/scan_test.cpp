#include "release/scan.hpp"

#include <algorithm>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "release/support.hpp"

namespace murder::testing {
namespace {

std::vector<std::string> paths_of(const SourceTree& tree) {
  std::vector<std::string> paths;
  for (const SourceEntry& source : tree.entries) paths.push_back(source.entry.path);
  return paths;
}

using Paths = std::vector<std::string>;

TEST(Scan, order_is_by_bytes_and_a_folder_comes_before_what_it_holds) {
  const TempDir dir;
  for (const char* path : {"a/c", "a-b", "a.b", "B", "\xff", "\xc3\xa9", "a0", "a/b/c", "a b"})
    put(dir / path, "");
  EXPECT_EQ(paths_of(scan_tree(dir.path(), {})), (Paths{"B", "a", "a b", "a-b", "a.b", "a/b",
                                                        "a/b/c", "a/c", "a0", "\xc3\xa9", "\xff"}));
}

TEST(Scan, a_place_that_is_no_folder_is_a_usage_error) {
  const TempDir dir;
  put(dir / "file", "x");
  EXPECT_TRUE(
      fails_with(ErrorKind::usage, "no such folder", [&] { scan_tree(dir / "nothing", {}); }));
  EXPECT_TRUE(fails_with(ErrorKind::usage, "not a folder", [&] { scan_tree(dir / "file", {}); }));
}

TEST(Scan, nothing_to_pack_is_a_usage_error) {
  const TempDir dir;
  EXPECT_TRUE(fails_with(ErrorKind::usage, "nothing in it", [&] { scan_tree(dir.path(), {}); }));
  put(dir / ".gitignore", "x");
  put(dir / "logs/one", "x");
  EXPECT_TRUE(fails_with(ErrorKind::usage, "nothing in it",
                         [&] { scan_tree(dir.path(), {.exclude = {"logs"}, .leave_out = {}}); }));
}

TEST(Scan, a_source_that_is_a_link_to_a_folder_is_that_folder) {
  const TempDir dir;
  put(dir / "tree/file", "x");
  fs::create_directory_symlink("tree", dir / "link");
  EXPECT_EQ(paths_of(scan_tree(dir / "link", {})), Paths{"file"});
}

TEST(Scan, version_control_is_left_out_unless_asked_for) {
  const TempDir dir;
  for (const char* path : {".git/config", ".gitignore", "sub/.gitattributes", ".gitmodules",
                           "sub/.git", "sub/code", "git", "a.git", ".config"})
    put(dir / path, "");
  EXPECT_EQ(paths_of(scan_tree(dir.path(), {})),
            (Paths{".config", "a.git", "git", "sub", "sub/code"}));
  EXPECT_EQ(
      scan_tree(dir.path(), {.include_vcs = true, .exclude = {}, .leave_out = {}}).entries.size(),
      11u);
}

TEST(Scan, patterns_match_the_path_or_the_last_component_and_folders_go_whole) {
  const TempDir dir;
  for (const char* path : {"a.o", "src/b.o", "src/b.c", "build/x/y", "src/build/z", "logs/app/1",
                           "src/logs/app/2", "keep", ".hidden"})
    put(dir / path, "");
  const auto left = [&](std::vector<std::string> exclude) {
    return paths_of(scan_tree(dir.path(), {.exclude = std::move(exclude), .leave_out = {}}));
  };
  EXPECT_EQ(
      left({"*.o", "build/", "logs/app", ".*"}),
      (Paths{"keep", "logs", "src", "src/b.c", "src/logs", "src/logs/app", "src/logs/app/2"}));
  EXPECT_EQ(left({"src", "[a-b]*", "lo?s", ".hidden"}), Paths{"keep"});
}

TEST(Scan, of_several_names_of_a_file_the_first_is_the_file) {
  const TempDir dir;
  put(dir / "m/file", "content", 0640);
  put_folder(dir / "b");
  fs::create_hard_link(dir / "m/file", dir / "b/first");
  fs::create_hard_link(dir / "m/file", dir / "z");
  const SourceTree tree = scan_tree(dir.path(), {});
  ASSERT_EQ(paths_of(tree), (Paths{"b", "b/first", "m", "m/file", "z"}));
  EXPECT_EQ(tree.entries[1].entry.type, EntryType::file);
  EXPECT_EQ(tree.entries[1].entry.size, 7u);
  for (const std::size_t i : {3u, 4u}) {
    EXPECT_EQ(tree.entries[i].entry.type, EntryType::hardlink);
    EXPECT_EQ(tree.entries[i].entry.link_target, "b/first");
    EXPECT_EQ(tree.entries[i].entry.mode, 0640u);
    EXPECT_EQ(tree.entries[i].entry.size, 0u);
  }
}

TEST(Scan, a_name_outside_of_the_tree_or_left_out_makes_no_hard_link) {
  const TempDir dir;
  put(dir / "tree/file", "content");
  fs::create_hard_link(dir / "tree/file", dir / "outside");
  fs::create_hard_link(dir / "tree/file", dir / "tree/a.tmp");
  const SourceTree tree = scan_tree(dir / "tree", {.exclude = {"*.tmp"}, .leave_out = {}});
  ASSERT_EQ(paths_of(tree), Paths{"file"});
  EXPECT_EQ(tree.entries[0].entry.type, EntryType::file);
}

TEST(Scan, a_fifo_is_refused_by_name) {
  const TempDir dir;
  put_folder(dir / "run");
  ASSERT_EQ(::mkfifo((dir / "run/queue").c_str(), 0600), 0);
  EXPECT_TRUE(
      fails_with(ErrorKind::failed, "run/queue: a FIFO", [&] { scan_tree(dir.path(), {}); }));
}

TEST(Scan, a_socket_is_refused_by_name_unless_excluded) {
  const TempDir dir;
  put(dir / "file", "");
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (dir / "app.sock").native();
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::ranges::copy(path, std::begin(address.sun_path));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_TRUE(
      fails_with(ErrorKind::failed, "app.sock: a socket", [&] { scan_tree(dir.path(), {}); }));
  EXPECT_EQ(paths_of(scan_tree(dir.path(), {.exclude = {"*.sock"}, .leave_out = {}})),
            Paths{"file"});
}

TEST(Scan, a_device_is_refused_by_name) {
  const TempDir dir;
  if (::mknod((dir / "null").c_str(), S_IFCHR | 0600, 0x103) != 0) GTEST_SKIP() << "needs root";
  EXPECT_TRUE(fails_with(ErrorKind::failed, "null: a device", [&] { scan_tree(dir.path(), {}); }));
}

TEST(Scan, a_folder_that_cannot_be_read_is_named) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  const TempDir dir;
  put_folder(dir / "closed", 0);
  EXPECT_TRUE(fails_with(ErrorKind::failed, "closed: Permission denied",
                         [&] { scan_tree(dir.path(), {}); }));
  put_folder(dir / "closed", 0700);
}

TEST(Scan, special_bits_are_dropped_and_reported) {
  const TempDir dir;
  put(dir / "bin/su", "x", 04755);
  put(dir / "bin/wall", "x", 02755);
  put_folder(dir / "spool", 01777);
  fs::create_symlink("bin/su", dir / "link");
  const SourceTree tree = scan_tree(dir.path(), {});
  EXPECT_EQ(tree.lost_bits, (Paths{"bin/su", "bin/wall", "spool"}));
  for (const SourceEntry& source : tree.entries) EXPECT_LE(source.entry.mode, 0777u);
}

TEST(Scan, attributes_of_the_system_are_none_to_lose) {
  const TempDir dir;
  put(dir / "file", "x");
  const UniqueFd fd = open_file(dir / "file", O_RDONLY);
  EXPECT_FALSE(has_attributes_to_lose(fd.get()));
  const char value[] = "v";
  if (::fsetxattr(fd.get(), "user.origin", value, 1, 0) != 0) GTEST_SKIP() << "no xattrs here";
  EXPECT_TRUE(has_attributes_to_lose(fd.get()));
  ASSERT_EQ(::fremovexattr(fd.get(), "user.origin"), 0);
  if (::fsetxattr(fd.get(), "security.murder-test", value, 1, 0) != 0) GTEST_SKIP() << "needs root";
  EXPECT_FALSE(has_attributes_to_lose(fd.get()));
}

TEST(Scan, a_tree_deeper_than_descriptors_go_is_read) {
  const TempDir dir;
  UniqueFd at = open_file(dir.path(), O_RDONLY | O_DIRECTORY);
  for (int depth = 0; depth < 1100; ++depth) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = UniqueFd(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  EXPECT_EQ(scan_tree(dir.path(), {}).entries.size(), 1100u);
}

TEST(Scan, a_path_that_no_host_could_open_is_refused_by_name) {
  const TempDir dir;
  const std::string component(250, 'n');
  UniqueFd at = open_file(dir.path(), O_RDONLY | O_DIRECTORY);
  for (int depth = 0; depth < 17; ++depth) {
    ASSERT_EQ(::mkdirat(at.get(), component.c_str(), 0755), 0);
    at = UniqueFd(::openat(at.get(), component.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at);
  }
  EXPECT_TRUE(
      fails_with(ErrorKind::failed, "longer than 4095", [&] { scan_tree(dir.path(), {}); }));
}

}  // namespace
}  // namespace murder::testing
