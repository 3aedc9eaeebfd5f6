// Swarms in virtual time: what must not go wrong when hundreds of engines work together.
#include "sim/simulation.hpp"

#include <gtest/gtest.h>

namespace murder::sim {
namespace {

using namespace std::chrono_literals;

SimulationOptions small(std::uint32_t hosts) {
  SimulationOptions options;
  options.hosts = hosts;
  options.size_bytes = 16_MiB;
  return options;
}

double last_ratio(const SimulationResult& result) {
  return result.percentile(1) / result.plain_copy_s;
}

TEST(Simulation, two_hundred_hosts_complete_near_the_limit) {
  const SimulationResult result = simulate(small(200));
  EXPECT_EQ(result.complete_count(), 200u);
  EXPECT_LT(last_ratio(result), 1.35);
  EXPECT_LT(result.seeder_copies, 1.5);
  EXPECT_TRUE(result.swarm_complete_seen);
}

TEST(Simulation, same_seed_gives_the_same_run) {
  SimulationOptions options = small(200);
  options.size_bytes = 4_MiB;
  const SimulationResult one = simulate(options);
  const SimulationResult two = simulate(options);
  EXPECT_EQ(one.fingerprint, two.fingerprint);
  EXPECT_EQ(one.complete_s, two.complete_s);
  options.seed = 2;
  EXPECT_NE(simulate(options).fingerprint, one.fingerprint);
}

TEST(Simulation, one_host_and_two_pieces) {
  SimulationOptions options = small(1);
  options.size_bytes = 20'000;
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 1u);
}

TEST(Simulation, killed_hosts_do_not_delay_the_others) {
  SimulationOptions options = small(24);
  options.expect = 20;
  options.plans.resize(24);
  for (std::size_t i = 0; i < 4; ++i) options.plans[i * 5].killed_after = 1s;
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 20u);
  EXPECT_LT(last_ratio(result), 1.3);
}

TEST(Simulation, a_frozen_host_does_not_stop_the_others) {
  SimulationOptions options = small(16);
  options.size_bytes = 64_MiB;
  options.expect = 15;
  options.plans.resize(16);
  options.plans[3].frozen_after = 5s;
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 15u);
  EXPECT_LT(last_ratio(result), 1.3);
}

TEST(Simulation, slow_host_does_not_delay_the_others) {
  SimulationOptions options = small(16);
  options.plans.resize(16);
  options.plans[7].up = options.plans[7].down = Rate{0.625e6};
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 16u);
  EXPECT_LT(result.percentile(15.0 / 16) / result.plain_copy_s, 1.25);
}

TEST(Simulation, seeder_dies_after_every_piece_is_out) {
  SimulationOptions options = small(16);
  const SimulationResult undisturbed = simulate(options);
  options.seeder_killed_after = from_seconds(undisturbed.percentile(0) * 0.995);
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 16u);
}

TEST(Simulation, seeder_dies_before_every_piece_is_out) {
  SimulationOptions options = small(8);
  options.seeder_killed_after = 1s;
  options.limit = 60s;
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 0u);
}

TEST(Simulation, tracker_that_dies_in_mid_transfer_stops_nothing) {
  SimulationOptions options = small(16);
  options.tracker_down_from = 500ms;
  options.limit = 60s;
  EXPECT_EQ(simulate(options).complete_count(), 16u);
}

TEST(Simulation, tracker_that_is_down_at_the_start_is_asked_again) {
  SimulationOptions options = small(16);
  options.tracker_down_from = 0s;
  options.tracker_down_until = 3s;
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 16u);
  EXPECT_LT(result.percentile(1), result.plain_copy_s * 1.3 + 8);
}

TEST(Simulation, late_host_catches_up) {
  SimulationOptions options = small(16);
  options.plans.resize(16);
  options.plans[15].joins_after = 2s;
  const SimulationResult result = simulate(options);
  ASSERT_EQ(result.complete_count(), 16u);
  EXPECT_LT(*result.complete_s[15], 2 + 1.3 * result.plain_copy_s);
}

TEST(Simulation, hosts_that_wait_have_a_small_release_in_no_time_once_the_seeder_is_there) {
  SimulationOptions options = small(64);
  options.size_bytes = 1_MiB;
  options.up = options.down = Rate{125e6};
  options.seeder_joins_after = 2700ms;  // between two announces of everybody's
  const SimulationResult result = simulate(options);
  ASSERT_EQ(result.complete_count(), 64u);
  EXPECT_LT(result.percentile(1), 2.7 + 0.1);
}

TEST(Simulation, limits_set_the_pace_each_way_and_cost_little_beyond) {
  for (const bool up : {true, false}) {
    SimulationOptions options = small(8);
    (up ? options.limits.up : options.limits.down) = Rate{2e6};
    const SimulationResult result = simulate(options);
    EXPECT_EQ(result.complete_count(), 8u);
    const double at_limit_s = static_cast<double>(options.size_bytes) / 2e6;
    EXPECT_GT(result.percentile(0), 0.97 * at_limit_s) << (up ? "up" : "down");
    EXPECT_LT(result.percentile(1), 1.15 * at_limit_s) << (up ? "up" : "down");
  }
}

TEST(Simulation, a_seeder_that_is_fed_slowly_costs_no_more_than_its_feed) {
  for (const double share : {0.1, 0.5, 0.9}) {
    SimulationOptions options = small(64);
    options.size_bytes = 32_MiB;
    options.feed = Rate{share * options.up.bytes_per_second};
    const SimulationResult result = simulate(options);
    EXPECT_EQ(result.complete_count(), 64u);
    EXPECT_LT(last_ratio(result), share < 0.2 ? 1.005 : share < 0.6 ? 1.015 : 1.03) << share;
    EXPECT_LT(result.seeder_copies, 1.05) << share;
  }
}

TEST(Simulation, a_seeder_that_is_fed_fast_is_as_good_as_one_that_has_everything) {
  SimulationOptions options = small(64);
  options.size_bytes = 32_MiB;
  const double complete_seeder = simulate(options).percentile(1);
  for (const double times : {1.0, 1.2, 2.0, 1000.0}) {
    options.feed = Rate{times * options.up.bytes_per_second};
    const SimulationResult result = simulate(options);
    EXPECT_EQ(result.complete_count(), 64u);
    EXPECT_LT(result.percentile(1), 1.06 * complete_seeder) << times;
  }
}

TEST(Simulation, a_fed_seeder_and_hosts_that_stop_or_are_killed_and_come_back) {
  SimulationOptions options = small(24);
  options.expect = 22;
  options.feed = Rate{0.5 * options.up.bytes_per_second};
  options.plans.resize(24);
  for (const std::size_t host : {3u, 9u}) options.plans[host].frozen_after = 1500ms;
  for (const std::size_t host : {5u, 17u}) {
    options.plans[host].killed_after = 2s;
    options.plans[host].back_after = 3s;
  }
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 22u);
  EXPECT_LT(last_ratio(result), 1.1);
}

TEST(Simulation, wrong_data_is_fetched_elsewhere_and_its_sender_banned) {
  SimulationOptions options = small(16);
  options.poisoner = 5;
  options.expect = 15;
  const SimulationResult result = simulate(options);
  EXPECT_GE(result.complete_count(), 15u);
  EXPECT_GT(result.wasted_bytes, 0u);
  // Each of the others is taken in a few times at most.
  EXPECT_LT(result.wasted_bytes, 16 * 20 * std::uint64_t{16} * 1024);
}

}  // namespace
}  // namespace murder::sim
