#include "host/beneath.hpp"

#include <cerrno>
#include <sys/resource.h>

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class Beneath : public testing::TestWithParam<Resolve> {
 protected:
  void SetUp() override {
    write_text(inside() / "a/b/file", "inside");
    write_text(outside() / "file", "outside");
    fs::create_directory_symlink(outside(), inside() / "a/way-out");
    fs::create_directory_symlink("b", inside() / "a/way-in");
    fs::create_symlink("b/file", inside() / "a/link");
    root_ = UniqueFd(::open(inside().c_str(), O_RDONLY | O_DIRECTORY));
  }
  fs::path inside() const { return temp_.path() / "inside"; }
  fs::path outside() const { return temp_.path() / "outside"; }
  UniqueFd open(const std::string& path, int flags = O_RDONLY, unsigned mode = 0) const {
    return open_beneath(root_.get(), path, flags, mode, GetParam());
  }
  int error_of(const std::string& path, int flags = O_RDONLY) const {
    return open(path, flags, 0600) ? 0 : errno;
  }

  TempFolder temp_;
  UniqueFd root_;
};

TEST_P(Beneath, opens_what_lies_below) {
  const UniqueFd fd = open("a/b/file");
  ASSERT_TRUE(fd);
  std::string content;
  ASSERT_TRUE(read_all(fd.get(), content));
  EXPECT_EQ(content, "inside");
  EXPECT_TRUE(open("a/b", O_PATH | O_DIRECTORY));
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_P(Beneath, makes_files_with_the_mode_asked_for) {
  ASSERT_TRUE(open("a/b/new", O_WRONLY | O_CREAT | O_EXCL, 0600));
  EXPECT_EQ(status_of(inside() / "a/b/new").st_mode & 07777, 0600u);
}

TEST_P(Beneath, paths_that_climb_are_refused) {
  for (const char* path : {"..", "../outside/file", "a/../../outside/file", "a/b/..", "/etc/passwd",
                           "", "/", "a//b", "a/./b", "a/", "."})
    EXPECT_EQ(error_of(path), EXDEV) << path;
  EXPECT_EQ(error_of((outside() / "file").native()), EXDEV);
  EXPECT_EQ(error_of(std::string("a\0b", 3)), EXDEV);
}

TEST_P(Beneath, symlinks_are_refused_wherever_they_lead) {
  for (const char* path : {"a/way-out/file", "a/way-in/file", "a/link", "a/way-out"}) {
    const int error = error_of(path);
    EXPECT_TRUE(error == ELOOP || error == ENOTDIR) << path << ": " << system_reason(error);
  }
}

TEST_P(Beneath, nothing_is_made_through_a_symlink) {
  EXPECT_NE(error_of("a/way-out/new", O_WRONLY | O_CREAT), 0);
  EXPECT_EQ(names_in(outside()), std::vector<std::string>{"file"});
}

INSTANTIATE_TEST_SUITE_P(Both, Beneath, testing::Values(Resolve::automatic, Resolve::walk),
                         [](const auto& info) {
                           return info.param == Resolve::walk ? "walk" : "kernel";
                         });

TEST(ReplaceFile, leaves_the_new_content_and_nothing_else) {
  const TempFolder temp;
  write_text(temp.path() / "name", "old");
  write_text(temp.path() / "name~", "left by a process that was killed");
  const UniqueFd folder(::open(temp.path().c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_TRUE(replace_file(folder.get(), "name", "new", 0600));
  EXPECT_EQ(read_text(temp.path() / "name"), "new");
  EXPECT_EQ(names_in(temp.path()), std::vector<std::string>{"name"});
}

class RemoveTree : public testing::Test {
 protected:
  bool remove(const std::string& name) const {
    const UniqueFd parent(::open(temp_.path().c_str(), O_PATH));
    return remove_tree(parent.get(), name);
  }
  TempFolder temp_{TempFolder::Where::in_memory};
};

TEST_F(RemoveTree, removes_folders_files_and_links_alike) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      write_text(temp_.path() / "tree" / std::to_string(i) / std::to_string(j) / "deep/file", "x");
  write_text(temp_.path() / "file", "x");
  fs::create_symlink("file", temp_.path() / "link");
  EXPECT_TRUE(remove("tree"));
  EXPECT_TRUE(remove("link"));
  EXPECT_EQ(names_in(temp_.path()), std::vector<std::string>{"file"});
  EXPECT_TRUE(remove("file"));
  EXPECT_TRUE(remove("never there"));
}

TEST_F(RemoveTree, never_follows_a_symlink) {
  write_text(temp_.path() / "kept/file", "x");
  write_text(temp_.path() / "tree/sub/file", "x");
  fs::create_directory_symlink("../kept", temp_.path() / "tree/link");
  fs::create_directory_symlink("../../kept", temp_.path() / "tree/sub/link");
  EXPECT_TRUE(remove("tree"));
  EXPECT_FALSE(is_there(temp_.path() / "tree"));
  EXPECT_TRUE(is_there(temp_.path() / "kept/file"));
}

TEST_F(RemoveTree, names_that_climb_are_refused) {
  write_text(temp_.path() / "file", "x");
  EXPECT_FALSE(remove(".."));
  EXPECT_FALSE(remove("."));
  EXPECT_FALSE(remove("../" + temp_.path().filename().native() + "/file"));
  EXPECT_TRUE(is_there(temp_.path() / "file"));
}

TEST_F(RemoveTree, a_tree_deeper_than_there_are_descriptors_is_removed) {
  // Two branches with the same names all the way, so that folders meet when they are moved up.
  for (const char* branch : {"one", "two"}) {
    UniqueFd at(::open(temp_.path().c_str(), O_PATH));
    for (const char* name : {"tree", branch}) {
      ::mkdirat(at.get(), name, 0700);
      at = UniqueFd(::openat(at.get(), name, O_PATH));
    }
    for (int i = 0; i < 1500; ++i) {
      ASSERT_EQ(::mkdirat(at.get(), "~1", 0700), 0);
      at = UniqueFd(::openat(at.get(), "~1", O_PATH));
    }
  }
  EXPECT_EQ(in_child([&] {
              const rlimit few{32, 32};
              ::setrlimit(RLIMIT_NOFILE, &few);
              require(remove("tree"), "not removed");
            }),
            0);
  EXPECT_FALSE(is_there(temp_.path() / "tree"));
}

TEST_F(RemoveTree, folders_that_deny_their_owner_are_removed) {
  give_to_ordinary_user(temp_.path());
  EXPECT_EQ(in_child([&] {
              drop_privileges();
              fs::create_directories(temp_.path() / "tree/closed/inner/more");
              write_text(temp_.path() / "tree/closed/inner/file", "x");
              ::chmod((temp_.path() / "tree/closed/inner/more").c_str(), 0);
              ::chmod((temp_.path() / "tree/closed/inner").c_str(), 0500);
              ::chmod((temp_.path() / "tree/closed").c_str(), 0);
              ::chmod((temp_.path() / "tree").c_str(), 0555);
              require(remove("tree"), "not removed");
            }),
            0);
  EXPECT_FALSE(is_there(temp_.path() / "tree"));
}

}  // namespace
}  // namespace murder
