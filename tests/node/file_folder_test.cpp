// What a tracker hands out: the files of one folder, and nothing else of the machine.
#include "node/file_folder.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "base/temp_dir.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;

class ServedFolder : public ::testing::Test {
 protected:
  ServedFolder() {
    fs::create_directories(shared / "folder");
    write_file_atomically(root.path() / "secret", "secret");
    write_file_atomically(shared / "v7.torrent", "torrent");
    write_file_atomically(shared / ".hidden", "hidden");
    write_file_atomically(shared / "a b", "space");
    write_file_atomically(shared / "folder/file", "deeper");
  }
  murder::test::TempDir root;
  fs::path shared = root.path() / "shared";
};

TEST_F(ServedFolder, its_files_are_there_by_their_names) {
  const FileFolder files(shared);
  const UniqueFd file = files.open("v7.torrent");
  ASSERT_TRUE(file);
  EXPECT_EQ(file_size(file.get(), "v7.torrent"), 7u);
}

TEST_F(ServedFolder, files_may_come_and_go) {
  const FileFolder files(shared);
  EXPECT_FALSE(files.open("later"));
  write_file_atomically(shared / "later", "later");
  EXPECT_TRUE(files.open("later"));
  fs::remove(shared / "later");
  EXPECT_FALSE(files.open("later"));
}

TEST_F(ServedFolder, no_name_leads_anywhere_else) {
  fs::create_symlink(root.path() / "secret", shared / "link");
  ASSERT_EQ(::mkfifo((shared / "fifo").c_str(), 0600), 0);
  const FileFolder files(shared);
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../secret"),
        std::string("folder"), std::string("folder/file"), std::string("./v7.torrent"),
        std::string("/etc/passwd"), std::string(".hidden"), std::string("link"),
        std::string("fifo"), std::string("a b"), std::string("a%20b"), std::string("..%2fsecret"),
        std::string("v7.torrent\0", 11), std::string(5000, 'a')})
    EXPECT_FALSE(files.open(name)) << name;
}

TEST_F(ServedFolder, what_is_no_folder_is_an_error_that_names_it) {
  EXPECT_THROW(FileFolder(shared / "v7.torrent"), Error);
  EXPECT_THROW(FileFolder(shared / "not-there"), Error);
}

}  // namespace
}  // namespace murder::node
