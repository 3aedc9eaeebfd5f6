// kill -9 at every system call: what is on disk only changes in one, so that this is every instant
// there is. A child stages or activates under ptrace(2) and is killed before its first, its second,
// … system call is carried out, until one run comes to its end.
#include <sys/ptrace.h>

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

enum class Outcome { killed, ended, failed, not_permitted };

void wait_for(pid_t child, int& status) {
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

/// Runs `operation` in a child that is killed at its system call number `fatal_call`.
Outcome run_and_kill(const std::function<void()>& operation, int fatal_call) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
    ::raise(SIGSTOP);
    try {
      operation();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  wait_for(child, status);
  if (WIFEXITED(status)) return Outcome::not_permitted;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  int calls = 0;
  bool entering = false;
  for (;;) {
    if (::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) != 0) return Outcome::failed;
    wait_for(child, status);
    if (WIFEXITED(status)) return WEXITSTATUS(status) == 0 ? Outcome::ended : Outcome::failed;
    if (!WIFSTOPPED(status)) return Outcome::failed;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
    entering = !entering;
    if (!entering || ++calls < fatal_call) continue;
    ::kill(child, SIGKILL);
    wait_for(child, status);
    return Outcome::killed;
  }
}

class Kill : public testing::Test {
 protected:
  void SetUp() override {
    stage(destination_, "v1", sample_pack("1"));
    activate(destination_, "v1");
  }
  /// Kills `operation` at each of its system calls in turn and calls `check` after each.
  void kill_everywhere(const std::function<void()>& operation, const std::function<void()>& check) {
    for (int call = 1; call < 5000; ++call) {
      const Outcome outcome = run_and_kill(operation, call);
      if (outcome == Outcome::not_permitted)
        GTEST_SKIP() << "ptrace(2) of a child is not permitted here";
      ASSERT_NE(outcome, Outcome::failed) << "at system call " << call;
      check();
      ASSERT_FALSE(HasFailure()) << "killed at system call " << call;
      if (outcome == Outcome::ended) {
        EXPECT_GT(call, 20) << "there were hardly any system calls to be killed at";
        return;
      }
    }
    FAIL() << "it never came to its end";
  }
  fs::path release(const char* tag) const { return temp_.path() / "app/releases" / tag; }

  TempFolder temp_{TempFolder::Where::in_memory};
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(Kill, staging_leaves_nothing_or_a_partial_release_or_a_whole_one) {
  const Pack pack = sample_pack("2");
  bool was_partial = false;
  const auto operation = [&] {
    const TransferLock lock(destination_, "v2");
    stage(destination_, "v2", pack);
  };
  kill_everywhere(operation, [&] {
    EXPECT_EQ(destination_.current_tag(), "v1");
    EXPECT_EQ(drifts(destination_, "v1"), no_drift);
    if (destination_.has_release("v2")) {
      EXPECT_EQ(drifts(destination_, "v2"), no_drift);
    }
    was_partial = was_partial || is_there(release("v2.partial"));
    EXPECT_FALSE(is_there(release("v2")) && is_there(release("v2.partial")));
    // A rerun finishes the job, and the next round begins where this one began.
    operation();
    EXPECT_EQ(drifts(destination_, "v2"), no_drift);
    EXPECT_FALSE(is_there(release("v2.partial")));
    fs::remove_all(release("v2"));
    fs::remove(destination_.manifest_path("v2"));
  });
  EXPECT_TRUE(was_partial || IsSkipped());
}

TEST_F(Kill, wiping_what_was_left_leaves_the_rest_alone) {
  const Pack pack = sample_pack("2");
  const auto leave_something = [&] {
    for (const char* path : {"a/b/c/file", "a/b/file", "a/file", "d/e/f/g/file"})
      write_text(release("v2.partial") / path, "x");
  };
  leave_something();
  kill_everywhere([&] { const Stager stager(destination_, "v2", pack.manifest, {}); },
                  [&] {
                    EXPECT_EQ(drifts(destination_, "v1"), no_drift);
                    stage(destination_, "v2", pack);
                    EXPECT_EQ(drifts(destination_, "v2"), no_drift);
                    fs::remove_all(release("v2"));
                    leave_something();
                  });
}

TEST_F(Kill, activating_leaves_the_old_release_live_or_the_new_one) {
  stage(destination_, "v2", sample_pack("2"));
  stage(destination_, "v3", sample_pack("3"));
  bool was_old = false;
  const auto operation = [&] {
    const DestinationLock lock(destination_);
    activate(destination_, "v2");
  };
  kill_everywhere(operation, [&] {
    const std::optional<std::string> live = destination_.current_tag();
    EXPECT_TRUE(live == "v1" || live == "v2") << live.value_or("nothing");
    was_old = was_old || live == "v1";
    // Whatever the journal got to say: the way back is right.
    operation();
    EXPECT_EQ(rollback(destination_, ""), "v1");
    activate(destination_, "v3");
    EXPECT_EQ(rollback(destination_, ""), "v1");
    EXPECT_EQ(names_in(temp_.path() / "app"),
              (std::vector<std::string>{".murder", "current", "releases"}));
  });
  EXPECT_TRUE(was_old || IsSkipped());
}

}  // namespace
}  // namespace murder
