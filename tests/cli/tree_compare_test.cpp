#include "cli/tree_compare.hpp"

#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/temp_dir.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, const std::string& content, mode_t mode = 0644) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, content);
  ::chmod(path.c_str(), mode);
}

void make_tree(const fs::path& root) {
  put(root / "bin/app", std::string(700'000, 'a'), 0755);
  put(root / "etc/conf", "key=value\n", 0600);
  put(root / "empty", "");
  fs::create_directories(root / "var/log");
  ::chmod((root / "var/log").c_str(), 0750);
  fs::create_symlink("../bin/app", root / "etc/link");
  fs::create_hard_link(root / "bin/app", root / "bin/same");
}

struct TreeCompare : testing::Test {
  test::TempDir folder;
  fs::path source = folder.path() / "source";
  fs::path other = folder.path() / "other";

  void SetUp() override {
    make_tree(source);
    make_tree(other);
  }
  std::vector<std::string> differences() {
    return compare_tree(scan_tree(source, {}), other, {}, 100);
  }
};

TEST_F(TreeCompare, equal_trees_differ_in_nothing) {
  EXPECT_EQ(differences(), std::vector<std::string>{});
  fs::create_symlink("other", folder.path() / "current");
  EXPECT_TRUE(compare_tree(scan_tree(source, {}), folder.path() / "current").empty());
}

TEST_F(TreeCompare, every_kind_of_difference_is_found) {
  struct Case {
    std::function<void(const fs::path&)> change;
    std::string expected;
  };
  const std::vector<Case> cases{
      {[](const fs::path& t) { fs::remove(t / "etc/conf"); }, "etc/conf: missing"},
      {[](const fs::path& t) { put(t / "etc/new", "x"); }, "etc/new: not in the source"},
      {[](const fs::path& t) { put(t / "zz", "x"); }, "zz: not in the source"},
      {[](const fs::path& t) { put(t / ".git/config", "x"); }, ".git: not in the source"},
      {[](const fs::path& t) { ::chmod((t / "etc/conf").c_str(), 0644); },
       "etc/conf: mode 0644, not 0600"},
      {[](const fs::path& t) { ::chmod((t / "var/log").c_str(), 0700); },
       "var/log: mode 0700, not 0750"},
      {[](const fs::path& t) { put(t / "etc/conf", "key=valuE\n", 0600); },
       "etc/conf: other content"},
      {[](const fs::path& t) { put(t / "etc/conf", "key=value\n ", 0600); },
       "etc/conf: 11 bytes, not 10"},
      {[](const fs::path& t) { put(t / "empty", "1"); }, "empty: 1 bytes, not 0"},
      {[](const fs::path& t) {
         fs::remove(t / "etc/link");
         fs::create_symlink("../bin/same", t / "etc/link");
       },
       "etc/link: a link to ../bin/same, not ../bin/app"},
      {[](const fs::path& t) {
         fs::remove(t / "etc/link");
         put(t / "etc/link", "../bin/app");
       },
       "etc/link: a file, not a symlink"},
      {[](const fs::path& t) {
         fs::remove(t / "empty");
         fs::create_directory(t / "empty");
       },
       "empty: a folder, not a file"},
      {[](const fs::path& t) {
         fs::remove(t / "bin/same");
         fs::copy_file(t / "bin/app", t / "bin/same");
       },
       "bin/same: a file, not a hard link"},
  };
  for (const Case& c : cases) {
    fs::remove_all(other);
    make_tree(other);
    c.change(other);
    const auto found = differences();
    ASSERT_FALSE(found.empty()) << c.expected;
    EXPECT_EQ(found.front(), c.expected);
  }
}

TEST_F(TreeCompare, a_byte_deep_in_a_large_file_is_seen) {
  const UniqueFd fd = open_file(other / "bin/app", O_WRONLY);
  const std::string byte = "b";
  ASSERT_EQ(::pwrite(fd.get(), byte.data(), 1, 699'999), 1);
  const auto found = differences();
  ASSERT_EQ(found.size(), 1u);  // of the two names of one file the first is compared
  EXPECT_EQ(found.front(), "bin/app: other content");
}

TEST_F(TreeCompare, what_the_pack_leaves_out_is_not_missed) {
  put(source / ".git/config", "x");
  EXPECT_TRUE(differences().empty());
}

TEST_F(TreeCompare, it_stops_at_its_limit_and_when_asked) {
  for (int i = 0; i < 10; ++i) put(other / ("new" + std::to_string(i)), "x");
  EXPECT_EQ(compare_tree(scan_tree(source, {}), other, {}, 3).size(), 3u);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(compare_tree(scan_tree(source, {}), other, stop.get_token()).empty());
}

TEST_F(TreeCompare, a_tree_that_is_not_there_is_an_error) {
  EXPECT_THROW(compare_tree(scan_tree(source, {}), folder.path() / "nothing"), Error);
  fs::remove_all(other);
  fs::create_directory(other);
  EXPECT_THROW(differences(), Error);
}

TEST_F(TreeCompare, files_are_compared_by_content_alone) {
  EXPECT_TRUE(compare_file(source / "bin/app", other / "bin/app").empty());
  ::chmod((other / "bin/app").c_str(), 0600);
  EXPECT_TRUE(compare_file(source / "bin/app", other / "bin/app").empty());
  put(other / "bin/app", std::string(699'999, 'a') + "b");
  EXPECT_EQ(compare_file(source / "bin/app", other / "bin/app"),
            std::vector<std::string>{"app: other content"});
  put(other / "bin/app", "a");
  EXPECT_EQ(compare_file(source / "bin/app", other / "bin/app"),
            std::vector<std::string>{"app: 1 bytes, not 700000"});
  EXPECT_THROW(compare_file(source / "bin/app", other / "nothing"), Error);
}

}  // namespace
}  // namespace murder::cli
