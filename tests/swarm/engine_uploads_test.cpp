// Who is served first, and how many stock clients at a time.
#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

TEST_F(EngineTest, stock_clients_share_one_slot_while_murder_peers_wait) {
  make(40, true);
  const LinkId murder = connect(1);
  for (std::uint32_t n = 2; n <= 5; ++n) say(connect(n, "-lt2080-"), wire::Interested{});
  const auto unchoked = [&] {
    return std::count_if(engine_->links().begin(), engine_->links().end(),
                         [](const auto& l) { return !l.second.murder && !l.second.we_choke; });
  };
  EXPECT_EQ(unchoked(), 1);
  say(murder, wire::HaveAll{});
  pass(11s);
  EXPECT_EQ(unchoked(), 4);
}

TEST_F(EngineTest, a_stock_client_does_not_starve) {
  make(40, true);
  connect(1);
  std::vector<LinkId> stock;
  for (std::uint32_t n = 2; n <= 4; ++n) {
    stock.push_back(connect(n, "-lt2080-"));
    say(stock.back(), wire::Interested{});
  }
  std::vector<int> turns(stock.size());
  for (int round = 0; round < 9; ++round) {
    for (std::size_t i = 0; i < stock.size(); ++i) {
      if (engine_->links().at(stock[i]).we_choke) continue;
      ++turns[i];
      engine_->on_block_sent(stock[i], {PieceIndex(0), 0, unit_bytes}, now_);
    }
    pass(10s + 300ms);
    for (const LinkId link : stock) say(link, wire::KeepAlive{});
    say(LinkId(1), wire::KeepAlive{});
  }
  for (const int count : turns) EXPECT_GE(count, 2);
}

TEST_F(EngineTest, stock_clients_get_of_the_seeder_what_one_murder_peer_gets) {
  make(1000, true);
  const LinkId one = connect(1);
  const LinkId other = connect(2);
  const LinkId stock = connect(3, "-lt2080-");
  say(stock, wire::Interested{});
  for (std::uint32_t piece = 500; piece < 900; ++piece)
    for (const std::uint32_t begin : {0u, unit_bytes})
      say(stock, wire::Request{{PieceIndex(piece), begin, unit_bytes}});
  std::uint64_t stock_bytes = 0, murder_bytes = 0;
  const auto stock_takes = [&] {
    while (const auto block = engine_->next_block(stock, now_)) {
      engine_->on_block_sent(stock, *block, now_);
      stock_bytes += block->length;
    }
  };
  for (int round = 0; round < 8; ++round) {
    for (const LinkId link : {one, other}) {
      for (const std::uint32_t piece : shown(link)) {
        send_to(link, piece);
        murder_bytes += piece_bytes;
      }
      stock_takes();
    }
    now_ += 10ms;
  }
  EXPECT_LE(stock_bytes, murder_bytes / 2);
  EXPECT_GE(stock_bytes, murder_bytes / 4);

  // The murder peers ask for nothing more: then the uplink is its own.
  out_.woken.clear();
  pass(300ms);
  EXPECT_EQ(out_.woken, std::vector{stock});
  const std::uint64_t before = stock_bytes;
  stock_takes();
  EXPECT_GT(stock_bytes, before + 10 * unit_bytes);
}

TEST_F(EngineTest, who_is_a_little_behind_is_served_first_and_who_is_far_behind_in_turn) {
  make(320, true);
  const auto says = [&](LinkId link, std::uint32_t have) {
    wire::ExtensionHandshake hello;
    hello.max_block_bytes = murder_block_bytes;
    hello.have_pieces = have;
    say(link, wire::Extended{0, wire::encode_extension_handshake(hello)});
  };
  const LinkId first = connect(1);
  const LinkId behind = connect(2);
  const LinkId late = connect(3);
  says(first, 200);
  says(behind, 170);
  says(late, 30);
  EXPECT_LT(out_.ranks[behind], out_.ranks[first]);
  EXPECT_EQ(out_.ranks[late], out_.ranks[first]);
  says(behind, 210);
  EXPECT_GT(out_.ranks[behind], out_.ranks[first]);
  says(first, 4'000'000'000u);
  says(behind, 320);
  EXPECT_EQ(out_.ranks[first], out_.ranks[behind]) << "nobody has more than everything";
}

TEST_F(EngineTest, of_those_equally_far_the_piece_that_fewest_neighbours_have_is_served_first) {
  make(8, false);
  const LinkId source = connect(1);
  const LinkId b = connect(2);
  const LinkId c = connect(3);
  const LinkId d = connect(4);
  for (const std::uint32_t piece : {0u, 1u}) {
    say(source, wire::Have{PieceIndex(piece)});
    for (const auto& request : out_.take<wire::Request>(source)) deliver(source, request.block);
    verify_all();
  }
  say(d, wire::Have{PieceIndex(1)});
  const wire::Block common{PieceIndex(1), 0, piece_bytes};
  const wire::Block rare{PieceIndex(0), 0, piece_bytes};
  say(b, wire::Request{common});
  say(c, wire::Request{rare});
  EXPECT_LT(out_.ranks[c], out_.ranks[b]);
  // What we have passed on is not announced to us, and counts all the same.
  EXPECT_EQ(engine_->next_block(c, now_), rare);
  say(c, wire::Request{common});
  EXPECT_EQ(out_.ranks[c], out_.ranks[b]);
  say(d, wire::Request{rare});
  EXPECT_EQ(out_.ranks[d], out_.ranks[b]) << "d's piece is now with the source and with c";
}

}  // namespace
}  // namespace murder::swarm
