#include "cli/tree_copy.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <stdexcept>

#include "base/error.hpp"
#include "base/temp_dir.hpp"
#include "cli/tree_compare.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

struct TreeCopy : testing::Test {
  test::TempDir folder;
  fs::path source = folder.path() / "source";
  fs::path to = folder.path() / "copy";

  void SetUp() override {
    fs::create_directories(source / "etc/deep");
    std::ofstream(source / "etc/deep/conf") << "key=value";
    std::ofstream(source / "app") << std::string(300'000, 'x');
    fs::permissions(source / "app", fs::perms(0755));
    fs::permissions(source / "etc/deep/conf", fs::perms(0400));
    fs::create_symlink("/no/such/place", source / "nowhere");
    fs::create_hard_link(source / "app", source / "same");
    fs::permissions(source / "etc/deep", fs::perms(0550));
  }
  void TearDown() override {
    for (const fs::path& tree : {source, to})
      if (fs::exists(tree / "etc/deep")) fs::permissions(tree / "etc/deep", fs::perms(0700));
  }
};

TEST_F(TreeCopy, the_copy_is_the_same_in_everything_that_is_packed) {
  fs::create_directory(source / ".git");
  std::ofstream(source / ".git/config") << "x";
  const SourceTree tree = scan_tree(source, {});
  copy_tree(tree, to, [] {});
  EXPECT_EQ(compare_tree(tree, to), std::vector<std::string>{});
  EXPECT_FALSE(fs::exists(to / ".git"));
  std::ofstream(to / "one more") << "x";
  EXPECT_EQ(compare_tree(tree, to), std::vector<std::string>{"one more: not in the source"});
}

TEST_F(TreeCopy, it_can_be_called_off) {
  const SourceTree tree = scan_tree(source, {});
  EXPECT_THROW(copy_tree(tree, to, [] { throw std::runtime_error("enough"); }), std::runtime_error);
}

TEST_F(TreeCopy, what_cannot_be_copied_is_named) {
  const SourceTree tree = scan_tree(source, {});
  fs::remove(source / "app");
  try {
    copy_tree(tree, to, [] {});
    FAIL() << "it was copied";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((source / "app").native()), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace murder::cli
