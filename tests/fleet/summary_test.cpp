// What people read at the end of a fleet command.
#include <csignal>
#include <gtest/gtest.h>

#include "fleet/report.hpp"
#include "fleet/reports.hpp"

namespace murder::fleet {
namespace {

using ::testing::Test;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Outcome, says_what_was_achieved_and_where) {
  EXPECT_EQ(outcome_line(fleet(Goal::healthy, many(16, HostState::healthy))),
            "v7 is live and well on all 16 hosts after 4.2 s");
  EXPECT_EQ(outcome_line(fleet(Goal::activated, many(1, HostState::activated))),
            "v7 is live on web-001 after 4.2 s");
  EXPECT_EQ(outcome_line(fleet(Goal::staged, many(2, HostState::staged))),
            "v7 is staged on all 2 hosts after 4.2 s");
  EXPECT_EQ(outcome_line(fleet(Goal::activated, many(16, HostState::unchanged))),
            "v7 was live already on all 16 hosts after 4.2 s");
  EXPECT_EQ(outcome_line(fleet(Goal::rolled_back, many(16, HostState::rolled_back))),
            "v7 is live again on all 16 hosts after 4.2 s");
  FleetReport copied = fleet(Goal::placed, many(2, HostState::placed));
  copied.dest = "/srv/models/model.bin";
  EXPECT_EQ(outcome_line(copied), "/srv/models/model.bin is in place on all 2 hosts after 4.2 s");
  copied.hosts = many(2, HostState::unchanged);
  EXPECT_EQ(outcome_line(copied),
            "/srv/models/model.bin was in place already on all 2 hosts after 4.2 s");

  auto hosts = many(15, HostState::activated);
  hosts.push_back(failed("web-016", Phase::reach, ErrorKind::unreachable, "connection refused"));
  EXPECT_EQ(outcome_line(fleet(Goal::activated, hosts)),
            "v7 is live on 15 of 16 hosts after 4.2 s; 1 failed");
  FleetReport report = fleet(Goal::healthy, many(3, HostState::unknown));
  report.signal = SIGINT;
  EXPECT_EQ(outcome_line(report),
            "interrupted after 4.2 s: v7 is live and well on none of 3 hosts");
  report = fleet(Goal::healthy, many(3, HostState::rolled_back));
  report.rolled_back = true;
  report.hosts[0].failure = ErrorKind::failed;
  EXPECT_EQ(outcome_line(report), "v7 is rolled back on 3 hosts after 4.2 s; 1 failed");
}

TEST(Summary, shows_a_small_fleet_host_by_host) {
  FleetReport report = fleet(Goal::healthy, many(2, HostState::healthy));
  for (HostReport& each : report.hosts) {
    each.live_tag = "v7";
    each.reached_s = 0.2;
    each.staged_s = 3.1;
    each.activated_s = 3.2;
    each.checked_s = 3.4;
    each.fetched_bytes = 14'700'312;
  }
  report.hosts.push_back(failed("db", Phase::check, ErrorKind::failed, "exit status 1"));
  report.hosts.back().live_tag = "v7";
  report.hosts.back().reached_s = 0.25;
  EXPECT_EQ(summary_text(report),
            "v7 is live and well on 2 of 3 hosts after 4.2 s; 1 failed\n"
            "\n"
            "  HOST     STATE    REACHED  STAGED  ACTIVATED  CHECKED  FETCHED\n"
            "  web-001  healthy   200 ms   3.1 s      3.2 s    3.4 s  14.7 MB\n"
            "  web-002  healthy   200 ms   3.1 s      3.2 s    3.4 s  14.7 MB\n"
            "  db       failed    250 ms       -          -        -        -\n"
            "\n"
            "db failed in check: exit status 1\n"
            "\n"
            "murder logs 20261122-131502-3fa2 db shows what was printed there\n"
            "Run the same command again to go on: nothing is fetched twice\n");
}

TEST(Summary, of_a_large_fleet_shows_who_differs_alike_ones_together) {
  auto hosts = many(4984, HostState::activated);
  for (int i = 1; i <= 12; ++i) {
    const std::string name = fmt::format("db-{:02}", i);
    hosts.push_back(failed(name, Phase::reach, ErrorKind::unreachable,
                           "connect to " + name + ": connection refused"));
  }
  hosts.push_back(failed("x", Phase::stage, ErrorKind::failed, "no space left"));
  for (int i = 1; i <= 3; ++i)
    hosts.push_back(host(fmt::format("late-{}", i), HostState::not_switched));
  hosts[6].notes = {"fed over ssh: its ports are closed to the others"};
  hosts[7].notes = hosts[6].notes;
  EXPECT_EQ(summary_text(fleet(Goal::activated, hosts)),
            "v7 is live on 4984 of 5000 hosts after 4.2 s; 13 failed\n"
            "4984 activated, 13 failed, 3 not switched\n"
            "\n"
            "12 hosts failed in reach: connect to HOST: connection refused\n"
            "    db-[01-12]\n"
            "x failed in stage: no space left\n"
            "3 hosts not switched\n"
            "    late-[1-3]\n"
            "2 hosts fed over ssh: its ports are closed to the others\n"
            "    web-[007-008]\n"
            "\n"
            "Run the same command again to go on: nothing is fetched twice\n");
}

TEST(Summary, of_what_went_well_is_short) {
  EXPECT_EQ(summary_text(fleet(Goal::activated, many(5000, HostState::activated))),
            "v7 is live on all 5000 hosts after 4.2 s\n");
}

TEST(Summary, names_only_so_many_and_says_how_many_more) {
  std::vector<HostReport> hosts;
  for (int i = 0; i < 400; ++i)
    hosts.push_back(
        failed(fmt::format("w{}", 2 * i), Phase::reach, ErrorKind::unreachable, "gone"));
  const FleetReport report = fleet(Goal::activated, hosts);
  const std::string text = summary_text(report);
  EXPECT_TRUE(contains(text, "w78, and 360 more\n")) << text;
  EXPECT_FALSE(contains(text, "w80"));
  SummaryOptions all;
  all.max_names = hosts.size();
  EXPECT_TRUE(contains(summary_text(report, all), "w798\n"));
}

TEST(Summary, says_what_is_live_where_that_is_another_release) {
  FleetReport report = fleet(Goal::activated, many(2, HostState::rolled_back));
  report.rolled_back = true;
  report.problem = "1 host failed: rolled back (--rollback-on-failure)";
  report.hosts[1].failed_in = Phase::check;
  report.hosts[1].failure = ErrorKind::failed;
  report.hosts[1].reason = "exit status 1";
  for (HostReport& each : report.hosts) each.live_tag = "v6";
  const std::string text = summary_text(report);
  EXPECT_TRUE(contains(text, "1 host failed: rolled back (--rollback-on-failure)\n"));
  EXPECT_TRUE(contains(text, "  HOST     STATE        LIVE\n  web-001  rolled back  v6\n")) << text;
  EXPECT_TRUE(contains(text, "web-002 failed in check, rolled back now: exit status 1\n")) << text;
  EXPECT_TRUE(contains(text, "What was live before is live again")) << text;
}

TEST(Summary, says_which_command_goes_on_and_which_goes_back) {
  FleetReport report = fleet(Goal::activated, many(3, HostState::not_switched));
  report.dest = "/srv/app";
  report.hosts[0].state = HostState::activated;
  report.hosts[0].wave = 1;
  report.hosts[0].live_tag = "v7";
  report.hosts[0].previous_tag = "v6";
  EXPECT_TRUE(
      contains(summary_text(report),
               "murder rollback v6 --hosts … --to /srv/app goes back where it was switched\n"
               "Run the same command again to go on"));
  report.hosts[0].previous_tag.clear();
  EXPECT_FALSE(contains(summary_text(report), "murder rollback"));
  report.error = ErrorKind::usage;
  EXPECT_FALSE(contains(summary_text(report), "same command"));
  report = fleet(Goal::staged, many(2, HostState::staged));
  EXPECT_TRUE(contains(summary_text(report), "murder activate v7 --hosts …"));
}

TEST(Summary, texts_from_hosts_cannot_steer_the_terminal) {
  FleetReport report = fleet(
      Goal::activated, {failed("a\x1b[2J", Phase::check, ErrorKind::failed, "b\x1b]0;x\x07\nc")});
  report.hosts[0].live_tag = "\x1b[31m";
  report.hosts[0].notes = {"\x1b[1m"};
  report.problem = "\x1b[5m";
  report.notes = {"\r"};
  report.dest = "\x1b[5m";
  report.tag = "\x1b[5m";
  const std::string text = summary_text(report);
  EXPECT_FALSE(contains(text, "\x1b"));
  EXPECT_FALSE(contains(text, "\r"));
  EXPECT_FALSE(contains(text, "\nc"));
}

}  // namespace
}  // namespace murder::fleet
