// Links that have to end, and those that must not be made twice.
#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

TEST_F(EngineTest, a_dead_link_is_closed_after_30_seconds) {
  make(4, false);
  const LinkId dead = connect(1);
  say(dead, wire::HaveAll{});
  pass(40s);
  ASSERT_EQ(out_.closed.size(), 1u);
  EXPECT_EQ(out_.closed[0].first, dead);
}

TEST_F(EngineTest, the_lone_sender_of_wrong_data_is_banned) {
  make(4, false);
  const LinkId liar = connect(1);
  const LinkId honest = connect(2);
  say(liar, wire::Have{PieceIndex(0)});
  deliver(liar, out_.take<wire::Request>(liar).at(0).block);
  verify_all(false);
  EXPECT_EQ(out_.bans.size(), 1u);
  ASSERT_EQ(out_.closed.size(), 1u);
  EXPECT_EQ(out_.closed[0].first, liar);
  say(honest, wire::Have{PieceIndex(0)});
  deliver(honest, out_.take<wire::Request>(honest).at(0).block);
  verify_all();
  EXPECT_TRUE(engine_->have().test(PieceIndex(0)));
  connect(1);
  EXPECT_EQ(out_.closed.back().second, "banned");
}

TEST_F(EngineTest, pieces_that_nobody_asked_for_are_thrown_away_and_end_the_link) {
  make(400, false);
  const LinkId link = connect(1);
  int blocks = 0;
  while (out_.closed.empty() && blocks < 1000) {
    EXPECT_FALSE(engine_->on_block_begin(link, {PieceIndex(7), 0, piece_bytes}, now_));
    engine_->on_block_end(link, {PieceIndex(7), 0, piece_bytes}, now_);
    ++blocks;
  }
  EXPECT_EQ(out_.bans.size(), 1u);
  EXPECT_LE(blocks, 40);
  EXPECT_TRUE(out_.to_verify.empty());
}

TEST_F(EngineTest, nonsense_ends_the_link) {
  make(10, true);
  say(connect(1), wire::Have{PieceIndex(10)});
  say(connect(2), wire::Bitfield{std::string(1, '\xff')});
  say(connect(3), wire::Request{{PieceIndex(0), piece_bytes - 1, 2}});
  say(connect(4), wire::Request{{PieceIndex(10), 0, 16384}});
  say(connect(5), wire::Request{{PieceIndex(0), 0, 0}});
  EXPECT_EQ(out_.closed.size(), 5u);
  EXPECT_EQ(engine_->link_count(), 0u);
}

TEST_F(EngineTest, itself_is_not_dialled_again) {
  make(4, false);
  LinkInfo info;
  info.remote = {IpAddress::v4({10, 0, 0, 1}), 8999};
  info.peer_id = id_of("-MU0100-", 0);
  info.outgoing = true;
  engine_->on_connected(LinkId(1), info, now_);
  EXPECT_EQ(out_.closed.size(), 1u);
  AnnounceReply reply;
  reply.interval_s = 1;
  reply.peers.push_back({info.remote, {}});
  engine_->on_tracker_reply(reply, now_);
  EXPECT_TRUE(out_.dialled.empty());
}

TEST_F(EngineTest, of_two_connections_with_one_peer_one_stays) {
  make(4, false);
  connect(1);
  LinkInfo info;
  info.remote = {IpAddress::v4({10, 0, 0, 1}), 40001};
  info.peer_id = id_of("-MU0100-", 1);
  info.outgoing = false;
  engine_->on_connected(LinkId(2), info, now_);
  EXPECT_EQ(engine_->link_count(), 1u);
  EXPECT_EQ(out_.closed.size(), 1u);
}

}  // namespace
}  // namespace murder::swarm
