#include "cli/fleet_state.hpp"

#include <gtest/gtest.h>

namespace murder::cli {
namespace {

std::string line(const events::Event& event, double t) { return events::to_json_line(event, t); }

events::Progress progress(std::uint64_t have, std::uint64_t rate = 0) {
  events::Progress event;
  event.have_bytes = have;
  event.total_bytes = 1000;
  event.down_bytes_per_s = rate;
  return event;
}

struct Fleet : testing::Test {
  FleetState fleet{{"host-01", "host-02", "host-03", "host-04"}};

  void make_live(std::size_t host, double complete_at) {
    events::Started started;
    started.size_bytes = 1000;
    fleet.apply(host, line(started, 1));
    fleet.apply(host, line(events::Complete{}, complete_at));
    fleet.apply(host, line(events::Staged{}, complete_at + 1));
    fleet.apply(host, line(events::Activated{}, complete_at + 2));
  }
};

TEST_F(Fleet, times_are_those_of_the_hosts_own_clock_sorted_and_from_the_start) {
  make_live(0, 14);
  make_live(1, 12);
  fleet.apply(2, line(events::Complete{}, 13));
  EXPECT_EQ(fleet.complete_times(10), (std::vector<double>{2, 3, 4}));
  EXPECT_EQ(fleet.staged_times(10), (std::vector<double>{3, 5}));
}

TEST_F(Fleet, it_is_over_when_each_host_is_live_or_has_failed) {
  for (std::size_t host = 0; host < 3; ++host) make_live(host, 12);
  EXPECT_FALSE(fleet.transfer_over());
  EXPECT_FALSE(fleet.all_settled());
  fleet.apply(3, line(events::Complete{}, 13));
  EXPECT_TRUE(fleet.transfer_over());
  EXPECT_FALSE(fleet.staging_over());
  fleet.apply(3, line(events::ErrorEvent{ErrorKind::failed, "no space left"}, 14));
  EXPECT_TRUE(fleet.staging_over());
  EXPECT_TRUE(fleet.all_settled());
  EXPECT_EQ(fleet.failed_count(), 1u);
  EXPECT_EQ(fleet.hosts()[3].failure, "no space left");
  // One that failed is not among those that are timed, however far it came.
  EXPECT_EQ(fleet.complete_times(0).size(), 3u);
  EXPECT_EQ(fleet.to_event().complete, 3u);
}

TEST_F(Fleet, a_peer_that_dies_is_a_failure_with_the_best_reason_there_is) {
  fleet.apply(0, line(events::ErrorEvent{ErrorKind::unreachable, "gave up"}, 2));
  fleet.end(0, 4, "gave up, on stderr");
  EXPECT_EQ(fleet.hosts()[0].failure, "gave up");
  fleet.end(1, 128 + 9, "");
  EXPECT_EQ(fleet.hosts()[1].failure, "its peer was ended by signal 9");
  fleet.end(2, 1, "terminate called\x1b[0m");
  EXPECT_EQ(fleet.hosts()[2].failure, "its peer ended with status 1: terminate called\\x1b[0m");
}

TEST_F(Fleet, a_peer_that_ends_well_before_it_is_live_has_failed_too) {
  fleet.apply(0, line(events::Complete{}, 2));
  fleet.end(0, 0, "");
  EXPECT_TRUE(fleet.hosts()[0].failure.has_value());
  make_live(1, 2);
  fleet.end(1, 0, "");
  EXPECT_FALSE(fleet.hosts()[1].failure.has_value());
  EXPECT_TRUE(fleet.hosts()[1].ended);
  make_live(2, 2);
  fleet.end(2, 1, "");
  EXPECT_TRUE(fleet.hosts()[2].failure.has_value());
}

TEST_F(Fleet, the_slowest_are_those_with_the_least_that_are_not_done) {
  fleet.apply(0, line(progress(900), 1));
  fleet.apply(1, line(progress(100), 1));
  make_live(2, 1);
  fleet.apply(3, line(progress(500), 1));
  const auto slowest = fleet.slowest(2);
  ASSERT_EQ(slowest.size(), 2u);
  EXPECT_EQ(slowest[0]->name, "host-02");
  EXPECT_EQ(slowest[1]->name, "host-04");
  EXPECT_EQ(fleet.slowest(10).size(), 3u);
  const events::Fleet event = fleet.to_event();
  EXPECT_EQ(event.hosts, 4u);
  EXPECT_EQ(event.complete, 1u);
  ASSERT_FALSE(event.slowest.empty());
  EXPECT_DOUBLE_EQ(event.slowest[0].percent, 10);
}

TEST_F(Fleet, what_is_no_event_is_passed_over) {
  for (const char* junk : {"", "text", "[1]", "{}", "{\"event\":\"complete\"}", "null",
                           "{\"event\":\"complete\",\"t\":\"now\"}", "{\"event\":5,\"t\":1}",
                           "{\"event\":\"progress\",\"t\":1,\"have_bytes\":-3}",
                           "{\"event\":\"progress\",\"t\":1,\"have_bytes\":\"x\"}", "\xff\xfe"})
    fleet.apply(0, junk);
  EXPECT_FALSE(fleet.hosts()[0].complete_at);
  EXPECT_FALSE(fleet.hosts()[0].failure);
  EXPECT_EQ(fleet.hosts()[0].have_bytes, 0u);
}

TEST_F(Fleet, a_fleet_of_any_size_takes_one_line_and_the_slowest_three) {
  FleetState large{std::vector<std::string>(500, "host")};
  EXPECT_EQ(fleet_lines(large, 0).size(), 4u);
  for (std::size_t host = 0; host < 100; ++host) large.fail(host, "broken");
  const auto lines = fleet_lines(large, 0);
  EXPECT_EQ(lines.size(), 1u + 3 + 5 + 1);
  EXPECT_EQ(lines.back().text, "  and 95 more failed");
  EXPECT_EQ(lines.back().style, Style::bad);
}

TEST_F(Fleet, lines_tell_where_all_and_the_slowest_stand) {
  make_live(0, 2);
  fleet.apply(1, line(progress(500, 6'250'000), 2));
  fleet.apply(2, line(progress(1000), 2));
  fleet.apply(2, line(events::Complete{}, 2));
  fleet.fail(3, "no room");
  const auto lines = fleet_lines(fleet, 2.4);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].text,
            "4 hosts  62 %  2 complete, 1 staged, 1 live, 1 failed  50 Mbit/s in all  2.4 s");
  EXPECT_EQ(lines[1].text, "  host-02   50 %  50 Mbit/s");
  EXPECT_EQ(lines[2].text, "  host-03  unpacking");
  EXPECT_EQ(lines[3].text, "  host-04  failed: no room");
}

}  // namespace
}  // namespace murder::cli
