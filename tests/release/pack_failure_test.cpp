// When packing fails: the reason is named, and what was at `out` is still there.
#include <csignal>
#include <sys/resource.h>

#include "release/pack.hpp"
#include "release/support.hpp"

namespace murder::testing {
namespace {

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder)) names.push_back(item.path().filename());
  std::ranges::sort(names);
  return names;
}

class PackFailure : public ::testing::Test {
 protected:
  PackFailure() { put(out(), "the pack of before"); }
  // Nothing but the old pack, whole.
  void TearDown() override {
    EXPECT_EQ(names_in(dir_ / "out"), std::vector<std::string>{"p.tar.zst"});
    EXPECT_EQ(read_file(out()), "the pack of before");
  }
  fs::path out() const { return dir_ / "out/p.tar.zst"; }
  fs::path tree() const { return dir_ / "tree"; }
  void pack() const { write_pack(tree(), out(), options_); }

  TempDir dir_;
  PackOptions options_;
};

TEST_F(PackFailure, a_source_that_is_not_there_is_a_usage_error) {
  EXPECT_TRUE(fails_with(ErrorKind::usage, "tree: no such folder", [&] { pack(); }));
}

TEST_F(PackFailure, a_source_that_is_a_file_is_a_usage_error) {
  put(tree(), "x");
  EXPECT_TRUE(fails_with(ErrorKind::usage, "tree: it is not a folder", [&] { pack(); }));
}

TEST_F(PackFailure, a_source_with_nothing_in_it_is_a_usage_error) {
  put(tree() / ".git/HEAD", "x");
  EXPECT_TRUE(fails_with(ErrorKind::usage, "nothing in it", [&] { pack(); }));
}

TEST_F(PackFailure, a_file_that_cannot_be_read_is_named) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  put(tree() / "closed", "x", 0);
  EXPECT_TRUE(fails_with(ErrorKind::failed, "tree/closed: Permission denied", [&] { pack(); }));
}

TEST_F(PackFailure, a_file_that_changes_between_its_frames_is_named) {
  const fs::path file = tree() / "growing";
  for (const unsigned threads : {1u, 3u}) {
    put(file, "x");
    fs::resize_file(file, 80u << 20);
    set_mtime(file, 1'000'000'000);
    options_.threads = threads;
    bool changed = false;
    options_.progress = [&](std::uint64_t, std::uint64_t) {
      if (!std::exchange(changed, true)) fs::resize_file(file, (80u << 20) + 1);
    };
    EXPECT_TRUE(fails_with(ErrorKind::failed, "tree/growing: it changed", [&] { pack(); }));
  }
}

// Of several files in trouble it is always the first that is named, whatever the threads.
TEST_F(PackFailure, the_first_file_in_trouble_is_named) {
  for (const char* name : {"a", "b", "c", "d"}) {
    put(tree() / name, "x");
    fs::resize_file(tree() / name, 30u << 20);
    set_mtime(tree() / name, 1'000'000'000);
  }
  options_.threads = 4;
  bool changed = false;
  // Told of the first frame, when at most eight are made: those hold a, b and the begin of c.
  options_.progress = [&](std::uint64_t, std::uint64_t) {
    if (!std::exchange(changed, true))
      for (const char* name : {"d", "c"}) fs::resize_file(tree() / name, 1);
  };
  EXPECT_TRUE(fails_with(ErrorKind::failed, "tree/c: it changed", [&] { pack(); }));
}

TEST_F(PackFailure, no_room_is_said_with_its_reason) {
  put(tree() / "file", noise(20u << 20, 1));
  // A limit of the process stands for the disk's: writes beyond it fail in the same way.
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limited { .rlim_cur = 10u << 20, .rlim_max = before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  EXPECT_TRUE(fails_with(ErrorKind::failed, "out/p.tar.zst: File too large", [&] { pack(); }));
  ::setrlimit(RLIMIT_FSIZE, &before);
  static_cast<void>(std::signal(SIGXFSZ, handler));
}

TEST_F(PackFailure, an_interruption_from_progress_leaves_nothing) {
  put(tree() / "file", noise(40u << 20, 1));
  options_.progress = [](std::uint64_t, std::uint64_t) {
    throw Error(ErrorKind::interrupted, "interrupted");
  };
  EXPECT_TRUE(fails_with(ErrorKind::interrupted, "", [&] { pack(); }));
}

TEST_F(PackFailure, a_folder_in_the_place_of_the_pack_is_a_usage_error) {
  put(tree() / "file", "x");
  EXPECT_TRUE(fails_with(ErrorKind::usage, "it is a folder",
                         [&] { write_pack(tree(), dir_ / "out", {}); }));
}

TEST_F(PackFailure, a_place_that_cannot_be_written_is_named) {
  put(tree() / "file", "x");
  EXPECT_TRUE(fails_with(ErrorKind::failed, "nowhere/p.tar.zst: No such file or directory",
                         [&] { write_pack(tree(), dir_ / "nowhere/p.tar.zst", {}); }));
}

}  // namespace
}  // namespace murder::testing
