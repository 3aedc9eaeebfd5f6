// What two connections say to each other arrives: whole, in order, and control before bulk.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>
#include <poll.h>
#include <thread>

#include "loopback.hpp"
#include "recording_owner.hpp"

namespace murder::net::test {
namespace {

class PeerExchange : public ::testing::Test {
 protected:
  void connect() {
    auto [one, other] = socket_pair(io);
    left.attach(std::move(one));
    right.attach(std::move(other));
  }
  /// Attaches `left` alone; the far end is driven by hand.
  void connect_raw() {
    auto [one, other] = raw_pair(io);
    raw = std::move(other);
    left.attach(std::move(one));
    ASSERT_TRUE(raw.write(io, wire::encode_handshake(handshake_of('R'))));
    ASSERT_TRUE(run_until(io, [&] { return !left.handshakes.empty(); }));
  }
  void shake_hands() {
    left.connection->send_handshake(handshake_of('L'));
    right.connection->send_handshake(handshake_of('R'));
    ASSERT_TRUE(
        run_until(io, [&] { return !left.handshakes.empty() && !right.handshakes.empty(); }));
  }

  boost::asio::io_context io;
  RecordingOwner left;
  RecordingOwner right;
  RawSocket raw;
};

std::vector<wire::Message> every_control_message() {
  const wire::Block block{PieceIndex(7), 16384, 16384};
  return {wire::KeepAlive{},
          wire::Choke{},
          wire::Unchoke{},
          wire::Interested{},
          wire::NotInterested{},
          wire::Have{PieceIndex(3)},
          wire::Bitfield{std::string(100'000, '\xa5')},
          wire::Request{block},
          wire::Cancel{block},
          wire::Port{6881},
          wire::Suggest{PieceIndex(4)},
          wire::HaveAll{},
          wire::HaveNone{},
          wire::Reject{block},
          wire::AllowedFast{PieceIndex(5)},
          wire::Extended{0, "d1:md6:ut_pexi1eee"},
          wire::Extended{2, std::string(300'000, 'x')}};
}

TEST_F(PeerExchange, handshakes_arrive_as_sent) {
  connect();
  shake_hands();
  EXPECT_EQ(left.handshakes, std::vector{handshake_of('R')});
  EXPECT_EQ(right.handshakes, std::vector{handshake_of('L')});
}

TEST_F(PeerExchange, every_control_message_arrives_in_order_both_ways) {
  connect();
  shake_hands();
  for (const wire::Message& message : every_control_message()) {
    left.quietly([&] { left.connection->send(message); });
    right.quietly([&] { right.connection->send(message); });
  }
  const std::size_t count = every_control_message().size();
  ASSERT_TRUE(run_until(
      io, [&] { return left.messages.size() == count && right.messages.size() == count; }));
  EXPECT_EQ(left.messages, every_control_message());
  EXPECT_EQ(right.messages, every_control_message());
}

TEST_F(PeerExchange, messages_sent_before_the_peers_handshake_follow_ours) {
  connect();
  left.connection->send_handshake(handshake_of('L'));
  left.connection->send(wire::HaveAll{});
  ASSERT_TRUE(run_until(io, [&] { return right.messages.size() == 1; }));
  EXPECT_EQ(right.messages[0], wire::Message(wire::HaveAll{}));
}

TEST_F(PeerExchange, blocks_of_every_size_arrive_whole_both_ways_at_once) {
  const Payload payload(3u << 20);
  connect();
  shake_hands();
  std::vector<wire::Block> blocks;
  std::uint32_t begin = 0;
  for (const std::uint32_t length :
       {1u, 2u, 12u, 13u, 14u, 1011u, 1023u, 1024u, 1025u, 4096u, 16371u, 16383u, 16384u, 16385u,
        32768u, 65535u, 131072u, 262143u, 1u << 20}) {
    left.upload(payload.block(length, begin, length));
    right.upload(payload.block_in_memory(length, begin, length));
    blocks.push_back({PieceIndex(length), begin, length});
    begin += length;
  }
  ASSERT_TRUE(run_until(io, [&] {
    return left.ended.size() == blocks.size() && right.ended.size() == blocks.size();
  }));
  for (const RecordingOwner* owner : {&left, &right}) {
    EXPECT_EQ(owner->ended, blocks);
    EXPECT_EQ(owner->sent, blocks);
    EXPECT_EQ(owner->progress, begin);
    for (const wire::Block& block : blocks)
      EXPECT_TRUE(owner->received(block) == payload.bytes(block)) << block.length;
  }
}

TEST_F(PeerExchange, messages_between_blocks_do_not_disturb_them) {
  const Payload payload(2u << 20);
  connect();
  shake_hands();
  std::uint32_t haves = 0;
  left.hook = [&](Event event) {
    if (event == Event::block_sent)
      for (int i = 0; i < 300; ++i) left.connection->send(wire::Have{PieceIndex(haves++)});
  };
  for (std::uint32_t i = 0; i < 40; ++i) left.upload(payload.block(i, i * 50'000, 50'000));
  ASSERT_TRUE(run_until(io, [&] { return right.messages.size() == 12'000; }));
  for (std::uint32_t i = 0; i < haves; ++i) {
    ASSERT_EQ(right.messages[i], wire::Message(wire::Have{PieceIndex(i)}));
    ASSERT_EQ(right.blocks_before[i], i / 300 + 1);
  }
  for (const wire::Block& block : right.ended)
    EXPECT_TRUE(right.received(block) == payload.bytes(block));
}

TEST_F(PeerExchange, a_have_overtakes_the_blocks_that_are_queued) {
  const Payload payload(1u << 20);
  connect();
  shake_hands();
  left.hook = [&](Event event) {
    if (event == Event::block_sent && left.sent.size() == 1)
      left.connection->send(wire::Have{PieceIndex(9)});
  };
  for (std::uint32_t i = 0; i < 100; ++i) left.upload(payload.block(i, 0, 131'072));
  ASSERT_TRUE(run_until(io, [&] { return right.ended.size() == 100; }));
  ASSERT_EQ(right.messages.size(), 1u);
  EXPECT_EQ(right.blocks_before[0], 1u);
}

/// What the wire holds up to the first `have`: how many blocks.
std::size_t blocks_before_have(std::string_view stream) {
  std::size_t blocks = 0;
  while (!stream.empty()) {
    const wire::Decoded decoded = wire::decode(stream, {});
    if (decoded.status != wire::Decoded::Status::message) break;
    stream.remove_prefix(decoded.consumed);
    if (std::holds_alternative<wire::Have>(decoded.message)) return blocks;
    if (const auto* piece = std::get_if<wire::Piece>(&decoded.message)) {
      stream.remove_prefix(std::min<std::size_t>(stream.size(), piece->block.length));
      ++blocks;
    }
  }
  ADD_FAILURE() << "no have";
  return 0;
}

TEST_F(PeerExchange, a_full_socket_neither_takes_another_block_nor_holds_up_a_have) {
  constexpr std::uint32_t length = 1u << 20;
  const Payload payload(length);
  connect_raw();
  constexpr std::size_t count = 30;
  for (std::uint32_t i = 0; i < count; ++i) left.upload(payload.block(i, 0, length));
  run_ready(io);  // the far end does not read: this ends when the socket is full
  const std::size_t begun = left.asked;
  ASSERT_EQ(begun, left.sent.size() + 1) << "half-way through a block";
  left.connection->send(wire::Have{PieceIndex(9)});
  run_ready(io);
  ASSERT_TRUE(raw.read_until_size(io, count * (length + 13) + 9));
  EXPECT_EQ(blocks_before_have(raw.received()), begun);
}

TEST_F(PeerExchange, a_full_socket_is_noticed_before_the_next_block_is_begun) {
  const Payload payload(1000);
  connect_raw();
  constexpr std::size_t count = 40'000;
  for (std::uint32_t i = 0; i < count; ++i) left.upload(payload.block(i, 0, 1000));
  run_ready(io);
  ASSERT_LT(left.asked, count) << "the kernel took everything; the test needs more blocks";
  EXPECT_EQ(left.asked, left.sent.size()) << "a block is stuck half-way, and control behind it";
}

TEST_F(PeerExchange, an_upload_that_ran_dry_goes_on_when_woken) {
  const Payload payload(65'536);
  connect();
  shake_hands();
  for (std::uint32_t i = 1; i <= 3; ++i) {
    left.upload(payload.block(i, 0, 5000));
    ASSERT_TRUE(run_until(io, [&] { return right.ended.size() == i; }));
    run_ready(io);
    EXPECT_EQ(left.asked, i);
  }
}

TEST_F(PeerExchange, a_block_found_from_inside_next_block_is_not_forgotten) {
  const Payload payload(65'536);
  connect();
  shake_hands();
  bool woken = false;
  left.hook = [&](Event event) {
    if (event != Event::next_block || std::exchange(woken, true)) return;
    left.upload(payload.block(1, 0, 5000));
    left.connection->send(wire::Have{PieceIndex(1)});
  };
  left.connection->wake_upload();  // there is nothing yet
  ASSERT_TRUE(run_until(io, [&] { return right.ended.size() == 1 && right.messages.size() == 1; }));
}

TEST_F(PeerExchange, unwanted_blocks_are_thrown_away_and_the_stream_goes_on) {
  const Payload payload(2u << 20);
  connect();
  shake_hands();
  right.discard = true;
  left.hook = [&](Event event) {
    if (event == Event::block_sent) left.connection->send(wire::Have{PieceIndex(1)});
  };
  for (const std::uint32_t length : {1u, 1000u, 20'000u, 1u << 20})
    left.upload(payload.block(0, 0, length));
  ASSERT_TRUE(run_until(io, [&] { return right.messages.size() == 4; }));
  EXPECT_EQ(right.ended.size(), 4u);
  EXPECT_EQ(right.progress, 1u + 1000 + 20'000 + (1u << 20));
  right.discard = false;
  left.upload(payload.block(5, 77, 50'000));
  ASSERT_TRUE(run_until(io, [&] { return right.ended.size() == 5; }));
  EXPECT_TRUE(right.received(right.ended.back()) == payload.bytes(right.ended.back()));
}

TEST_F(PeerExchange, the_messages_of_one_turn_share_a_segment) {
  connect_raw();
  const unsigned before = raw.data_segments_in();
  for (std::uint32_t i = 0; i < 50; ++i) left.connection->send(wire::Have{PieceIndex(i)});
  ASSERT_TRUE(raw.read_until_size(io, 450));
  EXPECT_EQ(raw.data_segments_in(), before + 1);
}

TEST_F(PeerExchange, a_blocks_header_leaves_with_its_data) {
  const Payload payload(1000);
  connect_raw();
  const unsigned before = raw.data_segments_in();
  left.upload(payload.block(0, 0, 1000));
  ASSERT_TRUE(raw.read_until_size(io, 1013));
  EXPECT_EQ(raw.data_segments_in(), before + 1);
}

TEST_F(PeerExchange, what_is_said_when_a_block_is_given_leaves_before_it_in_its_segment) {
  const Payload payload(1000);
  connect_raw();
  bool said = false;
  left.hook = [&](Event event) {
    if (event == Event::next_block && !std::exchange(said, true))
      left.connection->send(wire::Have{PieceIndex(9)});
  };
  const unsigned before = raw.data_segments_in();
  left.upload(payload.block(0, 0, 1000));
  ASSERT_TRUE(raw.read_until_size(io, 9 + 1013));
  EXPECT_EQ(raw.data_segments_in(), before + 1);
  std::string expected;
  wire::append(expected, wire::Have{PieceIndex(9)});
  wire::append(expected, wire::Piece{wire::Block{PieceIndex(0), 0, 1000}});
  EXPECT_EQ(raw.received().substr(0, expected.size()), expected);
}

TEST_F(PeerExchange, a_busy_upload_leaves_others_their_turn) {
  constexpr std::uint32_t length = 16'384;
  constexpr std::size_t count = 4000;
  const Payload payload(length);
  connect_raw();
  std::size_t in_turn = 0;
  std::size_t most_in_turn = 0;
  left.hook = [&](Event event) {
    if (event != Event::block_sent) return;
    if (in_turn == 0) boost::asio::post(io, [&] { in_turn = 0; });
    in_turn += length;
    most_in_turn = std::max(most_in_turn, in_turn);
  };
  // A reader that keeps up: without a budget the whole upload could be one turn.
  std::thread reader([fd = raw.fd()] {
    std::vector<char> buffer(1u << 20);
    pollfd readable{fd, POLLIN, 0};
    for (std::size_t left_over = count * (length + 13u); left_over > 0;) {
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got > 0)
        left_over -= static_cast<std::size_t>(got);
      else if (got == 0 || ::poll(&readable, 1, 20'000) <= 0)
        return;
    }
  });
  for (std::uint32_t i = 0; i < count; ++i) left.upload(payload.block(i, 0, length));
  EXPECT_TRUE(run_until(io, [&] { return left.sent.size() == count; }));
  if (left.sent.size() < count) left.connection->close("failed");  // lets the reader end
  reader.join();
  EXPECT_LE(most_in_turn, 256u * 1024 + length);
}

TEST_F(PeerExchange, the_kernels_round_trip_is_told) {
  connect();
  shake_hands();
  EXPECT_GT(left.connection->round_trip(), Duration::zero());
  EXPECT_LT(left.connection->round_trip(), std::chrono::seconds(1));
  left.connection->close("enough");
  EXPECT_EQ(left.connection->round_trip(), Duration::zero());
}

TEST_F(PeerExchange, addresses_are_known_also_after_the_end) {
  connect();
  const Endpoint local = left.connection->local();
  EXPECT_EQ(local.address, loopback().address);
  EXPECT_EQ(local, right.connection->remote());
  left.connection->close("enough");
  ASSERT_TRUE(run_until(io, [&] { return left.closed() && right.closed(); }));
  EXPECT_EQ(left.connection->local(), local);
  EXPECT_EQ(right.connection->remote(), local);
}

}  // namespace
}  // namespace murder::net::test
