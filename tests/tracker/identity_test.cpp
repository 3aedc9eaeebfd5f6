// Who is who: restarts, changed addresses, shared names; and where a peer is to be reached.
#include <gtest/gtest.h>

#include "tracker/fleet.hpp"

namespace murder::tracker::test {
namespace {

TEST(Identity, a_host_restarted_at_the_same_endpoint_replaces_its_former_self) {
  Tracker tracker;
  AnnounceRequest first = host(1, 0);
  first.host_name.clear();
  tracker.announce(first);
  AnnounceRequest second = first;
  second.peer_id = peer_id(77);
  second.left = everything;
  tracker.announce_from(1, second);
  EXPECT_EQ(tracker.view().hosts, 1u);
  EXPECT_EQ(tracker.view().complete_hosts, 0u) << "what it says now is what counts";
}

TEST(Identity, a_host_restarted_under_the_same_name_replaces_its_former_self) {
  Tracker tracker;
  tracker.announce(host(1, 0));
  AnnounceRequest second = host(2);
  second.host_name = "host-1";
  tracker.announce(second);
  EXPECT_EQ(tracker.view().hosts, 1u);
  EXPECT_EQ(tracker.view().complete_hosts, 0u);
  EXPECT_EQ(tracker.view().slowest.at(0).endpoint, endpoint(2));
}

TEST(Identity, a_complete_host_that_left_and_comes_back_counts_once) {
  Tracker tracker({.expect = 2});
  tracker.announce(host(1, 0));
  tracker.announce(host(1, 0, AnnounceEvent::stopped));
  AnnounceRequest again = host(9, 0);
  again.host_name = "host-1";
  tracker.announce(again);
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  EXPECT_FALSE(tracker.view().swarm_complete);
}

TEST(Identity, a_stock_client_that_restarts_is_the_one_that_downloaded) {
  Tracker tracker;
  tracker.announce(stock(50));
  tracker.announce_from(50, stock(51, 0));  // completed while it was away
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  tracker.announce_from(50, stock(52, 0));
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  EXPECT_EQ(tracker.view().stock_peers, 1u);
  EXPECT_EQ(tracker.scrape().downloaded, 1u);
}

TEST(Identity, the_last_word_of_a_former_self_changes_nothing) {
  Tracker tracker;
  tracker.announce(host(1));
  AnnounceRequest second = host(2, 0);
  second.host_name = "host-1";
  tracker.announce(second);
  tracker.announce(host(1, everything, AnnounceEvent::stopped));
  EXPECT_EQ(tracker.view().hosts, 1u);
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
}

TEST(Identity, hosts_that_share_a_name_are_told_apart_once_they_are_seen_to_live) {
  Tracker tracker;
  const auto nameless = [](std::uint32_t n, AnnounceEvent event) {
    AnnounceRequest r = host(n, everything, event);
    r.host_name = "localhost";
    return r;
  };
  for (std::uint32_t n = 1; n <= 5; ++n) tracker.announce(nameless(n, AnnounceEvent::started));
  AnnounceReply reply;
  for (std::uint32_t n = 1; n <= 5; ++n) reply = tracker.announce(nameless(n, AnnounceEvent::none));
  EXPECT_EQ(tracker.view().hosts, 5u);
  EXPECT_NE(reply.warning.find("localhost"), std::string::npos);
  for (std::uint32_t n = 1; n <= 5; ++n) tracker.announce(nameless(n, AnnounceEvent::none));
  EXPECT_EQ(tracker.view().hosts, 5u) << "and it stays so";
}

TEST(Identity, a_seeder_and_a_host_of_the_same_name_are_two) {
  Tracker tracker;
  AnnounceRequest s = seeder(100);
  s.host_name = "origin";
  tracker.announce(s);
  AnnounceRequest h = host(1);
  h.host_name = "origin";
  tracker.announce(h);
  EXPECT_EQ(tracker.view().seeders, 1u);
  EXPECT_EQ(tracker.view().hosts, 1u);
}

TEST(Identity, a_complete_host_that_turns_seeder_is_still_a_host_that_has_it) {
  Tracker tracker({.expect = 1});
  tracker.announce(host(1));
  tracker.announce(host(1, 0, AnnounceEvent::completed));
  AnnounceRequest promoted = seeder(2);
  tracker.announce_from(1, promoted);  // the same endpoint, another process
  EXPECT_EQ(tracker.view().seeders, 1u);
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  EXPECT_TRUE(tracker.view().swarm_complete);
}

TEST(Identity, a_changed_address_is_learnt) {
  Tracker tracker;
  tracker.announce(host(1));
  tracker.announce_from(42, host(1, everything, AnnounceEvent::none));
  EXPECT_EQ(tracker.view().hosts, 1u);
  EXPECT_EQ(tracker.view().slowest.at(0).endpoint, endpoint(42));
  const auto told = tracker.announce(stock(50)).peers;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].endpoint, endpoint(42));
}

TEST(Identity, a_changed_address_that_was_anothers_replaces_that_one) {
  Tracker tracker;
  tracker.announce(host(1));
  tracker.announce(host(2));
  tracker.announce_from(2, host(1, everything, AnnounceEvent::none));
  EXPECT_EQ(tracker.view().hosts, 1u);
}

TEST(Identity, the_same_peer_in_another_role_is_counted_in_that_one_alone) {
  Tracker tracker;
  tracker.announce(host(1));
  tracker.announce(seeder(1));
  EXPECT_EQ(tracker.view().hosts, 0u);
  EXPECT_EQ(tracker.view().seeders, 1u);
}

Endpoint known_endpoint(const AnnounceRequest& request, const IpAddress& remote) {
  Tracker tracker;
  tracker.registry->announce(request, remote, tracker.now);
  return tracker.view().slowest.at(0).endpoint;
}

TEST(Addresses, the_ip_key_wins_where_it_makes_sense) {
  AnnounceRequest r = host(1);
  const IpAddress remote = address(1);
  for (const char* plausible : {"192.0.2.7", "2001:db8::7"}) {
    r.ip = IpAddress::parse(plausible);
    EXPECT_EQ(known_endpoint(r, remote).address, *r.ip);
  }
  for (const char* implausible : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.1.2.3",
                                  "169.254.1.1", "::", "::1", "ff02::1", "fe80::1"}) {
    r.ip = IpAddress::parse(implausible);
    ASSERT_TRUE(r.ip);
    EXPECT_EQ(known_endpoint(r, remote).address, remote) << implausible;
  }
}

TEST(Addresses, loopback_is_fine_among_those_on_loopback) {
  AnnounceRequest r = host(1);
  r.ip = IpAddress::parse("127.0.1.3");
  EXPECT_EQ(known_endpoint(r, *IpAddress::parse("127.0.0.1")).address, *r.ip);
}

TEST(Addresses, port_0_is_refused) {
  Tracker tracker;
  AnnounceRequest r = host(1);
  r.port = 0;
  EXPECT_FALSE(tracker.announce(r).failure_reason.empty());
  EXPECT_TRUE(tracker.registry->swarms(tracker.now).empty());
}

}  // namespace
}  // namespace murder::tracker::test
