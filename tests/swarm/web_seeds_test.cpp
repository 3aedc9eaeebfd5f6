// When a web seed is asked, and when not.
#include "swarm/web_seeds.hpp"

#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

class WebSeedTest : public EngineTest {
 protected:
  void make_with_web(std::uint32_t pieces, std::size_t sources = 1,
                     std::optional<Rate> down = std::nullopt, bool tracker = false) {
    EngineConfig config;
    config.geometry = {std::uint64_t{pieces} * piece_bytes, piece_bytes};
    config.self = id_of("-MU0100-", 0);
    if (tracker) config.trackers = {"t"};
    config.web_seeds = sources;
    config.down = limit_to(down);
    engine_.emplace(config, Bitfield(pieces), Random(1), out_);
    engine_->start(now_);
  }
  /// What is under way comes, all of it right.
  void come(const WebFetch& fetch) {
    for (std::uint32_t i = 0; i < fetch.count; ++i)
      engine_->on_piece_fed(PieceIndex(fetch.first.value() + i), now_);
    engine_->on_web_fetched(fetch, WebOutcome::came, {}, now_);
  }
  void fail(const WebFetch& fetch, WebOutcome outcome, Duration retry_after = {}) {
    engine_->on_web_fetched(fetch, outcome, retry_after, now_);
  }
  std::vector<WebFetch> take() { return std::exchange(out_.fetched, {}); }
  /// Until something is ordered, or the time is over.
  std::vector<WebFetch> wait(Duration time) {
    const Instant end = now_ + time;
    while (now_ < end && out_.fetched.empty()) pass(10ms);
    return take();
  }
};

TEST_F(WebSeedTest, one_without_peers_waits_a_moment_and_then_fetches_everything) {
  make_with_web(64);
  EXPECT_TRUE(wait(900ms).empty());
  std::uint32_t pieces = 0;
  std::vector<WebFetch> under_way = wait(1s);
  EXPECT_EQ(under_way.size(), 2u) << "no more at a time";
  while (!under_way.empty()) {
    EXPECT_LE(under_way.size(), 2u);
    pieces += under_way.front().count;
    EXPECT_LE(under_way.front().count, 8u) << "256 KiB";
    come(under_way.front());
    under_way.erase(under_way.begin());
    for (const WebFetch& fetch : wait(100ms)) under_way.push_back(fetch);
  }
  EXPECT_EQ(pieces, 64u) << "each once";
  EXPECT_TRUE(engine_->complete());
  pass(20s);
  EXPECT_TRUE(take().empty());
}

TEST_F(WebSeedTest, what_a_peer_has_is_not_fetched) {
  make_with_web(64);
  const LinkId peer = connect(1, "-lt2080-");
  Bitfield theirs(64);
  for (std::uint32_t piece = 0; piece < 60; ++piece) theirs.set(PieceIndex(piece));
  say(peer, wire::Bitfield{theirs.to_wire()});
  std::vector<WebFetch> fetches;
  for (int i = 0; i < 20; ++i)
    for (const WebFetch& fetch : wait(1s)) {
      fetches.push_back(fetch);
      come(fetch);
    }
  ASSERT_EQ(fetches.size(), 1u);
  EXPECT_EQ(fetches[0], (WebFetch{0, PieceIndex(60), 4}));
}

TEST_F(WebSeedTest, nothing_is_fetched_while_a_peer_gives) {
  make_with_web(64);
  const LinkId peer = connect(1);
  for (std::uint32_t piece = 0; piece < 8; ++piece) {
    say(peer, wire::Have{PieceIndex(piece)});
    pass(700ms);
    for (const auto& request : out_.take<wire::Request>(peer)) deliver(peer, request.block);
    verify_all();
  }
  EXPECT_TRUE(take().empty());
  EXPECT_FALSE(wait(30s).empty()) << "then it gives no more";
}

TEST_F(WebSeedTest, a_seed_that_hides_its_pieces_has_ten_seconds) {
  make_with_web(64);
  const LinkId seeder = connect(1);
  wire::ExtensionHandshake hello;
  hello.upload_only = true;
  hello.max_block_bytes = piece_bytes;
  say(seeder, wire::Extended{0, wire::encode_extension_handshake(hello)});
  EXPECT_TRUE(wait(9900ms).empty());
  EXPECT_FALSE(wait(60s).empty()) << "it is of no use";
}

TEST_F(WebSeedTest, one_without_peers_asks_sparingly_when_the_tracker_knows_of_others) {
  make_with_web(640, 1, std::nullopt, true);
  AnnounceReply reply;
  reply.incomplete = 100;
  reply.interval_s = 60;
  engine_->on_tracker_reply(reply, now_);
  std::uint32_t pieces = 0;
  for (const Instant end = now_ + 3s; now_ < end;)
    for (const WebFetch& fetch : wait(100ms)) {
      pieces += fetch.count;
      come(fetch);
    }
  EXPECT_LT(pieces, 64u);
}

TEST_F(WebSeedTest, a_tracker_that_has_not_answered_yet_has_ten_seconds) {
  make_with_web(64, 1, std::nullopt, true);
  EXPECT_TRUE(wait(9900ms).empty());
  engine_->on_tracker_failed(now_);
  EXPECT_FALSE(wait(1s).empty());
}

TEST_F(WebSeedTest, a_seed_that_the_tracker_knows_has_ten_seconds) {
  make_with_web(64, 1, std::nullopt, true);
  AnnounceReply reply;
  reply.complete = 1;
  reply.interval_s = 60;
  engine_->on_tracker_reply(reply, now_);
  EXPECT_TRUE(wait(9900ms).empty());
  EXPECT_FALSE(wait(1s).empty());
}

TEST_F(WebSeedTest, a_server_that_fails_is_asked_less_and_less) {
  make_with_web(64);
  std::vector<Duration> waits;
  for (int i = 0; i < 12; ++i) {
    const auto fetches = wait(200s);
    ASSERT_FALSE(fetches.empty());
    const Instant failed = now_;
    for (const WebFetch& fetch : fetches) fail(fetch, WebOutcome::busy);
    pass(1ms);
    const auto next = wait(200s);
    ASSERT_EQ(next.size(), 1u) << "one at a time now";
    waits.push_back(now_ - failed);
    fail(next[0], WebOutcome::busy);
  }
  EXPECT_LT(waits.front(), 5s);
  EXPECT_GT(waits.back(), 29s);
  EXPECT_LT(waits.back(), 95s);
}

TEST_F(WebSeedTest, retry_after_is_respected) {
  make_with_web(64);
  for (const WebFetch& fetch : wait(2s)) fail(fetch, WebOutcome::busy, 120s);
  EXPECT_TRUE(wait(119s).empty());
  EXPECT_FALSE(wait(62s).empty());
}

TEST_F(WebSeedTest, a_server_with_wrong_data_is_never_asked_again_but_another_is) {
  make_with_web(64, 2);
  const auto fetches = wait(2s);
  ASSERT_EQ(fetches.size(), 2u);
  const std::size_t bad = fetches[0].source;
  fail(fetches[0], WebOutcome::wrong);
  if (fetches[1].source == bad)
    fail(fetches[1], WebOutcome::wrong);
  else
    come(fetches[1]);
  for (int i = 0; i < 20 && !engine_->complete(); ++i)
    for (const WebFetch& fetch : wait(1s)) {
      EXPECT_NE(fetch.source, bad);
      come(fetch);
    }
  EXPECT_TRUE(engine_->complete());
}

TEST_F(WebSeedTest, a_half_received_piece_of_a_lost_peer_is_fetched) {
  make_with_web(1);
  const LinkId peer = connect(1, "-lt2080-");
  say(peer, wire::Unchoke{});
  say(peer, wire::Have{PieceIndex(0)});
  const auto requests = out_.take<wire::Request>(peer);
  ASSERT_EQ(requests.size(), 2u);
  deliver(peer, requests[0].block);
  engine_->on_closed(peer, now_);
  const auto fetches = wait(2s);
  ASSERT_EQ(fetches.size(), 1u);
  come(fetches[0]);
  EXPECT_TRUE(engine_->complete());
}

TEST_F(WebSeedTest, what_is_fetched_counts_against_the_limit) {
  make_with_web(64, 1, Rate{piece_bytes});  // one piece a second
  std::uint32_t pieces = 0;
  pass(1s);
  for (const Instant end = now_ + 10s; now_ < end;)
    for (const WebFetch& fetch : wait(100ms)) {
      pieces += fetch.count;
      come(fetch);
    }
  EXPECT_GE(pieces, 8u);
  EXPECT_LE(pieces, 12u);
}

}  // namespace
}  // namespace murder::swarm
