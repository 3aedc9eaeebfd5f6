#include "cli/deploy_events.hpp"

#include <gtest/gtest.h>

namespace murder::cli {
namespace {

constexpr std::string_view two_hosts =
    R"({"schema":1,"t":100.5,"event":"deploy_started","deploy":"20261122-1","command":"deploy"}
{"schema":1,"t":100.7,"event":"host","host":"web-1","state":"reached"}
{"schema":1,"t":101.25,"event":"host","host":"web-1","state":"staging"}
{"schema":1,"t":101.75,"event":"host","host":"web-2","state":"staging"}
{"schema":1,"t":105,"event":"host_report","host":"web-1","state":"rolled_back","good":false,"live_tag":"v1","reached_s":0.25,"complete_s":3,"staged_s":3.5,"activated_s":4,"wave":1,"notes":[]}
{"schema":1,"t":105,"event":"host_report","host":"web-2","state":"failed","good":false,"phase":"stage","reason":"no room","live_tag":"v1","reached_s":0.125,"complete_s":2,"wave":0,"notes":[]}
{"schema":1,"t":105,"event":"summary","deploy":"20261122-1","exit_status":1,"seconds":4.5,"origin":"web-2"}
{"schema":1,"t":105,"event":"error","kind":"failed","exit":1,"message":"all went back"}
)";

TEST(DeployEvents, what_became_of_the_deploy_is_read) {
  const DeployOutcome outcome = outcome_of(two_hosts);
  EXPECT_EQ(outcome.began_at, 100.5);
  EXPECT_EQ(outcome.fetch_begins_s, 0.75);  // that of the first host
  EXPECT_EQ(outcome.seconds, 4.5);
  EXPECT_EQ(outcome.origin, "web-2");
  EXPECT_EQ(outcome.error, "all went back");
  EXPECT_EQ(outcome.times(&DeployedHost::reached_s), (std::vector<double>{0.125, 0.25}));
  EXPECT_EQ(outcome.times(&DeployedHost::complete_s), (std::vector<double>{2, 3}));
  EXPECT_EQ(outcome.times(&DeployedHost::staged_s), (std::vector<double>{3.5}));
  EXPECT_EQ(outcome.times(&DeployedHost::activated_s), (std::vector<double>{4}));
}

TEST(DeployEvents, what_became_of_each_host_is_read_in_their_order) {
  const DeployOutcome outcome = outcome_of(two_hosts);
  ASSERT_EQ(outcome.hosts.size(), 2u);
  const DeployedHost& first = outcome.hosts[0];
  EXPECT_EQ(first.name, "web-1");
  EXPECT_EQ(first.state, "rolled_back");
  EXPECT_EQ(first.live_tag, "v1");
  EXPECT_EQ(first.wave, 1u);
  EXPECT_EQ(first.failed_in, "");
  const DeployedHost& second = outcome.hosts[1];
  EXPECT_EQ(second.failed_in, "stage");
  EXPECT_EQ(second.reason, "no room");
  EXPECT_EQ(second.wave, 0u);
  EXPECT_FALSE(second.staged_s);
  EXPECT_FALSE(second.good);
}

TEST(DeployEvents, what_is_none_of_them_is_skipped) {
  EXPECT_TRUE(outcome_of("").hosts.empty());
  const DeployOutcome outcome = outcome_of(
      "not JSON\n\n[1]\n{}\n{\"event\":7,\"t\":\"x\"}\n"
      R"({"event":"host_report","host":["x"],"wave":"first","good":1})");
  ASSERT_EQ(outcome.hosts.size(), 1u);
  EXPECT_EQ(outcome.hosts[0].name, "");
  EXPECT_FALSE(outcome.fetch_begins_s);
}

}  // namespace
}  // namespace murder::cli
