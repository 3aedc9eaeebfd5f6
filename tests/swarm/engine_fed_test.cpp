// Pieces from outside of the swarm: a seeder that has not got everything yet, a host that is fed.
#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

class FedEngineTest : public EngineTest {
 protected:
  void make_fed(std::uint32_t pieces, bool seeder = true, std::uint32_t have_from = ~0u) {
    Bitfield have(pieces);
    for (std::uint32_t piece = have_from; piece < pieces; ++piece) have.set(PieceIndex(piece));
    make(seeder, have);
  }
  void feed(std::uint32_t piece) { engine_->on_piece_fed(PieceIndex(piece), now_); }
};

TEST_F(FedEngineTest, a_fed_piece_is_shown_to_one_peer_as_soon_as_it_is_here) {
  make_fed(8);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  const LinkId stock = connect(3, "-lt2080-");
  EXPECT_EQ(out_.take<wire::HaveNone>(stock).size(), 1u);
  EXPECT_TRUE(shown(a).empty());
  say(a, wire::Request{{PieceIndex(0), 0, piece_bytes}});
  EXPECT_EQ(out_.take<wire::Reject>(a).size(), 1u) << "not here";
  for (std::uint32_t piece = 0; piece < 4; ++piece) feed(piece);
  EXPECT_EQ(shown(a), (std::vector{0u, 2u}));
  EXPECT_EQ(shown(b), (std::vector{1u, 3u}));
  EXPECT_EQ(shown(stock), (std::vector{0u, 1u, 2u, 3u}));
  EXPECT_EQ(engine_->bytes_left(), 4u * piece_bytes);
}

TEST_F(FedEngineTest, everything_is_open_when_the_last_piece_has_come_and_left) {
  make_fed(4);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  for (std::uint32_t piece = 0; piece < 4; ++piece) {
    EXPECT_FALSE(engine_->sent_once());
    feed(piece);
    const LinkId to = piece % 2 == 0 ? a : b;
    ASSERT_EQ(shown(to), std::vector{piece});
    send_to(to, piece);
  }
  EXPECT_TRUE(engine_->sent_once());
  EXPECT_TRUE(engine_->complete());
  EXPECT_EQ(shown(a), (std::vector{1u, 3u}));
  EXPECT_EQ(shown(b), (std::vector{0u, 2u}));
  AnnounceReply reply;
  engine_->on_tracker_reply(reply, now_);
  EXPECT_EQ(out_.announced.back(), AnnounceEvent::completed);
}

TEST_F(FedEngineTest, an_incomplete_seeder_fetches_what_others_have_and_shows_it_to_nobody_new) {
  make_fed(8, true, 6);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  EXPECT_EQ(shown(a), (std::vector{6u, 7u}));
  Bitfield theirs(8);
  for (const std::uint32_t piece : {0u, 1u, 6u}) theirs.set(PieceIndex(piece));
  say(b, wire::Bitfield{theirs.to_wire()});
  const auto asked = out_.take<wire::Request>(b);
  ASSERT_EQ(asked.size(), 2u);
  for (const auto& request : asked) deliver(b, request.block);
  verify_all();
  EXPECT_EQ(engine_->have().count(), 4u);
  EXPECT_TRUE(shown(a).empty()) << "they are out: b passes them on";
  for (const std::uint32_t piece : {2u, 3u, 4u, 5u}) feed(piece);
  EXPECT_TRUE(engine_->complete());
  EXPECT_FALSE(engine_->sent_once());
  send_to(a, 7);
  for (const LinkId link : {a, b})
    for (const std::uint32_t piece : shown(link)) send_to(link, piece);
  EXPECT_TRUE(engine_->sent_once());
}

TEST_F(FedEngineTest, what_is_fed_is_not_waited_for_from_others) {
  make_fed(4, false);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  say(a, wire::HaveAll{});
  const auto asked = out_.take<wire::Request>(a);
  ASSERT_EQ(asked.size(), 2u);
  const PieceIndex arriving = asked[0].block.piece;
  const PieceIndex waiting = asked[1].block.piece;
  EXPECT_TRUE(engine_->on_block_begin(a, asked[0].block, now_));
  feed(arriving.value());
  feed(waiting.value());
  EXPECT_EQ(out_.take<wire::Cancel>(a).size(), 1u) << "what has begun to come cannot be cancelled";
  EXPECT_EQ(shown(b).size(), 2u);
  engine_->on_block_end(a, asked[0].block, now_);
  EXPECT_TRUE(out_.to_verify.empty());
  EXPECT_EQ(engine_->wasted(), piece_bytes);
  EXPECT_FALSE(engine_->on_block_begin(a, asked[1].block, now_)) << "the cancel came too late";
  engine_->on_block_end(a, asked[1].block, now_);
  // The rest comes as ever.
  for (const auto& request : out_.take<wire::Request>(a)) deliver(a, request.block);
  verify_all();
  EXPECT_TRUE(engine_->complete());
}

TEST_F(FedEngineTest, a_piece_that_is_being_checked_when_it_is_fed_counts_once) {
  make_fed(400, false);
  const LinkId a = connect(1);
  say(a, wire::HaveAll{});
  const auto asked = out_.take<wire::Request>(a);
  deliver(a, asked.at(0).block);
  ASSERT_EQ(out_.to_verify.size(), 1u);
  feed(out_.to_verify[0].value());
  EXPECT_EQ(engine_->bytes_have(), piece_bytes);
  verify_all();
  EXPECT_EQ(engine_->bytes_have(), piece_bytes);
  feed(asked[0].block.piece.value());
  EXPECT_EQ(engine_->bytes_have(), piece_bytes);
}

TEST_F(FedEngineTest, a_feed_that_rests_leaves_nobody_without_what_is_here) {
  make_fed(8);
  const LinkId a = connect(1);
  feed(0);
  ASSERT_EQ(shown(a), std::vector{0u});
  send_to(a, 0);
  const LinkId b = connect(2);  // which would have it from a, were they linked
  pass(2s);
  EXPECT_TRUE(shown(b).empty());
  pass(2s);
  EXPECT_EQ(shown(b), std::vector{0u});
  feed(1);
  EXPECT_EQ(shown(b), std::vector{1u});
  EXPECT_FALSE(engine_->sent_once());
}

TEST_F(FedEngineTest, how_far_a_seeder_is_fed_is_no_measure_for_the_others) {
  make_fed(64);
  const LinkId a = connect(1);
  for (std::uint32_t piece = 0; piece < 32; ++piece) feed(piece);
  for (const auto& message : out_.take<wire::Extended>(a))
    EXPECT_EQ(wire::decode_extension_handshake(message.payload)->have_pieces, 0u);
  for (std::uint32_t piece = 32; piece < 64; ++piece) feed(piece);
  const auto said = out_.take<wire::Extended>(a);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(wire::decode_extension_handshake(said[0].payload)->upload_only);
}

TEST_F(FedEngineTest, a_piece_fed_to_a_host_begins_to_spread_at_once) {
  make_fed(400, false);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  feed(0);
  feed(1);
  send_to(a, 0);
  feed(2);
  EXPECT_EQ(shown(a), (std::vector{0u, 1u, 2u}));
  EXPECT_EQ(shown(b), (std::vector{0u, 1u, 2u}));
}

}  // namespace
}  // namespace murder::swarm
