#include <fcntl.h>
#include <gtest/gtest.h>
#include <optional>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "lab/support.hpp"

namespace murder {
namespace {

using namespace lab_test;

class ProcessOfALab : public ::testing::Test {
 protected:
  lab::Process start(const std::vector<std::string>& argv) { return lab_->spawn(0, argv, -1, -1); }

  std::unique_ptr<lab::Lab> lab_ = lab::Lab::on_loopback({.hosts = 1});
};

TEST_F(ProcessOfALab, exit_status_comes_through) {
  EXPECT_EQ(start({"true"}).wait(), 0);
  EXPECT_EQ(start({"sh", "-c", "exit 7"}).wait(), 7);
}

TEST_F(ProcessOfALab, death_by_signal_is_128_and_the_signal) {
  lab::Process process = start({"sleep", "1000"});
  EXPECT_EQ(process.poll(), std::nullopt);
  process.signal(SIGKILL);
  EXPECT_EQ(process.wait(), 128 + SIGKILL);
  EXPECT_EQ(process.poll(), 128 + SIGKILL);
}

TEST_F(ProcessOfALab, costs_are_known_once_it_is_reaped) {
  lab::Process process = start({"sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"});
  EXPECT_EQ(process.cpu_seconds(), 0);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_GT(process.cpu_seconds(), 0);
  EXPECT_LT(process.cpu_seconds(), 60);
  EXPECT_GT(process.peak_rss_bytes(), 100_KiB);
}

TEST_F(ProcessOfALab, a_program_that_is_not_there_is_named) {
  try {
    start({"no-such-program-here"});
    FAIL() << "it was started";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot run no-such-program-here: not found in PATH");
  }
  try {
    start({"/etc/passwd"});
    FAIL() << "it was started";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot run /etc/passwd: Permission denied");
  }
}

TEST_F(ProcessOfALab, output_goes_where_it_was_told) {
  EXPECT_EQ(output_of(*lab_, 0, {"sh", "-c", "echo data; echo talk >&2"}), "data\n");
}

TEST_F(ProcessOfALab, no_other_descriptor_is_inherited) {
  const UniqueFd open_to_children(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  ASSERT_GT(open_to_children.get(), 2);
  EXPECT_EQ(output_of(*lab_, 0,
                      {"sh", "-c",
                       "for fd in /proc/$$/fd/*; do case ${fd##*/} in "
                       "0|1|2) ;; *) readlink \"$fd\" || true;; esac; done"}),
            "");
}

TEST_F(ProcessOfALab, signals_ignored_here_are_not_ignored_there) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  lab::Process process = start({"sh", "-c", "kill -PIPE $$; exit 0"});
  EXPECT_EQ(process.wait(), 128 + SIGPIPE);
  std::signal(SIGPIPE, before);
}

TEST_F(ProcessOfALab, outlives_the_thread_that_started_it) {
  Pipe pipe;
  std::optional<lab::Process> process;
  pid_t starter = -1;
  std::thread([&] {
    starter = ::gettid();
    process =
        lab_->spawn(0, {"sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done"},
                    pipe.write_end.get(), -1);
  }).join();
  pipe.write_end.reset();
  ASSERT_EQ(read_line(pipe.read_end.get()), "ready");
  const auto task = std::filesystem::path("/proc/self/task") / std::to_string(starter);
  ASSERT_TRUE(comes_true([&] { return !std::filesystem::exists(task); }));
  // Had it been tied to that thread, SIGKILL would have reached it before this.
  process->signal(SIGTERM);
  EXPECT_EQ(process->wait(), 9);
}

TEST_F(ProcessOfALab, moving_does_not_end_it) {
  lab::Process first = start({"sleep", "1000"});
  const pid_t pid = first.pid();
  lab::Process second = std::move(first);
  {
    lab::Process third;
    third = std::move(second);
    second = std::move(third);
  }
  EXPECT_EQ(second.pid(), pid);
  EXPECT_EQ(second.poll(), std::nullopt);
}

TEST_F(ProcessOfALab, destroying_it_ends_a_child_that_ignores_sigterm) {
  Pipe pipe;
  pid_t pid = -1;
  {
    const lab::Process process =
        lab_->spawn(0, {"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"},
                    pipe.write_end.get(), -1);
    pipe.write_end.reset();
    pid = process.pid();
    ASSERT_EQ(read_line(pipe.read_end.get()), "ready");
  }
  EXPECT_TRUE(is_dead(pid));
}

TEST_F(ProcessOfALab, dies_with_its_lab) {
  lab::Process process = start({"sleep", "1000"});
  lab_.reset();
  ASSERT_TRUE(comes_true([&] { return process.poll().has_value(); }));
  EXPECT_EQ(process.wait(), 128 + SIGKILL);
}

TEST_F(ProcessOfALab, dies_when_the_process_that_made_the_lab_is_killed) {
  Pipe pipe;
  lab::Process victim =
      lab_->spawn(0, {"/proc/self/exe", "--victim", "loopback"}, pipe.write_end.get(), -1);
  pipe.write_end.reset();
  const pid_t child = std::stoi(read_line(pipe.read_end.get()));
  EXPECT_FALSE(is_dead(child));
  victim.signal(SIGKILL);
  EXPECT_EQ(victim.wait(), 128 + SIGKILL);
  EXPECT_TRUE(comes_true([&] { return is_dead(child); }));
}

TEST_F(ProcessOfALab, waiting_for_none_is_an_error) {
  lab::Process none;
  EXPECT_EQ(none.poll(), std::nullopt);
  EXPECT_THROW(none.wait(), Error);
}

}  // namespace
}  // namespace murder
