#include "cli/fleet_watch.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/temp_dir.hpp"

namespace murder::cli {
namespace {

struct Watch : testing::Test {
  SignalWatch signals;
  test::TempDir logs;
  std::unique_ptr<lab::Lab> lab = lab::Lab::on_loopback({.hosts = 2});
  std::optional<FleetWatch> watch{std::in_place, *lab, signals, logs.path()};

  struct Told {
    std::vector<std::string> lines;
    std::optional<int> status;
    std::string last_words;
  };

  void start(const std::string& script, Told& told) {
    watch->start(
        0, {"sh", "-c", script}, [&told](std::string_view line) { told.lines.emplace_back(line); },
        [&told](int status, const std::string& words) {
          told.status = status;
          told.last_words = words;
        });
  }

  void wait_for_all() {
    ASSERT_TRUE(watch->wait_until([&] { return watch->all_ended(); }, {}, std::chrono::minutes(1)));
  }
};

TEST_F(Watch, every_line_and_the_end_are_told_of_several_children) {
  Told a;
  Told b;
  start("echo one; echo two; exit 3", a);
  start("for i in $(seq 5000); do echo line $i; done", b);
  wait_for_all();
  EXPECT_EQ(a.lines, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(a.status, 3);
  ASSERT_EQ(b.lines.size(), 5000u);
  EXPECT_EQ(b.lines.back(), "line 5000");
  EXPECT_EQ(b.status, 0);
}

TEST_F(Watch, a_line_that_comes_in_parts_is_told_once) {
  Told told;
  start("printf 'ha'; sleep 0.05; printf 'lf\\nno end'", told);
  wait_for_all();
  EXPECT_EQ(told.lines, std::vector<std::string>{"half"});
}

TEST_F(Watch, the_last_words_are_the_last_line_of_stderr) {
  Told told;
  start("echo first >&2; echo 'terminate called' >&2; kill -9 $$", told);
  wait_for_all();
  EXPECT_EQ(told.status, 128 + SIGKILL);
  EXPECT_EQ(told.last_words, "terminate called");
}

TEST_F(Watch, a_child_that_closes_stdout_and_goes_on_is_waited_for) {
  Told told;
  start("exec >&-; sleep 0.2; exit 7", told);
  wait_for_all();
  EXPECT_EQ(told.status, 7);
}

TEST_F(Watch, waiting_ends_at_its_limit) {
  Told told;
  start("exec sleep 1000", told);
  EXPECT_FALSE(watch->wait_until([] { return false; }, {}, std::chrono::milliseconds(1)));
  EXPECT_FALSE(told.status);
}

TEST_F(Watch, end_all_asks_first_and_then_kills) {
  Told polite;
  Told stubborn;
  start("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done", polite);
  start("trap '' TERM; echo up; while :; do sleep 0.01; done", stubborn);
  watch->wait_until([&] { return !polite.lines.empty() && !stubborn.lines.empty(); }, {});
  watch->end_all(std::chrono::milliseconds(500));
  EXPECT_EQ(polite.status, 0);
  EXPECT_EQ(polite.lines.back(), "bye");
  EXPECT_EQ(stubborn.status, 128 + SIGKILL);
}

TEST_F(Watch, nothing_outlives_it) {
  Told told;
  start("trap '' TERM; echo $$; while :; do sleep 0.01; done", told);
  watch->wait_until([&] { return !told.lines.empty(); }, {});
  const pid_t pid = std::stoi(told.lines.front());
  EXPECT_EQ(::kill(pid, 0), 0);
  watch.reset();
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(Watch, a_signal_ends_the_waiting_and_is_what_the_error_says) {
  ::kill(::getpid(), SIGTERM);
  try {
    watch->wait_until([] { return false; }, {});
    FAIL() << "it waited";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::terminated);
  }
}

TEST(SignalWatch, a_signal_is_told_at_each_check_and_dropped_at_the_end) {
  {
    SignalWatch signals;
    signals.check();
    signals.check_for(std::chrono::milliseconds(1));
    ::kill(::getpid(), SIGINT);
    ::kill(::getpid(), SIGTERM);
    for (int i = 0; i < 2; ++i) {
      try {
        signals.check();
        ADD_FAILURE() << "no signal seen";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::interrupted);
      }
    }
  }
  // SIGTERM came second; had it been kept, this process would be gone.
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_FALSE(::sigismember(&pending, SIGTERM));
}

TEST(SignalWatch, a_closed_terminal_terminates) {
  SignalWatch signals;
  ::kill(::getpid(), SIGHUP);
  try {
    signals.check_for(std::chrono::minutes(1));
    FAIL() << "no signal seen";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::terminated);
  }
}

}  // namespace
}  // namespace murder::cli
