// What clients of other makes are told: BEP 3, and at no cost to the hosts that wait.
#include <gtest/gtest.h>
#include <set>

#include "tracker/fleet.hpp"

namespace murder::tracker::test {
namespace {

std::set<Endpoint> endpoints_of(const AnnounceReply& reply) {
  std::set<Endpoint> result;
  for (const AnnouncedPeer& peer : reply.peers) result.insert(peer.endpoint);
  return result;
}

TEST(StockClients, are_told_of_random_others_up_to_numwant_and_never_of_themselves) {
  Tracker tracker;
  for (std::uint32_t n = 0; n < 500; ++n) tracker.announce(stock(n));
  AnnounceRequest r = stock(0, everything, AnnounceEvent::none);
  const std::set<Endpoint> first = endpoints_of(tracker.announce(r));
  const std::set<Endpoint> second = endpoints_of(tracker.announce(r));
  EXPECT_EQ(first.size(), 50u) << "the default, each once";
  EXPECT_NE(first, second);

  for (const auto& [numwant, told] : {std::pair{0u, 0u}, {7u, 7u}, {200u, 200u}, {4000u, 200u}}) {
    r.numwant = numwant;
    const AnnounceReply reply = tracker.announce(r);
    EXPECT_EQ(reply.peers.size(), told);
    EXPECT_EQ(endpoints_of(reply).size(), told);
    EXPECT_EQ(endpoints_of(reply).count(endpoint(0)), 0u);
    EXPECT_FALSE(reply.fleet) << "murder's own key is for murder's own peers";
  }
}

TEST(StockClients, in_a_small_swarm_are_told_of_everybody) {
  Tracker tracker;
  tracker.announce(stock(50));
  tracker.announce(stock(51, 0));
  tracker.announce(host(1, 0));
  tracker.announce(seeder(100));
  EXPECT_EQ(endpoints_of(tracker.announce(stock(52))),
            (std::set<Endpoint>{endpoint(50), endpoint(51), endpoint(1), endpoint(100)}));
}

TEST(StockClients, that_have_all_of_it_are_told_only_of_those_who_do_not) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(stock(51, 0));
  tracker.announce(host(1, 0));
  tracker.announce(host(2));
  tracker.announce(stock(52));
  AnnounceRequest seed = stock(53, 0);
  seed.uploaded = 1;
  EXPECT_EQ(endpoints_of(tracker.announce(seed)), (std::set<Endpoint>{endpoint(2), endpoint(52)}));
}

TEST(StockClients, that_may_have_a_magnet_link_alone_are_told_of_those_who_can_give_the_metadata) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(host(1, 0));
  // As aria2 does, which does not know yet how much is left.
  EXPECT_EQ(endpoints_of(tracker.announce(stock(53, 0))),
            (std::set<Endpoint>{endpoint(100), endpoint(1)}));
}

TEST(StockClients, two_at_most_meet_the_seeder_while_hosts_wait) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(host(1));
  const auto meets_seeder = [&](const AnnounceRequest& r) {
    return endpoints_of(tracker.announce(r)).count(endpoint(100)) == 1;
  };
  EXPECT_TRUE(meets_seeder(stock(50)));
  EXPECT_TRUE(meets_seeder(stock(51)));
  EXPECT_FALSE(meets_seeder(stock(52)));
  EXPECT_EQ(endpoints_of(tracker.announce(stock(53))).count(endpoint(1)), 1u) << "but the hosts";
  EXPECT_TRUE(meets_seeder(stock(50, everything, AnnounceEvent::none))) << "it may come back";

  tracker.announce(stock(51, everything, AnnounceEvent::stopped));
  EXPECT_TRUE(meets_seeder(stock(52, everything, AnnounceEvent::none)));
  EXPECT_FALSE(meets_seeder(stock(53, everything, AnnounceEvent::none)));

  tracker.announce(stock(50, 0, AnnounceEvent::completed));
  EXPECT_TRUE(meets_seeder(stock(53, everything, AnnounceEvent::none)));

  tracker.announce(host(1, 0, AnnounceEvent::completed));
  EXPECT_TRUE(meets_seeder(stock(54))) << "no host waits";
  EXPECT_TRUE(meets_seeder(stock(55)));
}

TEST(StockClients, are_not_told_of_who_left_or_failed) {
  Tracker tracker;
  tracker.announce(host(1, 0));
  tracker.announce(host(1, 0, AnnounceEvent::stopped));
  AnnounceRequest failed = host(2);
  failed.failed = true;
  tracker.announce(failed);
  tracker.announce(stock(50));
  tracker.announce(stock(50, everything, AnnounceEvent::stopped));
  EXPECT_TRUE(tracker.announce(stock(51)).peers.empty());
}

TEST(StockClients, get_peer_ids_only_in_the_long_form) {
  Tracker tracker;
  tracker.announce(stock(50));
  AnnounceRequest r = stock(51);
  EXPECT_FALSE(tracker.announce(r).peers.at(0).peer_id);
  r.compact = false;
  EXPECT_EQ(tracker.announce(r).peers.at(0).peer_id, peer_id(50));
}

TEST(StockClients, that_stop_are_told_of_nobody) {
  Tracker tracker;
  tracker.announce(stock(50));
  tracker.announce(stock(51));
  EXPECT_TRUE(tracker.announce(stock(51, 5, AnnounceEvent::stopped)).peers.empty());
}

}  // namespace
}  // namespace murder::tracker::test
