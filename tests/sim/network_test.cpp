// The virtual network itself: each of its parts makes the difference that it should.
#include <gtest/gtest.h>

#include "bittorrent/wire.hpp"
#include "sim/event_queue.hpp"
#include "sim/fabric.hpp"
#include "sim/inbox.hpp"
#include "sim/limit.hpp"
#include "sim/simulation.hpp"

namespace murder::sim {
namespace {

using namespace std::chrono_literals;

SimulationOptions fleet(std::uint32_t hosts) {
  SimulationOptions options;
  options.hosts = hosts;
  options.size_bytes = 16_MiB;
  options.plans.resize(hosts);
  return options;
}

double last_s(const SimulationOptions& options) {
  const SimulationResult result = simulate(options);
  EXPECT_EQ(result.complete_count(), options.hosts);
  return result.percentile(1);
}

TEST(EventQueue, order_is_time_and_then_the_order_of_pushing) {
  EventQueue queue;
  const Instant start{};
  for (const std::uint32_t i : {5u, 3u, 9u, 3u, 1u, 5u, 7u, 1u}) {
    Event event;
    event.at = start + std::chrono::seconds(i);
    queue.push(event);
  }
  std::vector<std::pair<Instant, std::uint64_t>> popped;
  while (!queue.empty()) {
    const Event event = queue.pop();
    popped.emplace_back(event.at, event.order);
  }
  EXPECT_EQ(popped.size(), 8u);
  EXPECT_TRUE(std::is_sorted(popped.begin(), popped.end()));
}

TEST(Pipe, a_block_is_passed_on_while_it_comes) {
  Pipe pipe(Rate{100});
  const Instant start{};
  EXPECT_EQ(pipe.pass({start, start + 1s}, 100).end, start + 1s);
  EXPECT_EQ(pipe.pass({start, start + 1s}, 100).end, start + 2s);  // behind the first
}

TEST(Pipe, a_slow_sender_does_not_hold_a_fast_receiver) {
  Pipe pipe(Rate{100});
  const Instant start{};
  EXPECT_EQ(pipe.pass({start, start + 10s}, 100).end, start + 10s);
  EXPECT_EQ(pipe.pass({start, start + 1s}, 100).end, start + 2s);
}

TEST(Inbox, gives_what_has_arrived_in_order) {
  Inbox inbox;
  const Instant start{};
  inbox.push(start + 1s, wire::Have{PieceIndex(1)});
  inbox.push(start + 2s, wire::Have{PieceIndex(2)});
  wire::Message message;
  EXPECT_FALSE(inbox.take(start, message));
  ASSERT_TRUE(inbox.take(start + 1s, message));
  EXPECT_EQ(message, wire::Message(wire::Have{PieceIndex(1)}));
  EXPECT_FALSE(inbox.take(start + 1s, message));
  ASSERT_TRUE(inbox.take(start + 2s, message));
  EXPECT_TRUE(inbox.empty());
}

TEST(Inbox, messages_have_the_length_that_they_are_written_with) {
  for (const wire::Message& message : std::vector<wire::Message>{
           wire::KeepAlive{}, wire::Unchoke{}, wire::Have{PieceIndex(3)}, wire::HaveNone{},
           wire::Request{{PieceIndex(1), 0, 16384}}, wire::Bitfield{std::string(17, 'x')},
           wire::Cancel{{PieceIndex(1), 0, 16384}}, wire::Port{1}, wire::Extended{0, "d1:vi1ee"}}) {
    std::string written;
    wire::append(written, message);
    EXPECT_EQ(message_bytes(message), static_cast<double>(written.size())) << message.index();
  }
}

TEST(Limit, one_copy_over_the_narrowest_link_of_the_way) {
  SimulationOptions options = fleet(8);
  const double copy = 16.0 * 1024 * 1024 * wire_overhead / 6.25e6;
  EXPECT_NEAR(limit_of(options).seconds, copy, 1e-9);
  EXPECT_EQ(limit_of(options).bottleneck, Bottleneck::seeder_link);
  options.seeder_up = Rate{3.125e6};
  EXPECT_NEAR(limit_of(options).seconds, 2 * copy, 1e-9);
  options.plans[2].down = Rate{1.25e6};
  EXPECT_NEAR(limit_of(options).seconds, 5 * copy, 1e-9);
  EXPECT_EQ(limit_of(options).bottleneck, Bottleneck::host_link);
  EXPECT_NEAR(limit_of_plain(options).seconds, 2 * copy, 1e-9);
}

TEST(Limit, all_uplinks_together_have_to_send_a_copy_to_everyone) {
  SimulationOptions options = fleet(8);
  for (HostPlan& plan : options.plans) plan.up = Rate{0.625e6};
  const double copy = 16.0 * 1024 * 1024 * wire_overhead / 6.25e6;
  EXPECT_NEAR(limit_of(options).seconds, copy * 8 / (1 + 8 * 0.1), 1e-9);
  EXPECT_EQ(limit_of(options).bottleneck, Bottleneck::all_uplinks);
}

TEST(Limit, a_copy_comes_into_each_rack_but_the_seeders) {
  SimulationOptions options = fleet(8);
  options.racks = 2;
  options.rack_link = Rate{0.625e6};
  const double copy = 16.0 * 1024 * 1024 * wire_overhead / 6.25e6;
  EXPECT_NEAR(limit_of(options).seconds, 10 * copy, 1e-9);
  EXPECT_EQ(limit_of(options).bottleneck, Bottleneck::rack_link);
  options.hosts = 1;  // it stands with the seeder
  EXPECT_NEAR(limit_of(options).seconds, copy, 1e-9);
}

TEST(Limit, who_comes_late_or_again_needs_its_time_from_then_and_who_is_lost_does_not_count) {
  SimulationOptions options = fleet(8);
  const double copy = limit_of(options).seconds;
  options.plans[1].joins_after = 10s;
  EXPECT_NEAR(limit_of(options).seconds, 10 + copy, 1e-9);
  options.plans[1].frozen_after = 11s;
  EXPECT_NEAR(limit_of(options).seconds, copy, 1e-9);
  options.plans[2].killed_after = 1s;
  EXPECT_NEAR(limit_of(options).seconds, copy, 1e-9);
  options.plans[2].back_after = 5s;
  EXPECT_NEAR(limit_of(options).seconds, copy + 4, 1e-9);
  EXPECT_FALSE(is_plain(options, 1));
  EXPECT_FALSE(is_plain(options, 2));
  EXPECT_TRUE(is_plain(options, 3));
}

TEST(Limit, one_server_sends_every_copy_itself) {
  SimulationOptions options = fleet(8);
  EXPECT_NEAR(fan_out_seconds(options), 8 * limit_of(options).seconds, 1e-9);
}

TEST(VirtualNetwork, thin_rack_links_carry_little_more_than_a_copy_into_each_rack) {
  SimulationOptions options = fleet(16);
  options.racks = 2;
  options.rack_link = Rate{6.25e6 * 4};
  EXPECT_LT(last_s(options), 1.3 * limit_of(options).seconds);
  options.rack_link = Rate{6.25e6 / 4};
  const double thin = last_s(options);
  EXPECT_GT(thin, 4 * limit_of(fleet(16)).seconds);
  EXPECT_GE(thin, limit_of(options).seconds);
}

/// What waits for a thin link between racks must not hold up what comes from the host's own rack.
TEST(VirtualNetwork, the_racks_beside_a_thin_link_go_on) {
  SimulationOptions options = fleet(16);
  options.size_bytes = 32_MiB;
  options.racks = 2;
  options.rack_link = options.up;
  const SimulationResult result = simulate(options);
  ASSERT_EQ(result.complete_count(), 16u);
  const double limit = limit_of(options).seconds;
  EXPECT_LT(result.percentile(0.5), 1.4 * limit) << "the seeder's own rack is hardly slower";
  EXPECT_LT(result.percentile(1), 2 * limit);
}

TEST(VirtualNetwork, what_connections_make_of_the_links_is_felt_in_full) {
  SimulationOptions options = fleet(16);
  const double whole = last_s(options);
  options.efficiency = 0.5;
  EXPECT_NEAR(last_s(options) / whole, 2, 0.1);
  EXPECT_NEAR(simulate(options).plain_copy_s, limit_of(options).seconds, 1e-6);
}

TEST(VirtualNetwork, latency_is_felt_and_does_not_starve_the_links) {
  SimulationOptions options = fleet(16);
  const double near = last_s(options);
  options.latency = 10ms;
  const double far = last_s(options);
  EXPECT_GT(far, near);
  EXPECT_LT(far, 1.5 * near);
}

TEST(VirtualNetwork, a_host_that_was_killed_comes_back_with_what_it_had) {
  SimulationOptions options = fleet(16);
  options.plans[4].killed_after = 2s;
  options.plans[4].back_after = 4s;
  const SimulationResult result = simulate(options);
  ASSERT_EQ(result.complete_count(), 16u);
  const double copy = limit_of(fleet(16)).seconds;
  EXPECT_GT(*result.complete_s[4], 4.0);
  EXPECT_LT(*result.complete_s[4], 4 + 0.75 * copy);  // it had more than a third of it
}

TEST(VirtualNetwork, blocks_as_large_as_pieces_need_fewer_events_for_nearly_the_same_run) {
  SimulationOptions options = fleet(32);
  options.size_bytes = 256_MiB;
  options.up = options.down = Rate{125e6};
  options.piece_length = 512u << 10;
  const SimulationResult fine = simulate(options);
  options.block_length = options.piece_length;
  const SimulationResult coarse = simulate(options);
  EXPECT_LT(coarse.events * 3, fine.events * 2);
  EXPECT_NEAR(coarse.percentile(0.5) / fine.percentile(0.5), 1, 0.1);
}

TEST(VirtualNetwork, messages_take_their_bytes) {
  const SimulationResult result = simulate(fleet(16));
  EXPECT_GT(result.control_bytes, 16 * std::uint64_t{result.pieces} * 17);
  EXPECT_LT(static_cast<double>(result.control_bytes), 16 * 16.0 * 1024 * 1024 * 0.1);
}

TEST(VirtualNetwork, the_fullest_second_of_the_tracker_is_when_everybody_comes) {
  SimulationOptions options = fleet(100);
  options.size_bytes = 64_MiB;
  const SimulationResult result = simulate(options);
  EXPECT_GE(result.peak_announces_per_s, 100u);
  EXPECT_LE(result.peak_announces_per_s, result.announces);
}

TEST(VirtualNetwork, a_run_that_cannot_end_ends_by_its_patience) {
  SimulationOptions options = fleet(8);
  options.seeder_killed_after = 1s;
  options.patience = 10min;
  const SimulationResult patient = simulate(options);
  EXPECT_EQ(patient.complete_count(), 0u);
  options.patience = 10s;
  EXPECT_LT(simulate(options).events, patient.events / 2);
}

}  // namespace
}  // namespace murder::sim
