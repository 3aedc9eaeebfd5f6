#include "base/yielding.hpp"

#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace murder {
namespace {

using std::chrono::milliseconds;

/// A thread that works in steps of 2 ms and waits so long for a processor in each.
struct Work {
  Yielding yielding;
  ThreadTimes times;

  Duration step(Duration waiting) {
    times.running += Yielding::step;
    times.waiting += waiting;
    return yielding.rest_after(times);
  }
};

TEST(Yielding, never_rests_while_it_gets_a_processor_at_once) {
  Work work;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(work.step(milliseconds(0)), Duration::zero());
}

TEST(Yielding, rests_longer_each_time_that_it_has_to_wait) {
  Work work;
  Duration before{};
  for (int i = 0; i < 6; ++i) {
    const Duration rest = work.step(milliseconds(3));
    EXPECT_GT(rest, before);
    before = rest;
  }
  for (int i = 0; i < 10; ++i) before = work.step(milliseconds(3));
  EXPECT_EQ(before, Yielding::longest_rest);
}

TEST(Yielding, leaves_nearly_all_of_a_crowded_machine_to_others) {
  Work work;
  Duration rested{};
  for (int i = 0; i < 20; ++i) rested += work.step(milliseconds(3));
  EXPECT_LT(work.times.running * 100, rested);
}

TEST(Yielding, goes_on_at_full_speed_soon_after_the_crowd_has_gone) {
  Work work;
  for (int i = 0; i < 20; ++i) work.step(milliseconds(3));
  int steps = 0;
  while (work.step(milliseconds(0)) > Duration::zero()) ++steps;
  EXPECT_LE(steps, 3);
}

TEST(Yielding, a_moment_of_waiting_does_not_matter) {
  Work work;
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(work.step(std::chrono::microseconds(200)), Duration::zero());
}

TEST(ThreadClock, counts_what_this_thread_has_run) {
  const ThreadClock clock;
  const auto before = clock.read();
  if (!before) GTEST_SKIP() << "this kernel does not count it";
  // Its own work, not the process's.
  std::thread([] {
    const auto until = std::chrono::steady_clock::now() + milliseconds(30);
    while (std::chrono::steady_clock::now() < until) {
    }
  }).join();
  const auto between = clock.read();
  ASSERT_TRUE(between);
  volatile unsigned sum = 0;
  for (unsigned i = 0; i < 50'000'000; ++i) sum = sum + i;
  const auto after = clock.read();
  ASSERT_TRUE(after);
  EXPECT_GT(after->running - between->running, milliseconds(5));
  EXPECT_LT(between->running - before->running, after->running - between->running);
}

}  // namespace
}  // namespace murder
