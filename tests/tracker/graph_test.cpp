// What must hold of the graph that announces draw, whatever the order and the fate of the hosts.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <vector>

#include "tracker/fleet.hpp"

namespace murder::tracker::test {
namespace {

/// Plays hosts that dial whom they are told to and keep every link until one side dies.
class Fleet {
 public:
  static constexpr std::uint32_t seeder_number = 1'000'000;

  explicit Fleet(std::uint32_t seeders, RegistryOptions options = {}, std::uint64_t seed = 1)
      : tracker(options, seed) {
    for (std::uint32_t i = 0; i < seeders; ++i) tracker.announce(seeder(seeder_number + i));
  }

  void join(std::uint32_t n, AnnounceEvent event = AnnounceEvent::started) {
    links_[n];
    obey(n, tracker.announce(host(n, everything, event)));
  }
  std::vector<std::uint32_t> announce(std::uint32_t n) {
    AnnounceRequest r = host(n, everything / 2, AnnounceEvent::none);
    r.links = static_cast<std::uint32_t>(links_[n].size());
    return obey(n, tracker.announce(r));
  }
  void announce_seeder() {
    AnnounceRequest r = seeder(seeder_number, AnnounceEvent::none);
    r.links = static_cast<std::uint32_t>(links_[seeder_number].size());
    obey(seeder_number, tracker.announce(r));
  }
  std::vector<std::uint32_t> join_seeder(std::uint32_t i = 0) {
    return obey(seeder_number + i, tracker.announce(seeder(seeder_number + i)));
  }
  void announce_all() {
    for (const std::uint32_t n : hosts()) announce(n);
  }
  /// Gone without a word: the tracker learns it from the silence.
  void die(std::uint32_t n) {
    for (const std::uint32_t other : links_[n]) links_[other].erase(n);
    links_.erase(n);
  }
  void lose_link(std::uint32_t a, std::uint32_t b) {
    links_[a].erase(b);
    links_[b].erase(a);
  }
  void stop(std::uint32_t n) {
    die(n);
    tracker.announce(host(n, everything / 2, AnnounceEvent::stopped));
  }

  std::vector<std::uint32_t> hosts() const {
    std::vector<std::uint32_t> result;
    for (const auto& [n, links] : links_)
      if (n < seeder_number) result.push_back(n);
    return result;
  }
  std::uint32_t host_links(std::uint32_t n) const {
    const auto& links = links_.at(n);
    return static_cast<std::uint32_t>(
        std::distance(links.begin(), links.lower_bound(seeder_number)));
  }
  std::uint32_t seeder_links(std::uint32_t n) const {
    return static_cast<std::uint32_t>(links_.at(n).size()) - host_links(n);
  }
  std::uint32_t links_at_seeder(std::uint32_t i = 0) {
    return static_cast<std::uint32_t>(links_[seeder_number + i].size());
  }
  /// Hops from this host to the farthest one, through hosts alone; nullopt: some are out of reach.
  std::optional<std::uint32_t> farthest_from(std::uint32_t start) const {
    std::set<std::uint32_t> seen{start};
    std::vector<std::uint32_t> edge{start};
    std::uint32_t hops = 0;
    for (;; ++hops) {
      std::vector<std::uint32_t> next;
      for (const std::uint32_t at : edge)
        for (const std::uint32_t other : links_.at(at))
          if (other < seeder_number && seen.insert(other).second) next.push_back(other);
      if (next.empty()) break;
      edge = std::move(next);
    }
    if (seen.size() != hosts().size()) return std::nullopt;
    return hops;
  }

  Tracker tracker;

 private:
  std::vector<std::uint32_t> obey(std::uint32_t n, const AnnounceReply& reply) {
    EXPECT_EQ(reply.failure_reason, "");
    std::vector<std::uint32_t> told;
    for (const Endpoint& e : reply.fleet->dial) {
      const auto b = e.address.v4_bytes();
      const std::uint32_t other =
          static_cast<std::uint32_t>(b[1]) << 16 | static_cast<std::uint32_t>(b[2]) << 8 | b[3];
      EXPECT_NE(other, n) << "told to dial itself";
      told.push_back(other);
      if (other < seeder_number && links_.count(other) == 0) continue;  // nobody answers there
      links_[n].insert(other);
      links_[other].insert(n);
    }
    return told;
  }

  std::map<std::uint32_t, std::set<std::uint32_t>> links_;
};

class GraphOfFleet : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(GraphOfFleet, is_connected_and_nearly_regular_after_joins_in_any_order) {
  const std::uint32_t count = GetParam();
  for (std::uint64_t seed = 1; seed <= (count > 100 ? 2u : 20u); ++seed) {
    Fleet fleet(1, {}, seed);
    for (std::uint32_t n = 0; n < count; ++n) fleet.join(n);

    ASSERT_TRUE(fleet.farthest_from(0)) << "seed " << seed;
    std::uint64_t total = 0;
    for (const std::uint32_t n : fleet.hosts()) {
      ASSERT_GE(fleet.host_links(n), std::min<std::uint32_t>(4, count - 1));
      ASSERT_LE(fleet.host_links(n), 12u);
      total += fleet.host_links(n);
    }
    EXPECT_LE(static_cast<double>(total) / count, 10.0);
    EXPECT_EQ(fleet.links_at_seeder(), std::min(places, count));
  }
}

TEST_P(GraphOfFleet, has_no_long_chains) {
  const std::uint32_t count = GetParam();
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < count; ++n) fleet.join(n);
  // A random graph of degree 10 reaches everyone in about log n / log 9 hops.
  const double hops = std::ceil(std::log(count) / std::log(9.0)) + 3;
  for (const std::uint32_t start : {0u, count / 2, count - 1})
    EXPECT_LE(*fleet.farthest_from(start), hops) << "from host " << start;
}

TEST_P(GraphOfFleet, evens_out_when_hosts_announce_again) {
  const std::uint32_t count = GetParam();
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < count; ++n) fleet.join(n);
  fleet.announce_all();
  std::uint32_t with_few = 0;
  for (const std::uint32_t n : fleet.hosts()) {
    EXPECT_GE(fleet.host_links(n), std::min<std::uint32_t>(6, count - 1));
    EXPECT_LE(fleet.host_links(n), 12u);
    if (fleet.host_links(n) < std::min<std::uint32_t>(8, count - 1)) ++with_few;
  }
  EXPECT_LE(with_few, count / 1000) << "partners with room are drawn at random, in a bounded time";
}

TEST_P(GraphOfFleet, stays_as_it_is_while_all_is_well) {
  const std::uint32_t count = GetParam();
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < count; ++n) fleet.join(n);
  fleet.announce_seeder();
  fleet.announce_all();
  fleet.announce_all();
  fleet.announce_seeder();
  for (const std::uint32_t n : fleet.hosts())
    EXPECT_TRUE(fleet.announce(n).empty()) << "host " << n;
}

TEST_P(GraphOfFleet, is_connected_again_after_a_tenth_stopped) {
  const std::uint32_t count = GetParam();
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < count; ++n) fleet.join(n);
  Random random(7);
  for (std::uint32_t n = 0; n < count; ++n)
    if (random.below(10) == 0) fleet.stop(n);
  fleet.announce_all();

  const std::uint32_t alive = static_cast<std::uint32_t>(fleet.hosts().size());
  EXPECT_TRUE(fleet.farthest_from(fleet.hosts().front()));
  for (const std::uint32_t n : fleet.hosts()) {
    EXPECT_GE(fleet.host_links(n), std::min<std::uint32_t>(4, alive - 1));
    EXPECT_LE(fleet.host_links(n), 14u);
  }
  EXPECT_EQ(fleet.links_at_seeder(), std::min(places, alive));
}

TEST_P(GraphOfFleet, is_connected_again_after_a_tenth_fell_silent) {
  const std::uint32_t count = GetParam();
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < count; ++n) fleet.join(n);
  Random random(8);
  for (std::uint32_t n = 0; n < count; ++n)
    if (random.below(10) == 0) fleet.die(n);
  for (int interval = 0; interval < 6; ++interval) {
    fleet.tracker.wait(seconds(std::max<std::uint32_t>(1, count / 1000)) + seconds(3));
    fleet.announce_seeder();
    fleet.announce_all();
  }
  const std::uint32_t alive = static_cast<std::uint32_t>(fleet.hosts().size());
  EXPECT_EQ(fleet.tracker.view().hosts, alive);
  EXPECT_TRUE(fleet.farthest_from(fleet.hosts().front()));
  for (const std::uint32_t n : fleet.hosts()) EXPECT_LE(fleet.host_links(n), 14u);
  EXPECT_EQ(fleet.links_at_seeder(), std::min(places, alive));
}

INSTANTIATE_TEST_SUITE_P(Hosts, GraphOfFleet, ::testing::Values(8, 16, 64, 1000, 10000));

TEST(Graph, few_hosts_all_know_the_seeder_and_one_another) {
  for (std::uint32_t count = 1; count <= 6; ++count) {
    Fleet fleet(1);
    for (std::uint32_t n = 0; n < count; ++n) fleet.join(n);
    for (std::uint32_t n = 0; n < count; ++n) {
      EXPECT_EQ(fleet.host_links(n), count - 1);
      EXPECT_EQ(fleet.seeder_links(n), 1u);
    }
  }
}

TEST(Graph, other_degrees_are_kept) {
  for (const std::uint32_t degree : {2u, 4u, 20u}) {
    Fleet fleet(1, {.degree = degree, .seeder_degree = 3});
    for (std::uint32_t n = 0; n < 500; ++n) fleet.join(n);
    EXPECT_TRUE(fleet.farthest_from(0));
    for (const std::uint32_t n : fleet.hosts()) {
      EXPECT_GE(fleet.host_links(n), degree / 2);
      EXPECT_LE(fleet.host_links(n), degree + 2);
    }
    EXPECT_EQ(fleet.links_at_seeder(), 3u);
  }
}

TEST(Graph, a_seeder_that_comes_last_dials_those_who_wait) {
  Fleet fleet(0);
  for (std::uint32_t n = 0; n < 2 * places; ++n) fleet.join(n);
  EXPECT_EQ(fleet.join_seeder().size(), places);
  EXPECT_EQ(fleet.links_at_seeder(), places);
  fleet.announce_all();
  fleet.announce_seeder();
  EXPECT_EQ(fleet.links_at_seeder(), places) << "each link is planned once";
}

TEST(Graph, a_seeder_dials_none_that_another_serves_and_none_that_needs_nothing) {
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < places; ++n) fleet.join(n);
  EXPECT_TRUE(fleet.join_seeder(1).empty());
  fleet.join(places);
  fleet.stop(0);
  fleet.tracker.announce(host(places + 1, 0, AnnounceEvent::started));
  EXPECT_TRUE(fleet.join_seeder(2).empty()) << "complete hosts wait to be dialled";
}

TEST(Graph, a_seeder_that_lacks_something_dials_those_who_have_it_when_nobody_waits) {
  Tracker tracker;
  AnnounceRequest fed = seeder(1000);
  fed.left = everything;
  EXPECT_TRUE(tracker.announce(fed).fleet->dial.empty());
  for (std::uint32_t n = 0; n < 20; ++n) tracker.announce(host(n, 0));
  fed.event = AnnounceEvent::none;
  EXPECT_EQ(tracker.announce(fed).fleet->dial.size(), 20u);
  fed.links = 20;
  for (std::uint32_t n = 0; n < 20; ++n) tracker.announce(host(n, 0, AnnounceEvent::none));
  EXPECT_TRUE(tracker.announce(fed).fleet->dial.empty()) << "it has found enough of them";
}

TEST(Graph, a_seeder_whose_hosts_have_gone_dials_others) {
  Fleet fleet(0);
  for (std::uint32_t n = 0; n < 2 * places; ++n) fleet.join(n);
  const std::vector<std::uint32_t> first = fleet.join_seeder();
  for (const std::uint32_t n : first) fleet.stop(n);
  fleet.announce_seeder();
  EXPECT_EQ(fleet.links_at_seeder(), places);
}

TEST(Graph, a_seeders_place_goes_on_when_its_host_stops_or_completes) {
  Fleet fleet(1);
  for (std::uint32_t n = 0; n <= places; ++n) fleet.join(n);
  ASSERT_EQ(fleet.seeder_links(places), 0u);
  fleet.announce(places);
  EXPECT_EQ(fleet.seeder_links(places), 0u) << "the seeder had no place free";

  fleet.stop(3);
  fleet.announce(places);
  EXPECT_EQ(fleet.seeder_links(places), 1u);

  const std::uint32_t last = places + 1;
  fleet.join(last);
  EXPECT_EQ(fleet.seeder_links(last), 0u);
  fleet.tracker.announce(host(5, 0, AnnounceEvent::completed));
  fleet.announce(last);
  EXPECT_EQ(fleet.seeder_links(last), 1u);
}

TEST(Graph, two_seeders_serve_twice_the_hosts) {
  Fleet fleet(2);
  for (std::uint32_t n = 0; n < 5 * places; ++n) fleet.join(n);
  EXPECT_EQ(fleet.links_at_seeder(0), places);
  EXPECT_EQ(fleet.links_at_seeder(1), places);
  std::uint32_t served = 0;
  for (const std::uint32_t n : fleet.hosts()) served += fleet.seeder_links(n);
  EXPECT_EQ(served, 2 * places);
  for (const std::uint32_t n : fleet.hosts()) EXPECT_LE(fleet.seeder_links(n), 1u);
}

TEST(Graph, one_host_uses_every_seeder_once_nobody_else_came_for_them) {
  Fleet fleet(3);
  fleet.join(0);
  EXPECT_EQ(fleet.seeder_links(0), 1u);
  fleet.announce(0);
  fleet.announce(0);
  EXPECT_EQ(fleet.seeder_links(0), 3u);
}

TEST(Graph, hosts_are_told_again_of_a_seeder_that_lost_them) {
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < 8; ++n) fleet.join(n);
  fleet.announce_seeder();
  fleet.lose_link(4, Fleet::seeder_number);
  EXPECT_TRUE(fleet.announce(4).empty()) << "nobody has noticed yet";
  fleet.announce_seeder();
  fleet.announce(4);
  EXPECT_EQ(fleet.seeder_links(4), 1u);
}

TEST(Graph, a_host_that_lost_its_links_is_given_others_than_before) {
  Tracker tracker;
  for (std::uint32_t n = 0; n < 100; ++n) tracker.announce(host(n));
  AnnounceRequest alone = host(200);
  std::vector<Endpoint> given = tracker.announce(alone).fleet->dial;
  alone.event = AnnounceEvent::none;
  alone.links = 1;
  const std::vector<Endpoint> more = tracker.announce(alone).fleet->dial;
  given.insert(given.end(), more.begin(), more.end());
  EXPECT_EQ(given.size(), 10u);
  EXPECT_EQ(std::set<Endpoint>(given.begin(), given.end()).size(), 10u) << "nobody twice";
}

TEST(Graph, a_host_that_lost_its_links_is_given_the_same_when_there_are_no_others) {
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < 4; ++n) fleet.join(n);
  fleet.lose_link(2, 0);  // two hosts and the seeder remain
  fleet.announce(2);
  EXPECT_EQ(fleet.host_links(2), 3u);
}

TEST(Graph, a_host_that_can_reach_nobody_does_not_use_up_the_others_places) {
  Fleet fleet(1);
  for (std::uint32_t n = 0; n < 50; ++n) fleet.join(n);
  fleet.announce_all();
  for (int i = 0; i < 200; ++i) {
    AnnounceRequest unreachable = host(777, everything, AnnounceEvent::none);
    const AnnounceReply reply = fleet.tracker.announce(unreachable);
    EXPECT_GE(reply.fleet->dial.size(), 5u) << "it is given others to try";
  }
  fleet.join(778);
  EXPECT_GE(fleet.host_links(778), 4u);
  for (const std::uint32_t n : fleet.hosts()) EXPECT_LE(fleet.host_links(n), 14u);
}

TEST(Graph, a_restarted_tracker_leaves_a_healthy_swarm_alone) {
  Fleet before(1);
  for (std::uint32_t n = 0; n < 200; ++n) before.join(n);
  before.announce_all();

  Tracker restarted;
  AnnounceRequest s = seeder(Fleet::seeder_number, AnnounceEvent::none);
  s.links = before.links_at_seeder();
  restarted.announce(s);
  for (int round = 0; round < 3; ++round) {
    for (const std::uint32_t n : before.hosts()) {
      AnnounceRequest r = host(n, everything / 2, AnnounceEvent::none);
      r.links = before.host_links(n) + before.seeder_links(n);
      EXPECT_TRUE(restarted.announce(r).fleet->dial.empty());
    }
  }
  EXPECT_EQ(restarted.view().hosts, 200u);
  EXPECT_GE(restarted.announce(host(900)).fleet->dial.size(), 4u) << "newcomers are still linked";
}

TEST(Graph, a_restarted_tracker_counts_the_seeders_links_of_before) {
  Tracker restarted;
  AnnounceRequest s = seeder(1000, AnnounceEvent::none);
  s.links = places;
  restarted.announce(s);
  restarted.announce(host(0));
  const auto is_told_of_seeder = [&](std::uint32_t n) {
    const std::vector<Endpoint> dial = restarted.announce(host(n)).fleet->dial;
    return std::count(dial.begin(), dial.end(), endpoint(1000)) == 1;
  };
  EXPECT_FALSE(is_told_of_seeder(1));
  EXPECT_TRUE(restarted.announce(s).fleet->dial.empty());
  s.links = places - 1;
  EXPECT_EQ(restarted.announce(s).fleet->dial.size(), 1u) << "one of them has gone since";
  EXPECT_FALSE(is_told_of_seeder(2));
}

TEST(Graph, nobody_is_told_to_dial_while_nobody_waits) {
  Tracker tracker;
  tracker.announce(seeder(1000));
  for (std::uint32_t n = 0; n < 20; ++n)
    EXPECT_TRUE(tracker.announce(host(n, 0)).fleet->dial.empty());
  // Then one comes that needs it: those who have it are dialled.
  EXPECT_EQ(tracker.announce(host(20)).fleet->dial.size(), 6u);
}

TEST(Graph, who_has_failed_is_neither_dialled_nor_told_to_dial) {
  Tracker tracker;
  tracker.announce(seeder(1000));
  tracker.announce(host(0));
  AnnounceRequest failed = host(0, everything / 2, AnnounceEvent::none);
  failed.failed = true;
  EXPECT_TRUE(tracker.announce(failed).fleet->dial.empty());
  EXPECT_EQ(tracker.announce(host(1)).fleet->dial, std::vector<Endpoint>{endpoint(1000)});
}

TEST(Graph, who_has_everything_is_told_to_dial_nobody) {
  Tracker tracker;
  for (std::uint32_t n = 0; n < 20; ++n) tracker.announce(host(n));
  EXPECT_TRUE(tracker.announce(host(1000, 0)).fleet->dial.empty());
}

TEST(Graph, hosts_dial_stock_clients_that_have_all_of_it) {
  Tracker tracker;
  tracker.announce(seeder(1000));
  tracker.announce(stock(500, 0));
  tracker.announce(stock(501, everything));
  std::vector<Endpoint> dial = tracker.announce(host(0)).fleet->dial;
  std::sort(dial.begin(), dial.end());
  EXPECT_EQ(dial, (std::vector<Endpoint>{endpoint(500), endpoint(1000)}));
}

TEST(Graph, hosts_dial_stock_leechers_when_there_is_no_seeder_of_ours) {
  Tracker tracker;
  tracker.announce(stock(501, everything / 2));
  EXPECT_EQ(tracker.announce(host(0)).fleet->dial, std::vector<Endpoint>{endpoint(501)});
}

TEST(Graph, a_stock_client_that_completes_becomes_a_source) {
  Tracker tracker;
  tracker.announce(seeder(1000));
  tracker.announce(stock(501));
  tracker.announce(host(0));
  tracker.announce(stock(501, 0, AnnounceEvent::completed));
  AnnounceRequest again = host(0, everything / 2, AnnounceEvent::none);
  again.links = 1;
  EXPECT_EQ(tracker.announce(again).fleet->dial, std::vector<Endpoint>{endpoint(501)});
}

/// The one may have no address of the other's family, and which of them has both nobody says.
TEST(Graph, two_of_different_families_are_both_told_to_dial) {
  const IpAddress v6 = *IpAddress::parse("2001:db8::1");
  Tracker tracker;
  const auto from_v6 = [&](AnnounceEvent event) {
    return tracker.registry->announce(seeder(1000, event), v6, tracker.now).fleet->dial;
  };
  EXPECT_TRUE(from_v6(AnnounceEvent::started).empty());
  EXPECT_EQ(tracker.announce(host(0)).fleet->dial, (std::vector<Endpoint>{{v6, 8999}}));
  EXPECT_EQ(from_v6(AnnounceEvent::none), std::vector<Endpoint>{endpoint(0)});
  EXPECT_TRUE(from_v6(AnnounceEvent::none).empty()) << "once will do";
}

TEST(Graph, of_two_of_one_family_one_dials) {
  Tracker tracker;
  tracker.announce(seeder(1000));
  EXPECT_EQ(tracker.announce(host(0)).fleet->dial, std::vector<Endpoint>{endpoint(1000)});
  EXPECT_TRUE(tracker.announce(seeder(1000, AnnounceEvent::none)).fleet->dial.empty());
}

}  // namespace
}  // namespace murder::tracker::test
