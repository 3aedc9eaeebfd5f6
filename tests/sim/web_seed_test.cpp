// Fleets and a web seed, in virtual time: the server is not stampeded, and nobody is left without.
#include <gtest/gtest.h>

#include "sim/simulation.hpp"

namespace murder::sim {
namespace {

using namespace std::chrono_literals;

/// No seeder: a server that sends at `web`.
SimulationOptions fed_by_web(std::uint32_t hosts, Rate web) {
  SimulationOptions options;
  options.hosts = hosts;
  options.size_bytes = 32_MiB;
  options.seeder_killed_after = 0s;
  options.web_seed = web;
  return options;
}

TEST(WebSeedSimulation, two_hundred_hosts_take_about_one_copy) {
  const SimulationResult result = simulate(fed_by_web(200, Rate{125e6}));
  EXPECT_EQ(result.complete_count(), 200u);
  EXPECT_LT(result.web_copies, 1.5);
  EXPECT_LT(result.percentile(1), 6 * result.plain_copy_s);
}

TEST(WebSeedSimulation, a_slow_server_is_not_asked_again_and_again) {
  const SimulationResult result = simulate(fed_by_web(200, Rate{1e6}));
  EXPECT_EQ(result.complete_count(), 200u);
  EXPECT_LT(result.web_copies, 1.6);
}

TEST(WebSeedSimulation, one_host_alone_takes_one_copy) {
  const SimulationResult result = simulate(fed_by_web(1, Rate{125e6}));
  EXPECT_EQ(result.complete_count(), 1u);
  EXPECT_DOUBLE_EQ(result.web_copies, 1);
  EXPECT_LT(result.percentile(1), 1.5 * result.plain_copy_s);
}

TEST(WebSeedSimulation, three_hosts_take_one_copy) {
  const SimulationResult result = simulate(fed_by_web(3, Rate{125e6}));
  EXPECT_EQ(result.complete_count(), 3u);
  EXPECT_LT(result.web_copies, 1.2);
}

TEST(WebSeedSimulation, nothing_is_taken_while_a_seeder_gives) {
  SimulationOptions options = fed_by_web(50, Rate{125e6});
  options.seeder_killed_after.reset();
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 50u);
  EXPECT_EQ(result.web_copies, 0);
  options.web_seed.reset();
  EXPECT_NEAR(simulate(options).percentile(1), result.percentile(1), 0.05 * result.percentile(1));
}

TEST(WebSeedSimulation, only_the_rest_is_taken_when_the_seeder_dies) {
  SimulationOptions options = fed_by_web(50, Rate{125e6});
  options.seeder_killed_after = 3s;  // of some 5.6 that all of it takes
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 50u);
  EXPECT_GT(result.web_copies, 0.2);
  EXPECT_LT(result.web_copies, 0.8);
}

TEST(WebSeedSimulation, hosts_that_die_leave_nothing_unfetched) {
  SimulationOptions options = fed_by_web(40, Rate{125e6});
  options.expect = 20;
  options.plans.resize(40);
  for (std::size_t i = 0; i < 20; ++i) options.plans[2 * i].killed_after = 1s;
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), 20u);
  EXPECT_LT(result.web_copies, 2);
}

TEST(WebSeedSimulation, same_seed_gives_the_same_run) {
  SimulationOptions options = fed_by_web(60, Rate{20e6});
  options.size_bytes = 8_MiB;
  EXPECT_EQ(simulate(options).fingerprint, simulate(options).fingerprint);
}

}  // namespace
}  // namespace murder::sim
