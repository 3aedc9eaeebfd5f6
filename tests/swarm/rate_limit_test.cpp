// Rate limits in virtual time.
#include "swarm/rate_limit.hpp"

#include <chrono>
#include <deque>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <utility>

namespace murder::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t kib = 1024;

/// Sends blocks as soon as the limit lets it, with a clock that is `late` by so much.
struct Sender {
  std::uint64_t sent = 0;
  std::uint64_t most_in_50_ms = 0;

  void run(const RateLimit& limit, std::uint32_t block, Duration time, Duration late) {
    std::deque<std::pair<Instant, std::uint32_t>> recent;
    std::uint64_t recently = 0;
    const Instant begin{seconds(100)};
    for (Instant now = begin; now < begin + time; now = limit.ready_at(now) + late) {
      while (limit.ready(now)) {
        limit.take(block, now);
        sent += block;
        recent.emplace_back(now, block);
        recently += block;
      }
      while (now - recent.front().first > milliseconds(50)) {
        recently -= recent.front().second;
        recent.pop_front();
      }
      most_in_50_ms = std::max(most_in_50_ms, recently);
    }
  }
};

TEST(RateLimits, hold_within_one_percent_from_10_mbit_to_1_gbit_even_when_the_timer_is_late) {
  for (const double mbit : {10.0, 100.0, 1000.0}) {
    for (const Duration late :
         {Duration(0), Duration(milliseconds(1)), Duration(milliseconds(4))}) {
      const Rate rate{mbit * 1e6 / 8};
      const RateLimit limit = limit_to(rate);
      Sender sender;
      sender.run(limit, limit.largest_block(128 * kib), seconds(20), late);
      EXPECT_NEAR(static_cast<double>(sender.sent), 20 * rate.bytes_per_second,
                  0.2 * rate.bytes_per_second)
          << mbit << " Mbit/s";
      // 50 ms, what may come at once, and the block that begins the debt.
      EXPECT_LE(static_cast<double>(sender.most_in_50_ms), 0.09 * rate.bytes_per_second + 16 * kib)
          << mbit << " Mbit/s";
    }
  }
}

TEST(RateLimits, what_was_not_used_is_not_saved_up) {
  const RateLimit limit = limit_to(Rate{1e6});
  Instant now{seconds(1)};
  ASSERT_TRUE(limit.ready(now));
  now += seconds(60);
  std::uint64_t at_once = 0;
  while (limit.ready(now)) {
    limit.take(1000, now);
    at_once += 1000;
  }
  EXPECT_LE(at_once, 21'000u);
}

TEST(RateLimits, of_a_swarm_and_of_its_process_both_hold) {
  const auto process = std::make_shared<TokenBucket>(Rate{1e6});
  const RateLimit one({std::make_shared<TokenBucket>(Rate{1e9}), process});
  const RateLimit other({std::make_shared<TokenBucket>(Rate{1e5}), process});
  Instant now{seconds(1)};
  std::uint64_t by_one = 0;
  std::uint64_t by_other = 0;
  for (int ms = 0; ms < 10'000; ++ms, now += milliseconds(1)) {
    while (other.ready(now)) other.take(1000, now), by_other += 1000;
    while (one.ready(now)) one.take(1000, now), by_one += 1000;
  }
  EXPECT_NEAR(static_cast<double>(by_other), 1e6, 2e4);
  EXPECT_NEAR(static_cast<double>(by_one + by_other), 1e7, 1e5);
}

TEST(RateLimits, what_did_not_pass_is_given_back) {
  const RateLimit limit = limit_to(Rate{1e6});
  const Instant now{seconds(1)};
  limit.take(500'000, now);
  EXPECT_FALSE(limit.ready(now));
  limit.give_back(500'000, now);
  EXPECT_TRUE(limit.ready(now));
}

TEST(RateLimits, blocks_are_20_ms_at_most) {
  EXPECT_EQ(limit_to(std::nullopt).largest_block(128 * kib), 128 * kib);
  EXPECT_EQ(limit_to(Rate{1e12}).largest_block(128 * kib), 128 * kib);
  EXPECT_EQ(limit_to(Rate{2e6}).largest_block(128 * kib), 32 * kib);
  EXPECT_EQ(limit_to(Rate{1}).largest_block(128 * kib), 16 * kib);
}

TEST(RateLimits, without_one_everything_passes) {
  const RateLimit none;
  const Instant now{seconds(1)};
  none.take(1u << 30, now);
  EXPECT_TRUE(none.ready(now));
  EXPECT_EQ(none.ready_at(now), now);
  EXPECT_FALSE(none.any());
}

}  // namespace
}  // namespace murder::swarm
