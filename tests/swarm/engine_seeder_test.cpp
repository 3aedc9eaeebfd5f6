// What a seeder shows to whom, and whom it speaks to.
#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

TEST_F(EngineTest, stock_clients_see_a_whole_bitfield_and_murder_peers_a_window) {
  make(40, true);
  const LinkId murder = connect(1);
  const LinkId stock = connect(2, "-lt2080-");
  EXPECT_EQ(out_.take<wire::HaveNone>(murder).size(), 1u);
  EXPECT_EQ(out_.take<wire::Have>(murder).size(), 3u);
  EXPECT_EQ(out_.take<wire::HaveAll>(stock).size(), 1u);
  const LinkId old = connect(3, "-XX0001-", false);
  EXPECT_EQ(out_.take<wire::Bitfield>(old).at(0).bits, std::string(5, '\xff'));
}

TEST_F(EngineTest, the_seeder_withholds_what_it_has_not_shown) {
  make(40, true);
  const LinkId link = connect(1);
  const auto shown = out_.take<wire::Have>(link);
  say(link, wire::Request{{PieceIndex(39), 0, piece_bytes}});
  EXPECT_EQ(out_.take<wire::Reject>(link).size(), 1u);
  say(link, wire::Request{{shown[0].piece, 0, piece_bytes}});
  const auto block = engine_->next_block(link, now_);
  ASSERT_TRUE(block);
  engine_->on_block_sent(link, *block, now_);
  EXPECT_EQ(out_.take<wire::Have>(link).size(), 1u)
      << "the next one is shown as soon as one is sent";
}

TEST_F(EngineTest, what_was_taken_back_and_goes_all_the_same_is_out) {
  make(3, true);
  const LinkId a = connect(1);
  ASSERT_EQ(shown(a), (std::vector{0u, 1u, 2u}));
  pass(600ms);  // too busy to ask, and nothing else is left to show
  for (const std::uint32_t piece : {0u, 1u, 2u}) send_to(a, piece);
  EXPECT_TRUE(engine_->sent_once());
}

TEST_F(EngineTest, what_was_lost_with_a_killed_peer_is_shown_again) {
  make(8, true);
  const LinkId a = connect(1);
  ASSERT_EQ(shown(a), (std::vector{0u, 1u, 2u}));
  for (const std::uint32_t piece : {0u, 1u, 2u}) send_to(a, piece);
  engine_->on_closed(a, now_);
  const LinkId again = connect(2);
  EXPECT_EQ(shown(again), (std::vector{0u, 1u, 2u})) << "nobody has them";
}

TEST_F(EngineTest, what_was_lost_with_a_killed_peer_and_is_elsewhere_does_not_leave_again) {
  make(8, true);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  ASSERT_EQ(shown(a), (std::vector{0u, 1u, 2u}));
  ASSERT_EQ(shown(b), (std::vector{3u, 4u, 5u}));
  send_to(a, 0);
  send_to(a, 1);
  say(b, wire::Have{PieceIndex(0)});  // from a
  send_to(b, 3);
  out_.sent.clear();
  engine_->on_closed(a, now_);
  const LinkId again = connect(3);
  EXPECT_EQ(shown(b), std::vector{1u}) << "it had room for one more";
  EXPECT_EQ(shown(again), (std::vector{2u, 6u, 7u}))
      << "0 and 3 are at b, which does not say so of what it was shown";
}

TEST_F(EngineTest, a_busy_peer_that_is_killed_and_started_again_gets_everything) {
  make(6, true);
  const LinkId a = connect(1);
  for (const std::uint32_t piece : shown(a)) send_to(a, piece);
  ASSERT_EQ(shown(a), (std::vector{3u, 4u, 5u}));
  engine_->on_closed(a, now_);
  // It kept the first one. What it is shown it asks for late each time.
  const LinkId again = connect(2);
  Bitfield kept(6);
  kept.set(PieceIndex(0));
  say(again, wire::Bitfield{kept.to_wire()});
  std::vector<std::uint32_t> got{0};
  for (int round = 0; round < 10 && got.size() < 6; ++round) {
    const auto offered = shown(again);
    pass(600ms);
    for (const std::uint32_t piece : offered) {
      if (kept.test(PieceIndex(piece))) continue;  // shown before it had said so
      send_to(again, piece);
      got.push_back(piece);
    }
  }
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (std::vector{0u, 1u, 2u, 3u, 4u, 5u}));
  EXPECT_TRUE(engine_->sent_once());
}

TEST_F(EngineTest, nothing_is_withheld_when_nothing_moves_any_more) {
  make(40, true);
  const LinkId stuck = connect(1);
  pass(2s);
  EXPECT_EQ(shown(stuck).size(), 3u);
  pass(2s);
  EXPECT_EQ(shown(stuck).size(), 37u);
}

TEST_F(EngineTest, a_seeder_dials_whom_the_tracker_says_and_nobody_else) {
  make(4, true);
  const Endpoint waiting{IpAddress::v4({10, 0, 0, 1}), 8999};
  FleetState fleet;
  fleet.dial.push_back(waiting);
  AnnounceReply reply;
  reply.fleet = fleet;
  reply.peers.push_back({{IpAddress::v4({10, 0, 0, 2}), 8999}, std::nullopt});
  engine_->on_tracker_reply(reply, now_);
  EXPECT_EQ(out_.dialled, std::vector{waiting});
  // Tried again, unlike the other.
  engine_->on_dial_failed(waiting, now_);
  pass(1s);
  EXPECT_EQ(out_.dialled, (std::vector{waiting, waiting}));
}

TEST_F(EngineTest, pieces_at_nobody_are_counted) {
  make(4, false);
  const LinkId link = connect(1);
  say(link, wire::Have{PieceIndex(1)});
  EXPECT_EQ(engine_->pieces_out_of_reach(), 3u);
  engine_->on_closed(link, now_);
  EXPECT_EQ(engine_->pieces_out_of_reach(), 4u);
}

TEST_F(EngineTest, a_peer_that_wants_nothing_is_not_waited_for) {
  make(4, false);
  const LinkId link = connect(1);
  EXPECT_TRUE(engine_->anyone_waiting());
  wire::ExtensionHandshake hello;
  hello.upload_only = true;
  say(link, wire::Extended{0, wire::encode_extension_handshake(hello)});
  EXPECT_FALSE(engine_->anyone_waiting());
}

}  // namespace
}  // namespace murder::swarm
