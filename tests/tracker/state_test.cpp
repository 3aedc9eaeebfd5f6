// What a tracker knows again after a restart, and what it makes of a file that is something else.
#include "tracker/state.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tracker/fleet.hpp"

namespace murder::tracker::test {
namespace {

TEST(Restart, hosts_that_completed_and_left_still_count) {
  Tracker tracker({.expect = 3});
  tracker.announce(seeder(100));
  tracker.announce(host(1));
  tracker.announce(host(1, 0, AnnounceEvent::completed));
  tracker.announce(host(1, 0, AnnounceEvent::stopped));
  AnnounceRequest failed = host(2, everything / 2);
  failed.failed = true;
  tracker.announce(failed);
  failed.event = AnnounceEvent::stopped;
  tracker.announce(failed);

  tracker.restart();
  EXPECT_EQ(tracker.view().complete_hosts, 1u);
  EXPECT_EQ(tracker.view().failed_hosts, 1u);
  EXPECT_EQ(tracker.view().seeders, 1u);
  EXPECT_EQ(tracker.view().size_bytes, everything);
  EXPECT_EQ(tracker.scrape().downloaded, 1u);
  EXPECT_FALSE(tracker.view().swarm_complete);
  tracker.announce(host(3));
  EXPECT_TRUE(tracker.announce(host(3, 0, AnnounceEvent::completed)).fleet->swarm_complete);
}

TEST(Restart, who_comes_next_is_told_of_those_who_have_not_announced_again) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(stock(50));
  tracker.restart();
  std::vector<Endpoint> told;
  for (const AnnouncedPeer& peer : tracker.announce(stock(51)).peers) told.push_back(peer.endpoint);
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, (std::vector{endpoint(50), endpoint(100)}));
  EXPECT_EQ(tracker.announce(host(1)).fleet->dial, std::vector{endpoint(100)});
}

TEST(Restart, who_went_away_meanwhile_is_forgotten_like_anyone_who_is_silent) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(host(1));
  tracker.announce(stock(50));
  tracker.restart();
  EXPECT_EQ(tracker.view().hosts, 1u);
  tracker.wait(seconds(14));
  EXPECT_EQ(tracker.view().hosts, 0u);
  EXPECT_EQ(tracker.view().seeders, 0u);
  EXPECT_EQ(tracker.view().stock_peers, 1u);
  tracker.wait(seconds(660));
  EXPECT_EQ(tracker.view().stock_peers, 0u);
}

TEST(Restart, a_stock_client_that_downloaded_is_a_host_still) {
  Tracker tracker;
  tracker.announce(stock(50));
  tracker.announce(stock(50, 0, AnnounceEvent::completed));
  tracker.announce(stock(51));
  tracker.announce(stock(51, 0, AnnounceEvent::completed));
  tracker.announce(stock(51, 0, AnnounceEvent::stopped));
  ASSERT_EQ(tracker.view().complete_hosts, 2u);
  tracker.restart();
  EXPECT_EQ(tracker.view().complete_hosts, 2u);
  EXPECT_EQ(tracker.scrape().downloaded, 2u);
  // Nor does it count again when it goes on seeding.
  tracker.announce(stock(50, 0, AnnounceEvent::none));
  EXPECT_EQ(tracker.view().complete_hosts, 2u);
  EXPECT_EQ(tracker.scrape().downloaded, 2u);
}

TEST(Restart, a_host_that_goes_on_is_not_sent_to_more_hosts_than_it_has) {
  Tracker tracker;
  for (std::uint32_t n = 0; n < 40; ++n) tracker.announce(host(n));
  for (std::uint32_t n = 0; n < 40; ++n) {
    AnnounceRequest linked = host(n, everything / 2, AnnounceEvent::none);
    linked.links = 10;
    tracker.announce(linked);
  }
  tracker.restart();
  AnnounceRequest linked = host(7, everything / 2, AnnounceEvent::none);
  linked.links = 10;
  EXPECT_TRUE(tracker.announce(linked).fleet->dial.empty());
}

TEST(Restart, a_host_that_started_again_meanwhile_takes_its_former_place) {
  Tracker tracker({.expect = 2});
  tracker.announce(host(1, 0));
  tracker.restart();
  AnnounceRequest again = host(2, 0);
  again.host_name = "host-1";
  tracker.announce(again);
  EXPECT_EQ(tracker.view().hosts, 1u);
}

TEST(State, is_the_same_until_somebody_says_something_new) {
  Tracker tracker;
  tracker.announce(seeder(100));
  tracker.announce(host(1));
  const std::string before = encode_state(tracker.registry->state());
  tracker.wait(seconds(5));
  tracker.announce(host(1, everything, AnnounceEvent::none));
  EXPECT_EQ(encode_state(tracker.registry->state()), before);
  tracker.announce(host(1, everything / 2, AnnounceEvent::none));
  EXPECT_NE(encode_state(tracker.registry->state()), before);
}

TEST(State, every_field_survives_being_written_and_read) {
  SwarmState swarm;
  swarm.info_hash = torrent(7);
  swarm.downloads = 3;
  swarm.most_left = everything;
  swarm.shared_names = {"both", "\xff no UTF-8"};
  swarm.members = {{.id = peer_id(1),
                    .role = AnnounceRole::host,
                    .endpoint = endpoint(1),
                    .name = "\xff\n",
                    .left = UINT64_MAX >> 1,
                    .links = UINT32_MAX,
                    .failed = true,
                    .was_waiting = true},
                   {.id = peer_id(2),
                    .endpoint = {*IpAddress::parse("2001:db8::2"), 1},
                    .gone = true,
                    .downloaded = true},
                   {.id = peer_id(3), .role = AnnounceRole::seeder, .endpoint = endpoint(3)}};
  const RegistryState state{swarm, {.info_hash = torrent(8)}};
  EXPECT_EQ(parse_state(encode_state(state), "state"), state);
  EXPECT_EQ(parse_state(encode_state({}), "state"), RegistryState{});
}

std::string complaint(const std::string& bytes) {
  try {
    parse_state(bytes, "/srv/state");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    return error.what();
  }
  return "none";
}

TEST(State, of_another_kind_is_refused_with_the_way_out) {
  Tracker tracker;
  tracker.announce(host(1));
  const std::string good = encode_state(tracker.registry->state());
  ASSERT_EQ(complaint(good), "none");
  for (const std::string& bad :
       {std::string(), std::string("PNG"), std::string("de"), good.substr(0, good.size() - 1),
        good + "x", std::string("d14:murder trackeri2e8:torrentslee"),
        std::string("d14:murder trackeri1e8:torrentsi1ee"),
        std::string("d14:murder trackeri1e8:torrentsldeee")}) {
    const std::string said = complaint(bad);
    EXPECT_NE(said.find("cannot read /srv/state: it is no tracker's state"), std::string::npos)
        << said;
    EXPECT_NE(said.find("remove it"), std::string::npos) << said;
  }
}

TEST(State, of_peers_that_cannot_be_is_refused) {
  const MemberState sound{.id = peer_id(1), .role = AnnounceRole::host, .endpoint = endpoint(1)};
  const auto with = [](std::vector<MemberState> members) {
    return encode_state({{.info_hash = torrent(1), .members = members}});
  };
  MemberState other = sound;
  other.id = peer_id(2);
  EXPECT_NE(complaint(with({sound, sound})).find("a peer comes twice"), std::string::npos);
  EXPECT_NE(complaint(with({sound, other})).find("two peers at one endpoint"), std::string::npos);
  other.gone = true;
  EXPECT_EQ(complaint(with({sound, other})), "none") << "it was there before";
  other.role = AnnounceRole::seeder;
  EXPECT_NE(complaint(with({other})).find("a seeder that left"), std::string::npos);
  MemberState nowhere = sound;
  nowhere.endpoint.port = 0;
  EXPECT_NE(complaint(with({nowhere})).find("no endpoint"), std::string::npos);
  const SwarmState twice{.info_hash = torrent(1)};
  EXPECT_NE(complaint(encode_state({twice, twice})).find("a torrent comes twice"),
            std::string::npos);
}

}  // namespace
}  // namespace murder::tracker::test
