// The owner may end a connection from anywhere, and go away itself; nothing is called afterwards.
// AddressSanitizer is the judge of half of this.
#include <gtest/gtest.h>
#include <tuple>

#include "loopback.hpp"
#include "recording_owner.hpp"

namespace murder::net::test {
namespace {

enum class Ending { close, abandon, drop, close_and_drop, destroy_owner };

constexpr Event every_event[] = {Event::handshake, Event::message,   Event::block_begin,
                                 Event::progress,  Event::block_end, Event::next_block,
                                 Event::block_sent};
constexpr Ending every_ending[] = {Ending::close, Ending::abandon, Ending::drop,
                                   Ending::close_and_drop, Ending::destroy_owner};

const char* name_of(Event event) {
  static constexpr const char* names[] = {"handshake", "message",    "block_begin", "progress",
                                          "block_end", "next_block", "block_sent"};
  return names[static_cast<std::size_t>(event)];
}

const char* name_of(Ending ending) {
  static constexpr const char* names[] = {"close", "abandon", "drop", "close_and_drop",
                                          "destroy_owner"};
  return names[static_cast<std::size_t>(ending)];
}

class EndedInside : public ::testing::TestWithParam<std::tuple<Event, Ending>> {};

TEST_P(EndedInside, a_callback) {
  const auto [when, how] = GetParam();
  const Payload payload(300'000);
  boost::asio::io_context io;
  auto [socket, raw] = raw_pair(io);
  auto owner = std::make_unique<RecordingOwner>();
  owner->attach(std::move(socket));
  const std::weak_ptr<PeerConnection> watch = owner->connection;
  for (std::uint32_t i = 0; i < 3; ++i) owner->upload(payload.block(i, 0, 100'000));

  bool happened = false;
  const auto end = [&, how = how] {
    happened = true;
    RecordingOwner& it = *owner;
    switch (how) {
      case Ending::close:
        it.quietly([&] { it.connection->close("enough"); });
        it.quietly([&] { it.connection->close("twice"); });
        break;
      case Ending::abandon:
        it.over = true;
        it.connection->abandon();
        break;
      case Ending::drop:
        it.over = true;
        it.connection.reset();
        break;
      case Ending::close_and_drop:
        it.connection->close("enough");
        it.connection.reset();
        break;
      case Ending::destroy_owner:
        it.connection->abandon();
        owner.reset();
        break;
    }
  };
  owner->hook = [&, when = when](Event event) {
    if (happened)
      ADD_FAILURE() << "a callback after the end";
    else if (event == when)
      end();
  };
  std::string stream = wire::encode_handshake(handshake_of('R')) + encoded(wire::Have{});
  for (std::uint32_t i = 0; i < 3; ++i) {
    const OutgoingBlock block = payload.block(i, 0, 100'000);
    stream += encoded(wire::Piece{block.block});
    stream += payload.bytes(block.block);
  }
  (void)raw.write(io, stream);  // fails when the end comes early
  ASSERT_TRUE(raw.read_until_end(io));
  run_ready(io);

  EXPECT_TRUE(happened);
  const bool told = how == Ending::close || how == Ending::close_and_drop;
  if (owner) {
    EXPECT_EQ(owner->closed_count, told ? 1 : 0);
    EXPECT_EQ(owner->close_reason, told ? "enough" : "");
    owner->connection.reset();
  }
  EXPECT_TRUE(watch.expired()) << "something still holds the connection";
}

INSTANTIATE_TEST_SUITE_P(PeerLifetime, EndedInside,
                         ::testing::Combine(::testing::ValuesIn(every_event),
                                            ::testing::ValuesIn(every_ending)),
                         [](const auto& info) {
                           return std::string(name_of(std::get<1>(info.param))) + "_inside_" +
                                  name_of(std::get<0>(info.param));
                         });

class PeerLifetime : public ::testing::Test {
 protected:
  void SetUp() override {
    auto [socket, far_end] = raw_pair(io);
    raw = std::move(far_end);
    owner.attach(std::move(socket));
    ASSERT_TRUE(raw.write(io, wire::encode_handshake(handshake_of('R'))));
    ASSERT_TRUE(run_until(io, [&] { return !owner.handshakes.empty(); }));
  }

  boost::asio::io_context io;
  RecordingOwner owner;
  RawSocket raw;
};

TEST_F(PeerLifetime, nothing_is_written_to_a_blocks_place_after_close) {
  ASSERT_TRUE(
      raw.write(io, encoded(wire::Piece{{PieceIndex(0), 0, 100'000}}) + std::string(50'000, 'x')));
  ASSERT_TRUE(run_until(io, [&] { return owner.progress > 0; }));
  owner.connection->close("enough");
  owner.data.clear();  // the memory is gone
  (void)raw.write(io, std::string(50'000, 'x'));
  ASSERT_TRUE(run_until(io, [&] { return owner.closed(); }));
  EXPECT_TRUE(owner.ended.empty());
}

TEST_F(PeerLifetime, a_closed_connection_takes_no_harm_from_further_calls) {
  owner.connection->close("enough");
  for (int i = 0; i < 2; ++i) {
    owner.connection->send(wire::Have{});
    owner.connection->send_handshake(handshake_of('L'));
    owner.connection->wake_upload();
    owner.connection->close("again");
    run_ready(io);
    EXPECT_EQ(owner.closed_count, 1);
  }
  owner.connection->abandon();
  EXPECT_EQ(owner.close_reason, "enough");
}

TEST_F(PeerLifetime, a_close_by_the_owner_and_one_by_the_peer_are_told_once) {
  raw.reset();
  owner.connection->close("enough");
  ASSERT_TRUE(run_until(io, [&] { return owner.closed(); }));
  run_ready(io);
  EXPECT_EQ(owner.closed_count, 1);
  EXPECT_EQ(owner.close_reason, "enough");
}

TEST_F(PeerLifetime, abandon_after_close_keeps_the_end_quiet) {
  owner.connection->close("enough");
  owner.over = true;
  owner.connection->abandon();
  run_ready(io);
  EXPECT_EQ(owner.closed_count, 0);
}

TEST_F(PeerLifetime, an_owner_that_goes_away_after_a_loss_is_not_told) {
  ASSERT_TRUE(raw.write(io, "\xff\xff\xff\xff"));
  // The loss is noticed in one handler and told in the next; between them the owner drops it.
  while (owner.connection->round_trip() != Duration::zero()) {
    io.restart();
    io.poll_one();
  }
  ASSERT_EQ(owner.closed_count, 0);
  owner.over = true;
  owner.connection.reset();
  run_ready(io);
}

TEST_F(PeerLifetime, the_loop_may_be_destroyed_under_open_connections) {
  auto loop = std::make_unique<boost::asio::io_context>();
  RecordingOwner idle;
  RecordingOwner closing;
  {
    auto [one, other] = socket_pair(*loop);
    idle.attach(std::move(one));
    closing.attach(std::move(other));
  }
  idle.connection->send(wire::Have{});
  closing.connection->close("never told");
  closing.connection.reset();
  idle.connection.reset();
  loop.reset();
  EXPECT_EQ(closing.closed_count, 0);
}

}  // namespace
}  // namespace murder::net::test
