// The same stream means the same however the network cuts it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "loopback.hpp"
#include "recording_owner.hpp"

namespace murder::net::test {
namespace {

/// A stream and what it says.
struct Script {
  std::string bytes = wire::encode_handshake(handshake_of('R'));
  std::vector<wire::Message> messages;
  std::vector<wire::Block> blocks;

  void say(const wire::Message& message) {
    bytes += encoded(message);
    messages.push_back(message);
  }
  void send(const Payload& payload, const wire::Block& block) {
    bytes += encoded(wire::Piece{block});
    bytes += payload.bytes(block);
    blocks.push_back(block);
  }
};

void expect_heard(const RecordingOwner& owner, const Script& script, const Payload& payload) {
  EXPECT_EQ(owner.handshakes, std::vector{handshake_of('R')});
  EXPECT_EQ(owner.messages, script.messages);
  ASSERT_EQ(owner.ended, script.blocks);
  std::uint64_t bytes = 0;
  for (const wire::Block& block : script.blocks) {
    bytes += block.length;
    ASSERT_TRUE(owner.discard || owner.received(block) == payload.bytes(block)) << block.length;
  }
  EXPECT_EQ(owner.progress, bytes);
  EXPECT_EQ(owner.close_reason, "closed by the peer");
}

void play(const Script& script, const std::vector<std::size_t>& cuts, RecordingOwner& owner) {
  boost::asio::io_context io;
  auto [socket, raw] = raw_pair(io);
  owner.attach(std::move(socket));
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    ASSERT_TRUE(raw.write(io, std::string_view(script.bytes).substr(begin, cut - begin)));
    run_ready(io);
    begin = cut;
  }
  ASSERT_TRUE(raw.write(io, std::string_view(script.bytes).substr(begin)));
  // Everything is heard as soon as it is there, not only when the stream ends.
  EXPECT_TRUE(run_until(io, [&] {
    return owner.messages.size() == script.messages.size() &&
           owner.ended.size() == script.blocks.size();
  }));
  raw.close();
  ASSERT_TRUE(run_until(io, [&] { return owner.closed(); }));
  owner.connection.reset();  // before its loop goes
}

Script short_script(const Payload& payload) {
  Script script;
  script.say(wire::HaveNone{});
  script.say(wire::Extended{0, "d1:v6:murdere"});
  script.send(payload, {PieceIndex(1), 0, 20});
  script.send(payload, {PieceIndex(1), 20, 1});
  script.say(wire::KeepAlive{});
  script.send(payload, {PieceIndex(2), 7, 13});
  script.say(wire::Have{PieceIndex(5)});
  return script;
}

TEST(PeerStream, split_in_two_at_every_byte) {
  const Payload payload(100);
  const Script script = short_script(payload);
  for (std::size_t cut = 0; cut <= script.bytes.size(); ++cut) {
    SCOPED_TRACE(cut);
    RecordingOwner owner;
    play(script, {cut}, owner);
    expect_heard(owner, script, payload);
    if (HasFailure()) return;
  }
}

TEST(PeerStream, byte_by_byte) {
  const Payload payload(100);
  const Script script = short_script(payload);
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < script.bytes.size(); ++i) cuts.push_back(i);
  RecordingOwner owner;
  play(script, cuts, owner);
  expect_heard(owner, script, payload);
}

TEST(PeerStream, unwanted_blocks_split_at_every_byte) {
  const Payload payload(100);
  const Script script = short_script(payload);
  for (std::size_t cut = 0; cut <= script.bytes.size(); ++cut) {
    SCOPED_TRACE(cut);
    RecordingOwner owner;
    owner.discard = true;
    play(script, {cut}, owner);
    expect_heard(owner, script, payload);
    if (HasFailure()) return;
  }
}

TEST(PeerStream, a_message_longer_than_the_buffer_comes_in_pieces) {
  const Payload payload(40'000);
  Script script;
  script.say(wire::Extended{1, std::string(900'000, 'e')});
  script.send(payload, {PieceIndex(0), 0, 40'000});
  script.say(wire::Bitfield{std::string(70'000, '\xff')});
  RecordingOwner owner;
  play(script, {69, 10'000, 16'384 + 68, 500'000, 900'070, 950'000}, owner);
  expect_heard(owner, script, payload);
}

TEST(PeerStream, a_large_block_that_trickles_in_ends_with_its_last_byte) {
  const Payload payload(100'000);
  Script script;
  script.send(payload, {PieceIndex(0), 0, 100'000});
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 777; cut < script.bytes.size(); cut += 777) cuts.push_back(cut);
  cuts.push_back(script.bytes.size() - 1);
  RecordingOwner owner;
  play(script, cuts, owner);
  expect_heard(owner, script, payload);
}

RC_GTEST_PROP(PeerStreamProperty, any_stream_survives_any_cutting, ()) {
  static const Payload payload(524'288, 7);
  Script script;
  const auto items = *rc::gen::inRange(1, 40);
  for (int i = 0; i < items; ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
        script.say(wire::Have{PieceIndex(number)});
        break;
      case 1:
        script.say(wire::Request{{PieceIndex(number), 0, 16384}});
        break;
      case 2:
        script.say(wire::Extended{3, std::string(*rc::gen::inRange<std::size_t>(0, 40'000), 'p')});
        break;
      default: {
        const auto length =
            *rc::gen::oneOf(rc::gen::inRange(1u, 64u), rc::gen::inRange(1u, 40'000u),
                            rc::gen::element(16'384u, 131'072u));
        const auto begin = *rc::gen::inRange(0u, 524'288u - length);
        script.send(payload, {PieceIndex(number), begin, length});
      }
    }
  }
  auto cuts = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::inRange<std::size_t>(0, script.bytes.size()));
  std::sort(cuts.begin(), cuts.end());
  RecordingOwner owner;
  owner.discard = *rc::gen::weightedElement<bool>({{4, false}, {1, true}});
  play(script, cuts, owner);
  expect_heard(owner, script, payload);
  RC_ASSERT(!::testing::Test::HasFailure());
}

}  // namespace
}  // namespace murder::net::test
