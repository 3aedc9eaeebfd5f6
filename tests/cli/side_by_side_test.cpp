#include "cli/side_by_side.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"

namespace murder::cli {
namespace {

TEST(SideBySide, each_is_done_once) {
  SignalWatch signals;
  std::mutex mutex;
  std::multiset<std::size_t> done;
  side_by_side(
      100,
      [&](std::size_t i, const std::stop_token&) {
        const std::lock_guard lock(mutex);
        done.insert(i);
      },
      [](std::size_t) {}, signals);
  EXPECT_EQ(done.size(), 100u);
  EXPECT_EQ(std::set(done.begin(), done.end()).size(), 100u);
}

TEST(SideBySide, nothing_to_do_is_done) {
  SignalWatch signals;
  side_by_side(
      0, [](std::size_t, const std::stop_token&) { FAIL(); }, [](std::size_t) {}, signals);
}

TEST(SideBySide, a_signal_stops_what_runs) {
  SignalWatch signals;
  std::atomic<bool> stopped{false};
  const auto work = [&](std::size_t, const std::stop_token& stop) {
    ::kill(::getpid(), SIGINT);
    while (!stop.stop_requested()) std::this_thread::yield();
    stopped = true;
  };
  EXPECT_THROW(side_by_side(
                   5, work, [](std::size_t) {}, signals),
               Error);
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace murder::cli
