// Strangers, liars, the slow and the dead: each is closed once, with a reason that says why.
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <gtest/gtest.h>

#include "loopback.hpp"
#include "net/signals.hpp"
#include "recording_owner.hpp"

namespace murder::net::test {
namespace {

using ::testing::Test;

class HostilePeer : public Test {
 protected:
  void SetUp() override { ignore_sigpipe(); }
  void connect(Duration handshake_timeout = std::chrono::seconds(10)) {
    auto [one, other] = raw_pair(io);
    raw = std::move(other);
    owner.attach(std::move(one), handshake_timeout);
  }
  void shake_hands() {
    ASSERT_TRUE(raw.write(io, wire::encode_handshake(handshake_of('R'))));
    ASSERT_TRUE(run_until(io, [&] { return !owner.handshakes.empty(); }));
  }
  /// The reason, once it is closed.
  std::string reason() {
    EXPECT_TRUE(run_until(io, [&] { return owner.closed(); }));
    run_ready(io);
    EXPECT_EQ(owner.closed_count, 1);
    return owner.close_reason;
  }

  boost::asio::io_context io;
  RecordingOwner owner;
  RawSocket raw;
};

TEST_F(HostilePeer, a_web_browser_is_told_apart_at_its_first_bytes) {
  connect();
  ASSERT_TRUE(raw.write(io, "GET /announce HTTP/1.1\r\nHost: x\r\n"));
  EXPECT_EQ(reason(), "not BitTorrent: it began with \"GET /announce HTTP/1.1\"");
  EXPECT_TRUE(raw.read_until_end(io));
}

TEST_F(HostilePeer, binary_noise_does_not_reach_the_log_raw) {
  connect();
  ASSERT_TRUE(raw.write(io, std::string("\x16\x03\x01\xff\x1b[2J", 8)));
  EXPECT_EQ(reason(), "not BitTorrent: it began with bytes 160301ff1b5b324a");
}

TEST_F(HostilePeer, a_handshake_wrong_at_any_byte_is_refused) {
  for (std::size_t at = 0; at < 20; ++at) {
    SCOPED_TRACE(at);
    owner = RecordingOwner();
    connect();
    std::string bytes = wire::encode_handshake(handshake_of('R'));
    bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
    ASSERT_TRUE(raw.write(io, bytes));
    EXPECT_TRUE(reason().starts_with("not BitTorrent: "));
    EXPECT_TRUE(owner.handshakes.empty());
  }
}

TEST_F(HostilePeer, one_that_says_nothing_is_closed_in_time) {
  connect(std::chrono::milliseconds(20));
  EXPECT_EQ(reason(), "no handshake within 20 ms");
}

TEST_F(HostilePeer, one_that_stops_within_its_handshake_is_closed_in_time) {
  connect(std::chrono::milliseconds(20));
  ASSERT_TRUE(raw.write(io, wire::encode_handshake(handshake_of('R')).substr(0, 67)));
  EXPECT_EQ(reason(), "no handshake within 20 ms");
}

TEST_F(HostilePeer, the_handshake_timeout_ends_with_the_handshake) {
  connect(std::chrono::milliseconds(50));
  shake_hands();
  bool later = false;
  boost::asio::steady_timer timer(io, std::chrono::milliseconds(100));
  timer.async_wait([&](const boost::system::error_code&) { later = true; });
  ASSERT_TRUE(run_until(io, [&] { return later; }));
  EXPECT_FALSE(owner.closed());
}

TEST_F(HostilePeer, a_stream_cut_short_says_where) {
  const std::string handshake = wire::encode_handshake(handshake_of('R'));
  const std::string piece = encoded(wire::Piece{{PieceIndex(1), 0, 1000}});
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "closed by the peer before its handshake"},
      {handshake.substr(0, 40), "closed by the peer before its handshake"},
      {handshake, "closed by the peer"},
      {handshake + encoded(wire::Have{}), "closed by the peer"},
      {handshake + encoded(wire::Have{}).substr(0, 6),
       "closed by the peer in the middle of a message"},
      {handshake + piece.substr(0, 12), "closed by the peer in the middle of a message"},
      {handshake + piece, "closed by the peer in the middle of a block"},
      {handshake + piece + std::string(999, 'x'), "closed by the peer in the middle of a block"},
      {handshake + piece + std::string(1000, 'x'), "closed by the peer"}};
  for (const auto& [bytes, expected] : cases) {
    SCOPED_TRACE(bytes.size());
    owner = RecordingOwner();
    connect();
    ASSERT_TRUE(raw.write(io, bytes));
    raw.close();
    EXPECT_EQ(reason(), expected);
  }
}

TEST_F(HostilePeer, a_huge_length_is_refused_at_its_prefix) {
  connect();
  shake_hands();
  ASSERT_TRUE(raw.write(io, "\xff\xff\xff\xff"));
  EXPECT_TRUE(reason().starts_with("malformed message: ")) << owner.close_reason;
}

TEST_F(HostilePeer, a_block_beyond_the_limit_is_refused_before_its_data) {
  owner.limits.max_block_bytes = 128 * 1024;
  connect();
  shake_hands();
  ASSERT_TRUE(raw.write(io, encoded(wire::Piece{{PieceIndex(0), 0, 128 * 1024 + 1}})));
  EXPECT_TRUE(owner.begun.empty());
  // Within max_message_bytes, so only the id tells.
  EXPECT_TRUE(reason().starts_with("malformed message: ")) << owner.close_reason;
  EXPECT_TRUE(owner.begun.empty());
}

TEST_F(HostilePeer, a_message_of_a_wrong_length_is_refused) {
  connect();
  shake_hands();
  ASSERT_TRUE(raw.write(io, std::string("\0\0\0\2\4\0", 6)));  // a `have` without an index
  EXPECT_TRUE(reason().starts_with("malformed message: ")) << owner.close_reason;
  EXPECT_TRUE(owner.messages.empty());
}

TEST_F(HostilePeer, one_that_never_reads_is_closed_before_its_messages_eat_the_memory) {
  connect();
  shake_hands();
  const wire::Message message = wire::Extended{1, std::string(100'000, 'x')};
  std::size_t sent = 0;
  while (sent < 1000 && !owner.closed()) {
    owner.quietly([&] { owner.connection->send(message); });
    ++sent;
    run_ready(io);
  }
  EXPECT_EQ(reason(), "the peer does not read: 4 MiB of messages wait for it");
  EXPECT_GT(sent, 41u);
}

TEST_F(HostilePeer, a_reset_is_told_as_one) {
  connect();
  shake_hands();
  raw.reset();
  EXPECT_EQ(reason(), "connection lost: Connection reset by peer");
}

TEST_F(HostilePeer, the_last_block_before_a_reset_is_not_lost) {
  const Payload payload(50'000);
  connect();
  shake_hands();
  const OutgoingBlock block = payload.block(3, 0, 50'000);
  ASSERT_TRUE(raw.write(io, encoded(wire::Piece{block.block}).append(payload.bytes(block.block))));
  raw.reset();
  // Our write meets the reset before the loop has read anything.
  owner.connection->send(wire::Have{PieceIndex(1)});
  owner.upload(payload.block(1, 0, 1000));
  EXPECT_FALSE(reason().empty());
  ASSERT_EQ(owner.ended, std::vector{block.block});
  EXPECT_TRUE(owner.received(block.block) == payload.bytes(block.block));
}

TEST_F(HostilePeer, uploading_to_a_peer_that_is_gone_does_not_end_the_process) {
  const Payload payload(1u << 20);
  connect();
  shake_hands();
  for (std::uint32_t i = 0; i < 100; ++i) owner.upload(payload.block(i, 0, 1u << 20));
  run_ready(io);  // half-way through a block
  raw.reset();
  EXPECT_FALSE(reason().empty());
  EXPECT_LT(owner.sent.size(), 100u);
}

TEST_F(HostilePeer, a_file_shorter_than_promised_ends_the_connection) {
  const Payload payload(1000);
  connect();
  shake_hands();
  OutgoingBlock block = payload.block(7, 0, 16384);
  owner.upload(block);
  EXPECT_EQ(reason(), "cannot send bytes 0 to 16384 of piece 7: the file is shorter");
  EXPECT_TRUE(owner.sent.empty());
}

TEST_F(HostilePeer, a_file_that_cannot_be_read_ends_the_connection) {
  connect();
  shake_hands();
  const UniqueFd write_only(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  owner.upload({{PieceIndex(7), 0, 16384}, write_only.get(), 0});
  EXPECT_EQ(reason(), "cannot send bytes 0 to 16384 of piece 7: Bad file descriptor");
}

TEST_F(HostilePeer, a_half_sent_block_is_not_followed_by_other_bytes_at_close) {
  const Payload payload(1u << 20);
  connect();
  shake_hands();
  for (std::uint32_t i = 0; i < 100; ++i) owner.upload(payload.block(i, 0, 1u << 20));
  run_ready(io);
  ASSERT_EQ(owner.asked, owner.sent.size() + 1);
  raw.read();  // there is room again, but the loop has not run to hear of it
  owner.connection->send(wire::Have{PieceIndex(1)});
  owner.connection->close("enough");
  EXPECT_EQ(reason(), "enough");
  raw.read_until_end(io);
  const std::size_t whole_blocks = raw.received().size() / ((1u << 20) + 13);
  const std::size_t rest = raw.received().size() % ((1u << 20) + 13);
  ASSERT_GE(rest, 13u);
  const std::string_view last =
      std::string_view(raw.received()).substr(raw.received().size() - rest + 13);
  const wire::Block block{PieceIndex(static_cast<std::uint32_t>(whole_blocks)), 0, 1u << 20};
  EXPECT_TRUE(payload.bytes(block).starts_with(last));
}

TEST_F(HostilePeer, what_was_queued_before_close_still_goes_out) {
  connect();
  shake_hands();
  owner.connection->send(wire::Have{PieceIndex(1)});
  owner.connection->close("enough");
  ASSERT_TRUE(raw.read_until_end(io));
  EXPECT_EQ(raw.received(), encoded(wire::Have{PieceIndex(1)}));
}

TEST(IgnoreSigpipe, children_get_the_default_back) {
  struct sigaction before {};
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(SIGPIPE, &standard, &before);
  ignore_sigpipe();
  EXPECT_EQ(::raise(SIGPIPE), 0);
  FILE* child = ::popen("grep -E '^Sig(Ign|Blk)' /proc/self/status", "r");
  ASSERT_NE(child, nullptr);
  unsigned long long ignored = ~0ull;
  unsigned long long blocked = ~0ull;
  EXPECT_EQ(std::fscanf(child, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
  ::pclose(child);
  EXPECT_EQ((ignored | blocked) & (1ull << (SIGPIPE - 1)), 0u);
  ::sigaction(SIGPIPE, &before, nullptr);
}

}  // namespace
}  // namespace murder::net::test
