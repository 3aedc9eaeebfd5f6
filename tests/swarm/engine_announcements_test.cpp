// When an engine tells the others what it has and how far it is.
#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;

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

}  // namespace
}  // namespace murder::swarm
