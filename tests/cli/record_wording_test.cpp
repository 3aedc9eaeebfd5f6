#include "cli/record_wording.hpp"

#include <gtest/gtest.h>

namespace murder::cli {
namespace {

constexpr std::int64_t second_ms = 1000;
constexpr std::int64_t hour_ms = 3600 * second_ms;

fleet::HostReport host(std::string name, fleet::HostState state) {
  fleet::HostReport report;
  report.name = std::move(name);
  report.state = state;
  return report;
}

fleet::RecordedDeploy deploy(fleet::Standing standing) {
  fleet::RecordedDeploy recorded;
  recorded.row.id = "20261122-131502-3fa2";
  recorded.row.command = "deploy";
  recorded.row.tag = "v7";
  recorded.row.dest = "/srv/app";
  recorded.row.hosts = 2;
  recorded.row.good = 1;
  recorded.row.seconds = 4.25;
  recorded.row.standing = standing;
  recorded.row.pid = 4711;
  recorded.row.machine = "laptop";
  if (standing == fleet::Standing::ended) recorded.row.exit_status = 3;
  recorded.report.deploy = recorded.row.id;
  recorded.report.goal = fleet::Goal::healthy;
  recorded.report.tag = "v7";
  recorded.report.seconds = 4.25;
  recorded.report.hosts = {host("web-1", fleet::HostState::healthy),
                           host("web-2", fleet::HostState::staging)};
  return recorded;
}

TEST(RecordWording, ages_are_told_in_the_unit_that_fits) {
  EXPECT_EQ(age(0, 119 * second_ms), "119 s ago");
  EXPECT_EQ(age(0, 120 * second_ms), "2 m ago");
  EXPECT_EQ(age(0, 2 * hour_ms), "2 h ago");
  EXPECT_EQ(age(0, 48 * hour_ms), "2 d ago");
  EXPECT_EQ(age(hour_ms, 0), "0 s ago");  // a clock that was set back
}

TEST(RecordWording, a_table_of_deploys_says_how_each_ended) {
  const auto row = [](fleet::Standing standing) { return deploy(standing).row; };
  EXPECT_EQ(
      history_table({row(fleet::Standing::running), row(fleet::Standing::ended),
                     row(fleet::Standing::interrupted), row(fleet::Standing::elsewhere)},
                    5000),
      "ID                    WHEN     COMMAND  TAG  DEST      OK   FAILED  TOOK   EXIT\n"
      "20261122-131502-3fa2  5 s ago  deploy   v7   /srv/app  1/2  0       4.2 s  running\n"
      "20261122-131502-3fa2  5 s ago  deploy   v7   /srv/app  1/2  0       4.2 s  3\n"
      "20261122-131502-3fa2  5 s ago  deploy   v7   /srv/app  1/2  0       4.2 s  interrupted (pid "
      "gone)\n"
      "20261122-131502-3fa2  5 s ago  deploy   v7   /srv/app  1/2  0       4.2 s  no end (pid 4711 "
      "on laptop)\n");
}

TEST(RecordWording, advice_is_given_when_it_is_over) {
  const auto gives_advice = [](fleet::Standing standing) {
    return status_text(deploy(standing), 0).find("Run the same command again") != std::string::npos;
  };
  EXPECT_TRUE(gives_advice(fleet::Standing::ended));
  EXPECT_TRUE(gives_advice(fleet::Standing::interrupted));
  EXPECT_FALSE(gives_advice(fleet::Standing::running));
  EXPECT_FALSE(gives_advice(fleet::Standing::elsewhere));
}

TEST(RecordWording, what_is_redrawn_fits_on_a_screen_and_shows_failures_first) {
  fleet::RecordedDeploy recorded = deploy(fleet::Standing::running);
  for (int i = 0; i < 100; ++i)
    recorded.report.hosts.push_back(host("late", fleet::HostState::staging));
  recorded.report.hosts.push_back(host("broken", fleet::HostState::failed));
  recorded.report.hosts.back().reason = "no space left";
  const auto lines = status_lines(recorded);
  EXPECT_LE(lines.size(), 12u);
  EXPECT_EQ(lines[1].text, "  broken  failed: no space left");
  EXPECT_EQ(lines[2].text, "  web-2  staging");
}

TEST(RecordWording, logs_cannot_steer_the_terminal) {
  const std::string text = log_text({{"web-1", 3.25, "check\x1b[2J", "a\x1b]0;x\x07\r\nb"}});
  EXPECT_EQ(text, "--- check\\x1b[2J after 3.2 s\na\\x1b]0;x\\x07\\x0d\nb\n");
}

TEST(RecordWording, a_swarm_is_told_with_those_that_lack_something) {
  tracker::SwarmView swarm;
  swarm.size_bytes = 1000;
  swarm.hosts = 3;
  swarm.complete_hosts = 1;
  swarm.failed_hosts = 1;
  swarm.seeders = 1;
  tracker::SwarmView::Host slow;
  slow.name = "web-1";
  slow.left = 1;
  slow.links = 2;
  tracker::SwarmView::Host broken = slow;
  broken.name = "web\x1b";
  broken.left = 5000;
  broken.failed = true;
  tracker::SwarmView::Host done;
  done.complete = true;
  swarm.slowest = {broken, slow, done};
  EXPECT_EQ(percent_of(swarm, slow), 99.9);
  EXPECT_EQ(percent_of(swarm, broken), 0);
  EXPECT_EQ(percent_of(swarm, done), 100);
  const auto lines = swarm_lines({swarm});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text,
            std::string(40, '0') + "  1 of 3 hosts complete, 1 failed, 1.0 kB each, 1 seeder");
  EXPECT_EQ(lines[1].text, "  web\\x1b  0 %  5.0 kB left  2 links  failed");
  EXPECT_EQ(lines[2].text, "  web-1  99 %  1 B left  2 links");
  EXPECT_EQ(swarm_lines({}).size(), 1u);
}

}  // namespace
}  // namespace murder::cli
