// What each announce and scrape counts, when a swarm is complete, who is forgotten, what is
// refused.
#include "tracker/registry.hpp"

#include <gtest/gtest.h>

#include "tracker/fleet.hpp"

namespace murder::tracker::test {
namespace {

TEST(Completeness, with_expect_all_expected_hosts_must_have_it) {
  Tracker tracker({.expect = 2});
  tracker.announce(seeder(100));
  tracker.announce(host(1));
  AnnounceReply reply = tracker.announce(host(1, 0, AnnounceEvent::completed));
  EXPECT_EQ(reply.fleet->expected, 2u);
  EXPECT_EQ(reply.fleet->hosts, 1u);
  EXPECT_EQ(reply.fleet->complete_hosts, 1u);
  EXPECT_FALSE(reply.fleet->swarm_complete) << "the second has not even come";
  tracker.wait(seconds(60));
  EXPECT_FALSE(tracker.view().swarm_complete);

  EXPECT_FALSE(tracker.announce(host(2)).fleet->swarm_complete);
  EXPECT_TRUE(tracker.announce(host(2, 0, AnnounceEvent::completed)).fleet->swarm_complete)
      << "no waiting once all have it";
}

TEST(Completeness, a_failed_host_is_not_waited_for) {
  Tracker tracker({.expect = 2});
  tracker.announce(host(1, 0));
  AnnounceRequest failed = host(2, everything / 2);
  failed.failed = true;
  EXPECT_TRUE(tracker.announce(failed).fleet->swarm_complete);
  EXPECT_EQ(tracker.view().failed_hosts, 1u);

  failed.event = AnnounceEvent::stopped;
  tracker.announce(failed);
  EXPECT_TRUE(tracker.view().swarm_complete) << "it stays failed when it leaves";
  EXPECT_EQ(tracker.view().hosts, 2u);

  AnnounceRequest retried = host(3);
  retried.host_name = failed.host_name;
  EXPECT_FALSE(tracker.announce(retried).fleet->swarm_complete) << "it tries again";
  EXPECT_EQ(tracker.view().failed_hosts, 0u);
  EXPECT_EQ(tracker.view().hosts, 2u);
}

TEST(Completeness, a_host_that_failed_with_all_of_it_counts_once) {
  Tracker tracker({.expect = 2});
  AnnounceRequest failed = host(1, 0);
  failed.failed = true;
  tracker.announce(failed);
  EXPECT_EQ(tracker.view().complete_hosts, 0u);
  EXPECT_EQ(tracker.view().failed_hosts, 1u);
  EXPECT_FALSE(tracker.view().swarm_complete);
}

TEST(Completeness, a_host_beyond_the_expected_is_waited_for) {
  Tracker tracker({.expect = 1});
  tracker.announce(host(1, 0));
  ASSERT_TRUE(tracker.view().swarm_complete);
  EXPECT_FALSE(tracker.announce(host(2)).fleet->swarm_complete);
  EXPECT_TRUE(tracker.announce(host(2, 0, AnnounceEvent::completed)).fleet->swarm_complete);
}

TEST(Completeness, a_seeder_that_lacks_something_is_waited_for) {
  Tracker tracker({.expect = 1});
  AnnounceRequest fed = seeder(100);
  fed.left = everything / 2;
  EXPECT_EQ(tracker.announce(fed).incomplete, 1u);
  EXPECT_FALSE(tracker.announce(host(1, 0)).fleet->swarm_complete);
  EXPECT_EQ(tracker.scrape().complete, 1u);
  fed.left = 0;
  fed.event = AnnounceEvent::completed;
  const AnnounceReply reply = tracker.announce(fed);
  EXPECT_TRUE(reply.fleet->swarm_complete);
  EXPECT_EQ(reply.fleet->complete_hosts, 1u) << "the seeder is no host";
  EXPECT_EQ(reply.complete, 2u);
}

TEST(Completeness, without_expect_it_takes_30_s_without_leechers) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(host(1));
  tracker.wait(seconds(5));
  EXPECT_FALSE(tracker.announce(host(1, 0, AnnounceEvent::completed)).fleet->swarm_complete);
  for (int i = 0; i < 29; ++i) {
    tracker.wait(seconds(1));
    EXPECT_FALSE(tracker.announce(host(1, 0, AnnounceEvent::none)).fleet->swarm_complete);
  }
  tracker.wait(seconds(1));
  EXPECT_TRUE(tracker.announce(host(1, 0, AnnounceEvent::none)).fleet->swarm_complete);

  EXPECT_FALSE(tracker.announce(host(2)).fleet->swarm_complete) << "a latecomer needs it";
  tracker.announce(host(2, 0, AnnounceEvent::completed));
  EXPECT_FALSE(tracker.view().swarm_complete) << "the 30 s begin again";
  tracker.wait(seconds(30));
  EXPECT_TRUE(tracker.view().swarm_complete);
}

TEST(Completeness, without_expect_a_seeder_alone_is_not_a_complete_swarm) {
  Tracker tracker;
  tracker.announce(seeder(100));
  for (int i = 0; i < 60; ++i) {
    tracker.wait(seconds(1));
    EXPECT_FALSE(tracker.announce(seeder(100, AnnounceEvent::none)).fleet->swarm_complete);
  }
  EXPECT_EQ(tracker.view().hosts, 0u) << "a seeder is no host";
  EXPECT_EQ(tracker.view().seeders, 1u);
}

TEST(Completeness, without_expect_stock_leechers_are_waited_for) {
  Tracker tracker;
  tracker.announce(host(1, 0));
  tracker.announce(stock(50));
  tracker.wait(seconds(60));
  EXPECT_FALSE(tracker.view().swarm_complete);
  tracker.announce(stock(50, 0, AnnounceEvent::completed));
  tracker.wait(seconds(30));
  EXPECT_TRUE(tracker.view().swarm_complete);
}

TEST(Completeness, stock_clients_that_downloaded_count_as_hosts_and_stock_seeds_do_not) {
  Tracker tracker({.expect = 1});
  tracker.announce(stock(50, 0));
  EXPECT_EQ(tracker.view().complete_hosts, 0u);
  tracker.announce(stock(51));
  EXPECT_EQ(tracker.view().hosts, 0u);
  tracker.announce(stock(51, 0, AnnounceEvent::completed));
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  EXPECT_EQ(tracker.view().hosts, 1u);
  EXPECT_TRUE(tracker.view().swarm_complete);
  tracker.announce(stock(51, 0, AnnounceEvent::stopped));
  EXPECT_EQ(tracker.view().complete_hosts, 1u) << "it has it still";
  EXPECT_EQ(tracker.view().stock_peers, 1u);
}

TEST(Completeness, a_host_that_leaves_counts_only_if_it_had_all) {
  Tracker tracker({.expect = 2});
  tracker.announce(host(1));
  tracker.announce(host(2));
  tracker.announce(host(1, 0, AnnounceEvent::stopped));  // completed and stopped in one breath
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  tracker.announce(host(2, everything / 2, AnnounceEvent::stopped));
  EXPECT_EQ(tracker.view().hosts, 1u);
  EXPECT_FALSE(tracker.view().swarm_complete);
}

TEST(Silence, of_three_intervals_and_10_s_ends_a_hosts_membership) {
  Tracker tracker;
  tracker.announce(host(1));
  tracker.announce(host(2));
  for (int i = 0; i < 12; ++i) {
    tracker.wait(seconds(1));
    tracker.announce(host(2, everything / 2, AnnounceEvent::none));
  }
  EXPECT_EQ(tracker.view().hosts, 2u) << "12 s are not yet 3 × 1 s + 10 s";
  tracker.wait(seconds(1));
  EXPECT_EQ(tracker.view().hosts, 1u);
  EXPECT_EQ(tracker.scrape().incomplete, 1u);
}

TEST(Silence, is_measured_by_the_latest_interval) {
  Tracker tracker;
  for (std::uint32_t n = 0; n < 3000; ++n) tracker.announce(host(n));
  EXPECT_EQ(tracker.announce(host(4000)).interval_s, 3u);
  for (std::uint32_t n = 0; n < 3000; ++n)
    tracker.announce(host(n, everything, AnnounceEvent::stopped));
  tracker.wait(seconds(1));
  EXPECT_EQ(tracker.announce(host(4000, everything, AnnounceEvent::none)).interval_s, 1u);
  tracker.wait(seconds(12));
  EXPECT_EQ(tracker.view().hosts, 1u);
  tracker.wait(seconds(1));
  EXPECT_EQ(tracker.view().hosts, 0u);
}

TEST(Silence, of_a_complete_host_does_not_take_it_from_the_count) {
  Tracker tracker({.expect = 1});
  tracker.announce(host(1, 0));
  tracker.wait(seconds(20));
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  EXPECT_EQ(tracker.scrape().complete, 0u) << "but it is not there";
  EXPECT_TRUE(tracker.view().slowest.empty());

  tracker.announce(host(1, 0, AnnounceEvent::none));
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  EXPECT_EQ(tracker.scrape().complete, 1u) << "back again";
}

TEST(Silence, of_a_stock_client_is_borne_longer_for_some_announce_every_10_minutes) {
  Tracker tracker;
  tracker.announce(stock(50));
  tracker.wait(seconds(601));
  EXPECT_EQ(tracker.view().stock_peers, 1u);
  tracker.announce(stock(50, everything, AnnounceEvent::none));
  tracker.wait(seconds(659));
  EXPECT_EQ(tracker.view().stock_peers, 1u);
  tracker.wait(seconds(1));
  EXPECT_EQ(tracker.view().stock_peers, 0u);
}

TEST(Silence, is_reported) {
  Tracker tracker;
  tracker.announce(host(1));
  tracker.wait(seconds(7));
  ASSERT_EQ(tracker.view().slowest.size(), 1u);
  EXPECT_EQ(tracker.view().slowest[0].silent_for, seconds(7));
}

TEST(Silence, of_all_for_an_hour_forgets_the_swarm) {
  Tracker tracker;
  tracker.announce(host(1, 0));
  tracker.wait(seconds(3599));
  EXPECT_EQ(tracker.registry->swarms(tracker.now).size(), 1u);
  tracker.wait(seconds(1));
  EXPECT_TRUE(tracker.registry->swarms(tracker.now).empty());
}

TEST(Intervals, grow_with_the_fleet_for_our_peers_and_are_short_for_stock_ones_while_it_matters) {
  Tracker tracker;
  EXPECT_EQ(tracker.announce(seeder(5000)).interval_s, 1u);
  AnnounceReply stock_reply = tracker.announce(stock(6000));
  EXPECT_EQ(stock_reply.interval_s, 30u);
  EXPECT_EQ(stock_reply.min_interval_s, 15u);
  for (std::uint32_t n = 0; n < 2999; ++n) tracker.announce(host(n));
  EXPECT_EQ(tracker.announce(seeder(5000, AnnounceEvent::none)).interval_s, 2u);
  EXPECT_EQ(tracker.announce(host(2999)).interval_s, 3u);

  Tracker idle;
  EXPECT_EQ(idle.announce(stock(1, 0)).interval_s, 120u);
}

TEST(Counts, are_those_of_bep_48) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(host(1));
  tracker.announce(host(2));
  tracker.announce(stock(50));
  tracker.announce(stock(51, 0));
  const AnnounceReply reply = tracker.announce(host(1, 0, AnnounceEvent::completed));
  EXPECT_EQ(reply.complete, 3u);
  EXPECT_EQ(reply.incomplete, 2u);
  EXPECT_EQ(tracker.scrape(), (ScrapeEntry{torrent(1), 3, 1, 2}));

  tracker.announce(host(1, 0, AnnounceEvent::completed));
  tracker.announce(host(1, 0, AnnounceEvent::none));
  EXPECT_EQ(tracker.scrape().downloaded, 1u) << "said twice, done once";
  tracker.announce(host(2, 0, AnnounceEvent::stopped));
  EXPECT_EQ(tracker.scrape(), (ScrapeEntry{torrent(1), 3, 2, 1}));
}

TEST(Counts, scrapes_answer_for_what_is_known) {
  Tracker tracker;
  AnnounceRequest other = host(1);
  other.info_hash = torrent(2);
  tracker.announce(host(1));
  tracker.announce(other);
  EXPECT_EQ(tracker.registry->scrape({}).size(), 2u);
  EXPECT_EQ(tracker.registry->scrape({torrent(9)}).size(), 0u);
  const auto one = tracker.registry->scrape({torrent(9), torrent(2)});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].info_hash, torrent(2));
}

TEST(Counts, after_a_restart_are_right_as_soon_as_everybody_has_announced) {
  Tracker restarted({.expect = 3});
  restarted.announce(host(1, 0, AnnounceEvent::none));
  restarted.announce(host(2, 0, AnnounceEvent::none));
  EXPECT_EQ(restarted.view().complete_hosts, 2u);
  EXPECT_FALSE(restarted.view().swarm_complete);
  restarted.announce(seeder(100, AnnounceEvent::none));
  restarted.announce(host(3, 5, AnnounceEvent::none));
  EXPECT_EQ(restarted.view().hosts, 3u);
  restarted.announce(host(3, 0, AnnounceEvent::completed));
  EXPECT_TRUE(restarted.view().swarm_complete);
  EXPECT_EQ(restarted.scrape(), (ScrapeEntry{torrent(1), 4, 1, 0}));
}

TEST(Counts, torrents_do_not_mix) {
  Tracker tracker;
  tracker.announce(seeder(100));
  AnnounceRequest other = host(1);
  other.info_hash = torrent(2);
  EXPECT_TRUE(tracker.announce(other).fleet->dial.empty());
}

TEST(Views, name_the_ten_slowest_first) {
  Tracker tracker;
  for (std::uint32_t n = 0; n < 30; ++n)
    tracker.announce(host(n, std::uint64_t{n * 7 % 30} * 1000));
  const SwarmView view = tracker.view();
  ASSERT_EQ(view.slowest.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(view.slowest[i].left, (29 - i) * 1000);
  EXPECT_EQ(view.hosts, 30u);
  EXPECT_EQ(view.complete_hosts, 1u);
}

TEST(Views, tell_the_size_from_what_hosts_lacked) {
  Tracker tracker;
  tracker.announce(seeder(0));
  EXPECT_EQ(tracker.view().size_bytes, 0u);
  tracker.announce(host(1, 300));
  tracker.announce(host(2, everything));
  tracker.announce(host(2, 0, AnnounceEvent::completed));
  tracker.announce(stock(3, everything * 2));
  EXPECT_EQ(tracker.view().size_bytes, everything);
}

TEST(Bounds, a_stop_of_who_was_never_there_leaves_no_trace) {
  Tracker tracker;
  const AnnounceReply reply = tracker.announce(host(1, 0, AnnounceEvent::stopped));
  EXPECT_EQ(reply.failure_reason, "");
  EXPECT_TRUE(tracker.registry->swarms(tracker.now).empty());
  tracker.announce(host(2));
  tracker.announce(host(1, 0, AnnounceEvent::stopped));
  EXPECT_EQ(tracker.view().hosts, 1u);
}

TEST(Bounds, the_1001st_torrent_takes_the_place_of_a_deserted_one_or_is_refused) {
  Tracker tracker;
  const auto for_torrent = [](std::uint32_t t, AnnounceEvent event) {
    AnnounceRequest r = host(1, everything, event);
    r.info_hash.bytes[0] = static_cast<std::uint8_t>(t >> 8);
    r.info_hash.bytes[1] = static_cast<std::uint8_t>(t);
    return r;
  };
  for (std::uint32_t t = 0; t < 1000; ++t)
    ASSERT_EQ(tracker.announce(for_torrent(t, AnnounceEvent::started)).failure_reason, "");
  EXPECT_NE(tracker.announce(for_torrent(1000, AnnounceEvent::started)).failure_reason, "");
  tracker.announce(for_torrent(17, AnnounceEvent::stopped));
  EXPECT_EQ(tracker.announce(for_torrent(1000, AnnounceEvent::started)).failure_reason, "");
  EXPECT_EQ(tracker.registry->swarms(tracker.now).size(), 1000u);
}

TEST(Bounds, a_full_swarm_refuses_newcomers_and_keeps_serving_its_members) {
  Tracker tracker;
  for (std::uint32_t n = 0; n < 100'000; ++n) {
    AnnounceRequest r = stock(n);
    r.numwant = 0;
    ASSERT_EQ(tracker.announce(r).failure_reason, "");
  }
  EXPECT_NE(tracker.announce(stock(100'000)).failure_reason, "");
  EXPECT_EQ(tracker.announce(stock(5, everything, AnnounceEvent::none)).peers.size(), 50u);
  AnnounceRequest restarted = stock(200'000);
  EXPECT_EQ(tracker.announce_from(5, restarted).failure_reason, "") << "it takes its own place";
  tracker.announce(stock(6, everything, AnnounceEvent::stopped));
  EXPECT_EQ(tracker.announce(stock(100'000)).failure_reason, "");
}

TEST(Bounds, the_same_seed_gives_the_same_answers) {
  const auto play = [](std::uint64_t seed) {
    Tracker tracker({}, seed);
    std::vector<AnnounceReply> replies;
    for (std::uint32_t n = 0; n < 60; ++n) replies.push_back(tracker.announce(host(n)));
    for (std::uint32_t n = 100; n < 160; ++n) replies.push_back(tracker.announce(stock(n)));
    return replies;
  };
  EXPECT_EQ(play(3), play(3));
  EXPECT_NE(play(3), play(4));
}

}  // namespace
}  // namespace murder::tracker::test
