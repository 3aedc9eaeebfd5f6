#include "fleet/waiting.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> pass(Gate& gate, int& inside, int& most, int& done) {
  const Gate::Place place = co_await gate.enter();
  most = std::max(most, ++inside);
  co_await asio::post(asio::use_awaitable);
  --inside;
  ++done;
}

TEST(Gate, lets_so_many_through_and_everybody_in_the_end) {
  asio::io_context io;
  Gate gate(io, 3);
  int inside = 0;
  int most = 0;
  int done = 0;
  for (int i = 0; i < 5000; ++i) asio::co_spawn(io, pass(gate, inside, most, done), asio::detached);
  io.run();
  EXPECT_EQ(most, 3);
  EXPECT_EQ(done, 5000);
}

TEST(Gate, narrowed_while_many_are_inside_holds_back_the_next_ones) {
  asio::io_context io;
  Gate gate(io, 3);
  int inside = 0;
  int most = 0;
  int done = 0;
  for (int i = 0; i < 5; ++i) gate.narrow();
  EXPECT_EQ(gate.places(), 1u);
  for (int i = 0; i < 10; ++i) asio::co_spawn(io, pass(gate, inside, most, done), asio::detached);
  io.run();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(done, 10);
}

/// Holds a place and one that waits for it until it is dropped.
asio::awaitable<void> hold(Gate& gate, asio::io_context& io) {
  const Gate::Place place = co_await gate.enter();
  co_await sleep_for(io, std::chrono::hours(1));
}

TEST(Gate, outlives_those_that_are_dropped_while_they_wait) {
  auto io = std::make_unique<asio::io_context>();
  Gate gate(*io, 1);
  for (int i = 0; i < 3; ++i) asio::co_spawn(*io, hold(gate, *io), asio::detached);
  io->poll();
  io.reset();
}

asio::awaitable<void> wait_for(Condition& condition, const bool& is_so, int& woken) {
  const auto holds = [&is_so] { return is_so; };
  const bool came = co_await condition.wait(holds);
  EXPECT_TRUE(came);
  ++woken;
}

TEST(Condition, wakes_all_that_wait) {
  asio::io_context io;
  Condition condition(io);
  bool is_so = false;
  int woken = 0;
  for (int i = 0; i < 3; ++i) asio::co_spawn(io, wait_for(condition, is_so, woken), asio::detached);
  io.poll();
  condition.notify();
  io.restart();
  io.poll();
  EXPECT_EQ(woken, 0) << "it was not so";
  is_so = true;
  condition.notify();
  io.restart();
  io.run();
  EXPECT_EQ(woken, 3);
}

}  // namespace
}  // namespace murder::fleet
