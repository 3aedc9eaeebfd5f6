// What an engine asks for, of whom, and when it asks elsewhere.
#include <set>

#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

TEST_F(EngineTest, stock_clients_are_asked_for_16_KiB_after_their_unchoke) {
  make(4, false);
  const LinkId stock = connect(1, "-TR3000-");
  say(stock, wire::HaveAll{});
  EXPECT_EQ(out_.take<wire::Interested>(stock).size(), 1u);
  EXPECT_TRUE(out_.take<wire::Request>(stock).empty());
  say(stock, wire::Unchoke{});
  for (const auto& request : out_.take<wire::Request>(stock))
    EXPECT_EQ(request.block.length, unit_bytes);
}

/// transmission answers every half second, whatever is asked: what is asked for must last so long.
TEST_F(EngineTest, a_stock_client_is_asked_for_enough_to_last_until_its_next_turn) {
  make(256, false);
  const LinkId stock = connect(1, "-TR3000-");
  say(stock, wire::HaveAll{});
  say(stock, wire::Unchoke{});
  std::uint64_t asked = 0;
  for (const auto& request : out_.take<wire::Request>(stock)) asked += request.block.length;
  EXPECT_GE(asked, 256u * 1024);
  EXPECT_LT(asked, 256u * 1024 + unit_bytes);
}

TEST_F(EngineTest, a_choke_without_bep_6_gives_the_requests_back) {
  make(4, false);
  const LinkId stock = connect(1, "-XX0001-", false);
  const LinkId other = connect(2);
  say(stock, wire::Bitfield{std::string("\x80", 1)});
  say(stock, wire::Unchoke{});
  ASSERT_FALSE(out_.take<wire::Request>(stock).empty());
  say(other, wire::Have{PieceIndex(0)});
  EXPECT_TRUE(out_.take<wire::Request>(other).empty());
  say(stock, wire::Choke{});
  EXPECT_FALSE(out_.take<wire::Request>(other).empty());
}

TEST_F(EngineTest, a_silent_link_has_its_pieces_asked_for_elsewhere_after_3_seconds) {
  make(4, false);
  const LinkId silent = connect(1);
  const LinkId other = connect(2);
  say(silent, wire::Have{PieceIndex(0)});
  const auto request = out_.take<wire::Request>(silent).at(0);
  engine_->on_block_begin(silent, request.block, now_);
  engine_->on_block_progress(silent, 100, now_);
  say(other, wire::Have{PieceIndex(0)});
  pass(900ms);
  EXPECT_TRUE(out_.take<wire::Request>(other).empty()) << "a part of the block has come: too early";
  pass(2600ms);
  const auto again = out_.take<wire::Request>(other);
  ASSERT_FALSE(again.empty());
  EXPECT_EQ(again[0].block, request.block);
  EXPECT_FALSE(out_.detached.empty()) << "late bytes must not touch the piece";
}

TEST_F(EngineTest, a_slow_link_that_moves_is_left_alone) {
  make(4, false);
  const LinkId slow = connect(1);
  say(slow, wire::Have{PieceIndex(0)});
  const auto request = out_.take<wire::Request>(slow).at(0);
  engine_->on_block_begin(slow, request.block, now_);
  for (int i = 0; i < 40; ++i) {
    pass(1s);
    engine_->on_block_progress(slow, 10, now_);
  }
  EXPECT_TRUE(out_.closed.empty());
  EXPECT_TRUE(out_.take<wire::Cancel>(slow).empty());
}

TEST_F(EngineTest, what_waits_longest_elsewhere_is_taken_back_when_little_is_left) {
  make(2, false);
  const LinkId slow = connect(1);
  const LinkId quick = connect(2);
  say(slow, wire::HaveAll{});
  const auto asked = out_.take<wire::Request>(slow);
  ASSERT_EQ(asked.size(), 2u);
  say(quick, wire::HaveAll{});
  pass(500ms);
  const auto cancelled = out_.take<wire::Cancel>(slow);
  const auto again = out_.take<wire::Request>(quick);
  ASSERT_FALSE(again.empty());
  EXPECT_EQ(cancelled.size(), again.size());
  deliver(quick, again[0].block);
  verify_all();
  // It comes from the first one too, too late: thrown away.
  EXPECT_FALSE(engine_->on_block_begin(slow, again[0].block, now_));
}

TEST_F(EngineTest, at_the_end_a_block_that_stops_coming_is_asked_for_elsewhere_soon) {
  for (const bool moves : {true, false}) {
    out_ = {};
    make(1, false);
    const LinkId stops = connect(1);
    const LinkId other = connect(2);
    say(stops, wire::HaveAll{});
    const wire::Block block = out_.take<wire::Request>(stops).at(0).block;
    EXPECT_TRUE(engine_->on_block_begin(stops, block, now_));
    say(other, wire::HaveAll{});
    for (int i = 0; i < 30; ++i) {
      if (moves || i == 0) engine_->on_block_progress(stops, 500, now_);
      pass(10ms);
    }
    if (moves) {
      EXPECT_TRUE(out_.take<wire::Request>(other).empty());
      continue;
    }
    EXPECT_EQ(out_.take<wire::Request>(other).at(0).block, block);
    EXPECT_EQ(out_.detached.size(), 1u) << "late bytes must not touch the piece";
    deliver(other, block);
    verify_all();
    EXPECT_TRUE(engine_->complete());
    engine_->on_block_end(stops, block, now_);
    EXPECT_EQ(engine_->wasted(), block.length);
  }
}

TEST_F(EngineTest, a_slow_disk_holds_back_the_requests) {
  make(4000, false);
  const LinkId link = connect(1);
  say(link, wire::HaveAll{});
  std::uint32_t delivered = 0;
  for (auto asked = out_.take<wire::Request>(link); !asked.empty();
       asked = out_.take<wire::Request>(link))
    for (const auto& request : asked) {
      deliver(link, request.block);
      ++delivered;
    }
  EXPECT_LT(std::uint64_t{delivered} * piece_bytes, 33u << 20);
  verify_all();
  EXPECT_FALSE(out_.take<wire::Request>(link).empty());
}

TEST_F(EngineTest, with_many_links_one_block_of_each_is_enough_unless_it_is_behind_the_others) {
  for (const std::uint32_t theirs : {2u, 32u}) {
    make(64, false);
    std::vector<LinkId> links;
    for (std::uint32_t n = 1; n <= 6; ++n) links.push_back(connect(n));
    wire::ExtensionHandshake hello;
    hello.max_block_bytes = murder_block_bytes;
    hello.have_pieces = theirs;
    for (const LinkId link : links)
      say(link, wire::Extended{0, wire::encode_extension_handshake(hello)});
    Bitfield some(64);
    for (std::uint32_t i = 0; i < 60; ++i) some.set(PieceIndex(i));
    for (const LinkId link : links) {
      say(link, wire::Bitfield{some.to_wire()});
      EXPECT_EQ(out_.take<wire::Request>(link).size(), theirs == 2 ? 1u : 2u);
    }
  }
}

// --- padding ------------------------------------------------------------------------------------

TEST_F(EngineTest, zeros_that_everybody_knows_are_asked_of_nobody) {
  constexpr std::uint32_t length = 4 * unit_bytes;
  EngineConfig config;
  config.geometry = {3 * std::uint64_t{length} - 100, length};
  config.self = id_of("-MU0100-", 0);
  // From within the second unit of the first piece on; all of the second; the end of the last.
  config.padding = {{unit_bytes + 5, length},
                    {length, 2 * length},
                    {2 * length + 2 * unit_bytes, 3 * length - 100}};
  engine_.emplace(config, Bitfield(3), Random(1), out_);
  engine_->start(now_);
  const LinkId stock = connect(1, "-TR3000-");
  say(stock, wire::HaveAll{});
  say(stock, wire::Unchoke{});
  std::vector<wire::Block> asked;
  for (const auto& request : out_.take<wire::Request>(stock)) asked.push_back(request.block);
  std::sort(asked.begin(), asked.end());
  EXPECT_EQ(asked, (std::vector<wire::Block>{{PieceIndex(0), 0, unit_bytes},
                                             {PieceIndex(0), unit_bytes, unit_bytes},
                                             {PieceIndex(1), 0, unit_bytes},
                                             {PieceIndex(1), unit_bytes, unit_bytes},
                                             {PieceIndex(1), 2 * unit_bytes, unit_bytes},
                                             {PieceIndex(1), 3 * unit_bytes, unit_bytes},
                                             {PieceIndex(2), 0, unit_bytes},
                                             {PieceIndex(2), unit_bytes, unit_bytes}}))
      << "what is nothing else is asked for, so that it comes";
  for (const wire::Block& block : asked) deliver(stock, block);
  EXPECT_EQ(out_.to_verify.size(), 3u);
  verify_all();
  EXPECT_TRUE(engine_->complete());
}

// --- large pieces -------------------------------------------------------------------------------

/// Pieces of 16 MiB, as other programs make them.
class LargePiecesTest : public EngineTest {
 protected:
  static constexpr std::uint32_t large_bytes = 16u << 20;
  void SetUp() override {
    EngineConfig config;
    config.geometry = {64 * std::uint64_t{large_bytes}, large_bytes};
    config.self = id_of("-MU0100-", 0);
    engine_.emplace(config, Bitfield(64), Random(1), out_);
    engine_->start(now_);
  }
  /// Pieces that have been asked for and not delivered by deliver_a_piece().
  std::size_t in_hand() {
    std::set<std::uint32_t> pieces;
    for (const auto& [link, message] : out_.sent)
      if (const auto* request = std::get_if<wire::Request>(&message))
        pieces.insert(request->block.piece.value());
    return pieces.size();
  }
  /// All that is asked of a link, until a piece is whole.
  void deliver_a_piece(LinkId link) {
    while (out_.to_verify.empty())
      for (const auto& request : out_.take<wire::Request>(link)) deliver(link, request.block);
  }
};

TEST_F(LargePiecesTest, of_however_many_links_are_begun_within_128_MiB) {
  for (std::uint32_t n = 1; n <= 20; ++n) say(connect(n), wire::HaveAll{});
  EXPECT_EQ(in_hand(), 8u);
  deliver_a_piece(LinkId(1));
  EXPECT_EQ(in_hand(), 7u) << "what waits to be hashed is in memory, too";
  out_.sent.clear();
  verify_all();
  EXPECT_EQ(in_hand(), 1u) << "the next one is begun at once";
}

TEST_F(LargePiecesTest, that_nobody_can_go_on_with_make_room_for_others) {
  for (std::uint32_t n = 1; n <= 8; ++n) {
    const LinkId link = connect(n);
    say(link, wire::Have{PieceIndex(n)});
    deliver(link, out_.take<wire::Request>(link).at(0).block);
  }
  for (std::uint32_t n = 1; n <= 8; ++n) engine_->on_closed(LinkId(n), now_);
  const LinkId other = connect(9);
  say(other, wire::Have{PieceIndex(9)});
  EXPECT_EQ(out_.take<wire::Request>(other).at(0).block.piece, PieceIndex(9));
  EXPECT_EQ(out_.forgotten, std::vector{PieceIndex(1)});
}

TEST_F(LargePiecesTest, are_asked_of_stock_clients_in_blocks_of_16_KiB_and_of_murder_in_128) {
  const LinkId stock = connect(1, "-TR3000-");
  say(stock, wire::HaveAll{});
  say(stock, wire::Unchoke{});
  for (const auto& request : out_.take<wire::Request>(stock))
    EXPECT_EQ(request.block.length, unit_bytes);
  const LinkId peer = connect(2);
  wire::ExtensionHandshake hello;
  hello.max_block_bytes = 1u << 30;
  say(peer, wire::Extended{0, wire::encode_extension_handshake(hello)});
  say(peer, wire::HaveAll{});
  for (const auto& request : out_.take<wire::Request>(peer))
    EXPECT_EQ(request.block.length, murder_block_bytes);
}

}  // namespace
}  // namespace murder::swarm
