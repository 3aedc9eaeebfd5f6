#include "cli/fleet_view.hpp"

#include <gtest/gtest.h>

namespace murder::cli {
namespace {

fleet::Member member(const std::string& name, fleet::HostState state, std::uint64_t have = 0,
                     std::uint64_t total = 0) {
  fleet::Member made;
  made.host.name = name;
  made.report.state = state;
  made.transfer.have_bytes = have;
  made.transfer.total_bytes = total;
  made.transfer.complete = total > 0 && have == total;
  return made;
}

TEST(FleetProgress, the_last_are_named_least_first) {
  const fleet::Member hosts[] = {member("a", fleet::HostState::staging, 75, 100),
                                 member("b", fleet::HostState::staging, 10, 100),
                                 member("c", fleet::HostState::staging, 100, 100),
                                 member("d", fleet::HostState::staged, 100, 100),
                                 member("e", fleet::HostState::failed, 50, 100),
                                 member("f", fleet::HostState::reached)};
  std::vector<const fleet::Member*> members;
  for (const fleet::Member& host : hosts) members.push_back(&host);
  const events::Fleet event = fleet_progress(members);
  EXPECT_EQ(event.hosts, 6u);
  EXPECT_EQ(event.complete, 2u);
  EXPECT_EQ(event.staged, 1u);
  EXPECT_EQ(event.failed, 1u);
  ASSERT_EQ(event.slowest.size(), 3u);
  EXPECT_EQ(event.slowest[0].name, "b");
  EXPECT_EQ(event.slowest[0].percent, 10.0);
  EXPECT_EQ(event.slowest[2].name, "c");
}

TEST(FleetProgress, a_large_fleet_is_not_named_whole) {
  std::vector<fleet::Member> hosts;
  for (std::uint64_t i = 0; i < 100; ++i)
    hosts.push_back(member("h" + std::to_string(i), fleet::HostState::staging, 100 - i, 100));
  std::vector<const fleet::Member*> members;
  for (const fleet::Member& host : hosts) members.push_back(&host);
  const events::Fleet event = fleet_progress(members);
  ASSERT_EQ(event.slowest.size(), 16u);
  EXPECT_EQ(event.slowest.front().name, "h99");
}

TEST(FleetProgress, nothing_is_said_of_hosts_before_their_transfer_begins) {
  const fleet::Member host = member("a", fleet::HostState::staging);
  EXPECT_TRUE(fleet_progress({&host}).slowest.empty());
}

}  // namespace
}  // namespace murder::cli
