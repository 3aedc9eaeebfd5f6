#include "base/file.hpp"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/temp_dir.hpp"

namespace murder {
namespace {

namespace fs = std::filesystem;

template <class Work>
std::string message_of(Work work) {
  try {
    work();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::failed);
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

std::size_t entries_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, closes_once_and_only_what_it_owns) {
  UniqueFd fd = open_file("/dev/null", O_RDONLY);
  const int number = fd.get();
  EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
  UniqueFd moved = std::move(fd);
  EXPECT_TRUE(is_open(number));
  const int released = moved.release();
  EXPECT_FALSE(moved);
  EXPECT_TRUE(is_open(released));
  moved.reset(released);
  moved.reset();
  EXPECT_FALSE(is_open(number));
}

TEST(ReadFile, reads_files_of_any_size_and_those_that_tell_none) {
  const test::TempDir dir;
  for (const std::size_t size : {0u, 1u, 65536u, 200'000u}) {
    const std::string content(size, 'x');
    write_file_atomically(dir.path() / "f", content);
    EXPECT_EQ(read_file(dir.path() / "f"), content);
  }
  EXPECT_FALSE(read_file("/proc/self/status").empty());
}

TEST(ReadFile, refuses_more_than_the_limit) {
  const test::TempDir dir;
  write_file_atomically(dir.path() / "f", std::string(2000, 'x'));
  EXPECT_EQ(read_file(dir.path() / "f", 2000).size(), 2000u);
  const std::string message = message_of([&] { read_file(dir.path() / "f", 1999); });
  EXPECT_NE(message.find("larger than 2.0 kB"), std::string::npos) << message;
}

TEST(ReadRest, reads_a_pipe_to_its_end_and_no_more_than_the_limit) {
  for (const std::uint64_t limit : {6u, 5u}) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    ASSERT_EQ(::write(writer.get(), "a list", 6), 6);
    writer.reset();
    if (limit == 6) {
      EXPECT_EQ(read_rest(reader.get(), "standard input", limit), "a list");
    } else {
      EXPECT_THROW(read_rest(reader.get(), "standard input", limit), Error);
    }
  }
}

TEST(ReadFile, errors_name_operation_path_and_reason) {
  EXPECT_EQ(message_of([] { read_file("/nonexistent/file"); }),
            "cannot open /nonexistent/file: No such file or directory");
  EXPECT_EQ(message_of([] { read_file("/"); }), "cannot read /: Is a directory");
}

TEST(WriteFileAtomically, replaces_content_and_leaves_nothing_else) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "state";
  for (const bool durable : {false, true}) {
    write_file_atomically(path, "old", durable);
    write_file_atomically(path, std::string("new\0bytes", 9), durable);
    EXPECT_EQ(read_file(path), std::string("new\0bytes", 9));
    EXPECT_EQ(entries_in(dir.path()), 1u);
  }
}

TEST(WriteFileAtomically, keeps_the_old_file_open_readers_whole) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "state";
  write_file_atomically(path, "old content");
  const UniqueFd reader = open_file(path, O_RDONLY);
  write_file_atomically(path, "new");
  std::array<std::uint8_t, 11> seen{};
  EXPECT_TRUE(read_exactly_at(reader.get(), seen, 0, path));
  EXPECT_EQ(std::string(seen.begin(), seen.end()), "old content");
}

TEST(WriteFileAtomically, replaces_a_link_not_what_it_leads_to) {
  const test::TempDir dir;
  write_file_atomically(dir.path() / "target", "precious");
  fs::create_symlink("target", dir.path() / "link");
  write_file_atomically(dir.path() / "link", "mine");
  EXPECT_EQ(read_file(dir.path() / "target"), "precious");
  EXPECT_FALSE(fs::is_symlink(dir.path() / "link"));
}

TEST(WriteFileAtomically, gives_the_mode_asked_for) {
  const test::TempDir dir;
  write_file_atomically(dir.path() / "secret", "x", false, 0600);
  struct stat st {};
  ASSERT_EQ(::stat((dir.path() / "secret").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
}

TEST(WriteFileAtomically, after_an_error_leaves_no_temporary) {
  const test::TempDir dir;
  fs::create_directories(dir.path() / "taken" / "by-a-folder");
  const std::string message =
      message_of([&] { write_file_atomically(dir.path() / "taken", "x", true); });
  EXPECT_EQ(message.rfind("cannot write " + (dir.path() / "taken").string() + ": ", 0), 0u)
      << message;
  EXPECT_EQ(entries_in(dir.path()), 1u);
  message_of([&] { write_file_atomically(dir.path() / "no-such-folder" / "f", "x"); });
}

/// Files of this process cannot grow beyond `bytes` while it lives, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    handler_before_ = ::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_before_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_before_ = nullptr;
};

TEST(WriteFileAtomically, that_runs_out_of_room_keeps_the_old_content) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "state";
  write_file_atomically(path, "old");
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = message_of([&] { write_file_atomically(path, std::string(10'000, 'x')); });
  }
  EXPECT_EQ(message, "cannot write " + path.string() + ": File too large");
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(entries_in(dir.path()), 1u);
}

TEST(WriteFileAtomically, many_writers_at_once_leave_one_whole_content) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "state";
  std::vector<std::thread> writers;
  for (char c = 'a'; c < 'e'; ++c)
    writers.emplace_back([&path, c] {
      for (int i = 0; i < 50; ++i) write_file_atomically(path, std::string(10'000, c));
    });
  for (std::thread& writer : writers) writer.join();
  const std::string content = read_file(path);
  EXPECT_EQ(content, std::string(10'000, content.at(0)));
  EXPECT_EQ(entries_in(dir.path()), 1u);
}

TEST(WriteFileAtomically, works_on_a_bare_name) {
  const test::TempDir dir;
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  write_file_atomically("bare", "x", true);
  fs::current_path(before);
  EXPECT_EQ(read_file(dir.path() / "bare"), "x");
}

TEST(ExactIo, reads_back_what_was_written_at_an_offset) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "f";
  const UniqueFd fd = open_file(path, O_RDWR | O_CREAT);
  const std::uint64_t far = 5'000'000'000;  // beyond 32 bits; a hole before it
  write_exactly_at(fd.get(), as_bytes("hello"), far, path);
  EXPECT_EQ(file_size(fd.get(), path), far + 5);
  std::array<std::uint8_t, 5> seen{};
  EXPECT_TRUE(read_exactly_at(fd.get(), seen, far, path));
  EXPECT_EQ(std::string(seen.begin(), seen.end()), "hello");
  EXPECT_FALSE(read_exactly_at(fd.get(), seen, far + 1, path)) << "the file ends before";
  EXPECT_TRUE(read_exactly_at(fd.get(), {}, far + 100, path)) << "nothing is always there";
}

TEST(ExactIo, errors_name_the_path) {
  const UniqueFd fd = open_file("/dev/null", O_RDONLY);
  EXPECT_EQ(message_of([&] { write_exactly_at(fd.get(), as_bytes("x"), 0, "/srv/f"); }),
            "cannot write /srv/f: Bad file descriptor");
  EXPECT_EQ(message_of([] { file_size(-1, "/srv/f"); }), "cannot stat /srv/f: Bad file descriptor");
}

}  // namespace
}  // namespace murder
