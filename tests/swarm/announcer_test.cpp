#include "swarm/announcer.hpp"

#include <gtest/gtest.h>

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;
const Instant start{std::chrono::hours(1)};

AnnounceReply reply(std::uint32_t interval_s) {
  AnnounceReply r;
  r.interval_s = interval_s;
  return r;
}

TEST(Announcer, started_once_then_plain_then_completed) {
  Announcer announcer({"a"});
  announcer.start(start);
  EXPECT_EQ(announcer.take_due(start)->event, AnnounceEvent::started);
  EXPECT_FALSE(announcer.take_due(start)) << "one at a time";
  announcer.succeeded(reply(5), start);
  EXPECT_FALSE(announcer.take_due(start + 4s));
  EXPECT_EQ(announcer.take_due(start + 5s)->event, AnnounceEvent::none);
  announcer.complete(start + 5s);
  announcer.succeeded(reply(5), start + 5s);
  EXPECT_EQ(announcer.take_due(start + 5s)->event, AnnounceEvent::completed);
  announcer.succeeded(reply(5), start + 5s);
  EXPECT_EQ(announcer.take_due(start + 10s)->event, AnnounceEvent::none);
}

TEST(Announcer, one_failed_announce_does_not_end_it) {
  Announcer announcer({"a"});
  announcer.start(start);
  Instant now = start;
  Duration waited{};
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(announcer.take_due(now));
    announcer.failed(now);
    EXPECT_TRUE(announcer.silent());
    const Instant next = *announcer.next_due();
    waited = next - now;
    EXPECT_GE(waited, 250ms);
    EXPECT_LE(waited, 5s);
    now = next;
  }
  EXPECT_EQ(waited, 5s);
  EXPECT_EQ(announcer.take_due(now)->event, AnnounceEvent::started) << "still to be said";
  announcer.succeeded(reply(1), now);
  EXPECT_FALSE(announcer.silent());
}

TEST(Announcer, the_next_tracker_is_asked_at_once) {
  Announcer announcer({"a", "b"});
  announcer.start(start);
  EXPECT_EQ(announcer.take_due(start)->tracker, "a");
  announcer.failed(start);
  EXPECT_EQ(announcer.take_due(start)->tracker, "b");
  announcer.succeeded(reply(1), start);
  EXPECT_EQ(announcer.take_due(start + 1s)->tracker, "b") << "stays with the one that answers";
}

TEST(Announcer, wanting_peers_is_no_more_than_once_a_second) {
  Announcer announcer({"a"});
  announcer.start(start);
  announcer.take_due(start);
  announcer.succeeded(reply(60), start);
  announcer.want_peers(start + 100ms);
  EXPECT_EQ(*announcer.next_due(), start + 1s);
}

TEST(Announcer, without_a_tracker_nothing_is_due) {
  Announcer announcer({});
  announcer.start(start);
  EXPECT_FALSE(announcer.next_due());
  EXPECT_FALSE(announcer.take_due(start));
}

TEST(Announcer, interval_of_zero_does_not_spin) {
  Announcer announcer({"a"});
  announcer.start(start);
  announcer.take_due(start);
  announcer.succeeded(reply(0), start);
  EXPECT_GE(*announcer.next_due(), start + 1s);
}

TEST(Announcer, a_tracker_that_is_named_later_is_asked_first_whatever_is_under_way) {
  const Instant start{std::chrono::hours(1)};
  Announcer announcer({"dead", "also-dead"});
  announcer.start(start);
  ASSERT_TRUE(announcer.take_due(start));
  announcer.add_first("new", start);
  auto order = announcer.take_due(start);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->tracker, "new");
  EXPECT_EQ(order->event, AnnounceEvent::started) << "nobody has heard it yet";
  announcer.failed(start);
  EXPECT_EQ(announcer.take_due(start)->tracker, "dead") << "the others are still known";
  announcer.add_first("also-dead", start);
  EXPECT_EQ(announcer.take_due(start)->tracker, "also-dead");
  AnnounceReply reply;
  reply.interval_s = 5;
  announcer.succeeded(reply, start);
  announcer.add_first("newer", start);
  order = announcer.take_due(start);
  ASSERT_TRUE(order) << "at once, not after the interval";
  EXPECT_EQ(order->tracker, "newer");
}

}  // namespace
}  // namespace murder::swarm
