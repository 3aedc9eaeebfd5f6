// One engine against a scripted world: what it says to stock clients and to murder peers, and how
// it meets faults.
#include "swarm/engine.hpp"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t piece_bytes = 32 * 1024;

PeerId id_of(const char* prefix, int n) {
  std::string id = prefix;
  id += std::to_string(n);
  id.resize(20, 'x');
  return *PeerId::from_bytes(id);
}

struct Recorder : Driver {
  std::vector<std::pair<LinkId, wire::Message>> sent;
  std::vector<PieceIndex> to_verify;
  std::vector<std::pair<LinkId, std::string>> closed;
  std::vector<Endpoint> dialled;
  std::vector<AnnounceEvent> announced;
  std::vector<std::pair<LinkId, PieceIndex>> detached;
  std::vector<std::string> bans;
  std::vector<LinkId> woken;
  std::map<LinkId, std::uint32_t> ranks;

  void send(LinkId link, const wire::Message& message) override {
    sent.emplace_back(link, message);
  }
  void wake_upload(LinkId link) override { woken.push_back(link); }
  void rank_upload(LinkId link, std::uint32_t rank) override { ranks[link] = rank; }
  void dial(const Endpoint& endpoint) override { dialled.push_back(endpoint); }
  void announce(const std::string&, AnnounceEvent event) override { announced.push_back(event); }
  void close(LinkId link, const std::string& reason) override { closed.emplace_back(link, reason); }
  void verify(PieceIndex piece) override { to_verify.push_back(piece); }
  void detach(LinkId link, PieceIndex piece) override { detached.emplace_back(link, piece); }
  Duration round_trip(LinkId) const override { return 1ms; }
  void banned(const Endpoint&, const std::string& reason) override { bans.push_back(reason); }

  template <class Message>
  std::vector<Message> take(LinkId link) {
    std::vector<Message> messages;
    std::erase_if(sent, [&](const auto& s) {
      if (s.first != link || !std::holds_alternative<Message>(s.second)) return false;
      messages.push_back(std::get<Message>(s.second));
      return true;
    });
    return messages;
  }
};

class EngineTest : public testing::Test {
 protected:
  Recorder out_;
  std::optional<Engine> engine_;
  Instant now_{std::chrono::hours(1)};
  std::uint32_t pieces_ = 0;

  void make(std::uint32_t pieces, bool seeder) {
    pieces_ = pieces;
    EngineConfig config;
    config.geometry = {std::uint64_t{pieces} * piece_bytes, piece_bytes};
    config.self = id_of("-MU0100-", 0);
    config.seeder = seeder;
    config.trackers = {"t"};
    Bitfield have(pieces);
    if (seeder) have.set_all();
    engine_.emplace(config, have, Random(1), out_);
    engine_->start(now_);
  }
  LinkId connect(std::uint32_t n, const char* prefix = "-MU0100-", bool fast = true) {
    LinkInfo info;
    info.remote = {IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(n)}), 8999};
    info.peer_id = id_of(prefix, static_cast<int>(n));
    info.fast = fast;
    info.extensions = fast;
    info.outgoing = true;
    engine_->on_connected(LinkId(n), info, now_);
    return LinkId(n);
  }
  void say(LinkId link, const wire::Message& message) { engine_->on_message(link, message, now_); }
  /// The peer answers a request with its data.
  void deliver(LinkId link, const wire::Block& block) {
    engine_->on_block_begin(link, block, now_);
    engine_->on_block_progress(link, block.length, now_);
    engine_->on_block_end(link, block, now_);
  }
  /// The peer asks for a piece and gets it.
  void send_to(LinkId link, std::uint32_t piece) {
    const wire::Block block{PieceIndex(piece), 0, piece_bytes};
    say(link, wire::Request{block});
    EXPECT_EQ(engine_->next_block(link, now_), block);
    engine_->on_block_sent(link, block, now_);
  }
  void verify_all(bool matches = true) {
    for (const PieceIndex piece : std::exchange(out_.to_verify, {}))
      engine_->on_piece_verified(piece, matches, now_);
  }
  void pass(Duration time) {
    const Instant end = now_ + time;
    while (now_ < end) {
      now_ = std::min(end, std::max(engine_->next_tick(now_), now_ + 1ms));
      engine_->tick(now_);
    }
  }
};

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

TEST_F(EngineTest, a_piece_is_asked_for_when_it_is_announced_and_told_when_it_is_verified) {
  make(4, false);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  out_.sent.clear();
  say(a, wire::Have{PieceIndex(2)});
  const auto requests = out_.take<wire::Request>(a);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].block, (wire::Block{PieceIndex(2), 0, piece_bytes}));
  deliver(a, requests[0].block);
  EXPECT_TRUE(out_.take<wire::Have>(b).empty());
  verify_all();
  pass(10ms);
  EXPECT_EQ(out_.take<wire::Have>(b).size(), 1u);
  EXPECT_TRUE(out_.take<wire::Have>(a).empty()) << "they have it";
}

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

TEST_F(EngineTest, announcements_travel_with_other_messages_and_the_last_ones_at_once) {
  make(400, false);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  const LinkId c = connect(3);
  const auto fetch = [&](std::uint32_t piece) {
    say(a, wire::Have{PieceIndex(piece)});
    say(c, wire::Have{PieceIndex(piece)});
    for (const auto& request : out_.take<wire::Request>(a)) deliver(a, request.block);
    verify_all();
  };
  fetch(0);
  EXPECT_EQ(out_.take<wire::Have>(b).size(), 1u) << "nothing to wait for yet";
  send_to(b, 0);
  pass(5ms);
  fetch(1);
  EXPECT_TRUE(out_.take<wire::Have>(b).empty()) << "waits for company";
  say(b, wire::Have{PieceIndex(2)});
  EXPECT_EQ(out_.take<wire::Request>(b).size(), 1u);
  EXPECT_EQ(out_.take<wire::Have>(b).size(), 1u) << "with the request";
  for (std::uint32_t piece = 3; piece < 400; ++piece) fetch(piece);
  EXPECT_FALSE(out_.take<wire::Have>(b).empty()) << "little is left";
}

TEST_F(EngineTest, announcements_wait_for_so_long_at_most_and_not_while_the_uplink_is_idle) {
  make(640, false);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  const LinkId c = connect(3);
  const auto fetch = [&](std::uint32_t piece, bool c_has_it) {
    say(a, wire::Have{PieceIndex(piece)});
    if (c_has_it) say(c, wire::Have{PieceIndex(piece)});
    for (const auto& request : out_.take<wire::Request>(a)) deliver(a, request.block);
    verify_all();
    return out_.take<wire::Have>(b).size();
  };
  EXPECT_EQ(fetch(0, true), 1u);
  pass(5ms);
  EXPECT_EQ(fetch(1, true), 1u) << "idle";
  send_to(b, 0);
  pass(5ms);
  EXPECT_EQ(fetch(2, true), 0u) << "busy";
  pass(40ms);
  EXPECT_EQ(out_.take<wire::Have>(b).size(), 1u) << "no company came";
  send_to(b, 1);
  EXPECT_EQ(fetch(3, true), 0u);
  send_to(b, 2);
  EXPECT_EQ(out_.take<wire::Have>(b).size(), 1u) << "with a block";
  EXPECT_EQ(fetch(4, true), 0u);
  EXPECT_EQ(fetch(5, false), 2u) << "nobody else can tell of it; what waited goes along";
}

TEST_F(EngineTest, says_how_far_it_is_when_it_has_come_a_step_further) {
  make(64, false);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  out_.take<wire::Extended>(b);
  std::vector<std::uint32_t> said;
  for (std::uint32_t piece = 0; piece < 6; ++piece) {
    say(a, wire::Have{PieceIndex(piece)});
    for (const auto& request : out_.take<wire::Request>(a)) deliver(a, request.block);
    verify_all();
    for (const auto& message : out_.take<wire::Extended>(b))
      said.push_back(wire::decode_extension_handshake(message.payload)->have_pieces);
  }
  EXPECT_EQ(said, (std::vector<std::uint32_t>{2, 4, 6}));
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

TEST_F(EngineTest, one_who_has_everything_says_so_to_those_it_does_not_announce_pieces_to) {
  make(1, false);
  const LinkId a = connect(1);
  const LinkId b = connect(2);
  say(b, wire::HaveAll{});
  say(a, wire::HaveAll{});
  for (const LinkId link : {a, b})
    for (const auto& request : out_.take<wire::Request>(link)) {
      out_.take<wire::Extended>(a);
      deliver(link, request.block);
    }
  verify_all();
  EXPECT_TRUE(out_.take<wire::Have>(a).empty());
  const auto said = out_.take<wire::Extended>(a);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(wire::decode_extension_handshake(said[0].payload)->upload_only);
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

TEST_F(EngineTest, completion_is_announced_at_once) {
  make(1, false);
  AnnounceReply reply;
  reply.interval_s = 60;
  engine_->on_tracker_reply(reply, now_);
  const LinkId link = connect(1);
  say(link, wire::HaveAll{});
  deliver(link, out_.take<wire::Request>(link).at(0).block);
  verify_all();
  EXPECT_TRUE(engine_->complete());
  EXPECT_EQ(out_.announced, (std::vector{AnnounceEvent::started, AnnounceEvent::completed}));
}

class FedEngineTest : public EngineTest {
 protected:
  void make_fed(std::uint32_t pieces, bool seeder = true, std::uint32_t have_from = ~0u) {
    EngineConfig config;
    config.geometry = {std::uint64_t{pieces} * piece_bytes, piece_bytes};
    config.self = id_of("-MU0100-", 0);
    config.seeder = seeder;
    config.trackers = {"t"};
    Bitfield have(pieces);
    for (std::uint32_t piece = have_from; piece < pieces; ++piece) have.set(PieceIndex(piece));
    engine_.emplace(config, have, Random(1), out_);
    engine_->start(now_);
  }
  void feed(std::uint32_t piece) { engine_->on_piece_fed(PieceIndex(piece), now_); }
  std::vector<std::uint32_t> shown(LinkId link) {
    std::vector<std::uint32_t> pieces;
    for (const auto& have : out_.take<wire::Have>(link)) pieces.push_back(have.piece.value());
    return pieces;
  }
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
  engine_->on_closed(a, now_);  // and took it along
  const LinkId b = connect(2);
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

TEST_F(EngineTest, pieces_at_nobody_are_counted) {
  make(4, false);
  const LinkId link = connect(1);
  say(link, wire::Have{PieceIndex(1)});
  EXPECT_EQ(engine_->pieces_out_of_reach(), 3u);
  engine_->on_closed(link, now_);
  EXPECT_EQ(engine_->pieces_out_of_reach(), 4u);
}

}  // namespace
}  // namespace murder::swarm
