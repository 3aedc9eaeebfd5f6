// An announce to a UDP tracker, in virtual time: what is sent when, and what answers do.
#include "bittorrent/udp_exchange.hpp"

#include <gtest/gtest.h>

#include "bittorrent/support.hpp"

namespace murder::udp_tracker {
namespace {

using murder::testing::unhex;
using namespace std::chrono_literals;

constexpr std::uint64_t granted = 0x8877665544332211;

class UdpExchange : public ::testing::Test {
 protected:
  Exchange begin(std::optional<Connection> known = std::nullopt) {
    AnnounceRequest request;
    request.info_hash = *InfoHash::from_bytes("aaaaaaaaaabbbbbbbbbb");
    request.peer_id = *PeerId::from_bytes("-MU0100-cccccccccccc");
    request.port = 8999;
    return {{request, 7, "/announce", false}, known, random, now};
  }
  /// The one packet that is due now.
  std::string take(Exchange& exchange) {
    EXPECT_LE(exchange.next_due(), now);
    const auto packet = exchange.take_due(now);
    EXPECT_TRUE(packet);
    EXPECT_FALSE(exchange.take_due(now)) << "twice";
    return packet.value_or("");
  }
  /// How long after now something is sent when nothing comes.
  std::vector<Duration> sending_times(Exchange& exchange, Duration until) {
    const Instant start = now;
    std::vector<Duration> times;
    for (; exchange.next_due() <= start + until; now = exchange.next_due())
      if (exchange.take_due(now)) times.push_back(now - start);
    return times;
  }
  static bool is_connect(const std::string& packet) {
    return packet.size() == 16 && packet.starts_with(unhex("0000041727101980 00000000"));
  }
  static bool is_announce(const std::string& packet, const std::string& connection) {
    return packet.size() == 98 + 11 && packet.starts_with(connection + unhex("00000001"));
  }
  static std::string transaction(const std::string& packet) { return packet.substr(12, 4); }
  static std::string grant(const std::string& connect) {
    return unhex("00000000") + transaction(connect) + unhex("8877665544332211");
  }
  static std::string answer(const std::string& announce) {
    return unhex("00000001") + transaction(announce) +
           unhex("00000708 00000003 00000002 c6120001 2327");
  }
  static std::string refusal(const std::string& packet, const std::string& words) {
    return unhex("00000003") + transaction(packet) + words;
  }

  Random random{1};
  Instant now{1h};
  const std::string granted_bytes = unhex("8877665544332211");
};

TEST_F(UdpExchange, a_connection_is_asked_for_and_then_announced_over) {
  Exchange exchange = begin();
  const std::string connect = take(exchange);
  EXPECT_TRUE(is_connect(connect));
  exchange.on_packet(grant(connect), now);
  const std::string announce = take(exchange);
  EXPECT_TRUE(is_announce(announce, granted_bytes));
  EXPECT_NE(transaction(announce), transaction(connect));
  EXPECT_TRUE(announce.ends_with("\x02\x09/announce"));
  EXPECT_FALSE(exchange.done());
  exchange.on_packet(answer(announce), now);
  ASSERT_TRUE(exchange.done());
  EXPECT_EQ(exchange.problem(), "");
  EXPECT_EQ(exchange.answer().interval_s, 1800u);
  EXPECT_EQ(exchange.answer().peers.size(), 1u);
  EXPECT_FALSE(exchange.take_due(now + 1h));
  ASSERT_TRUE(exchange.connection());
  EXPECT_EQ(exchange.connection()->id, ConnectionId(granted));
  EXPECT_EQ(exchange.connection()->until, now + 60s);
}

TEST_F(UdpExchange, what_is_lost_is_sent_again_after_1_2_and_4_seconds) {
  Exchange exchange = begin();
  EXPECT_EQ(sending_times(exchange, 14s), (std::vector<Duration>{0s, 1s, 3s, 7s}));
}

TEST_F(UdpExchange, the_second_step_begins_with_a_second_again) {
  Exchange exchange = begin();
  const std::string connect = take(exchange);
  now += 1s;
  EXPECT_EQ(take(exchange), connect) << "the same packet, so that either's answer will do";
  now += 900ms;
  exchange.on_packet(grant(connect), now);
  const std::string announce = take(exchange);
  now += 999ms;
  EXPECT_FALSE(exchange.take_due(now));
  now += 1ms;
  EXPECT_EQ(take(exchange), announce);
  now += 2s;
  EXPECT_EQ(take(exchange), announce);
  exchange.on_packet(answer(announce), now);
  EXPECT_TRUE(exchange.done());
}

TEST_F(UdpExchange, packets_of_other_transactions_change_nothing) {
  Exchange exchange = begin();
  const std::string connect = take(exchange);
  std::string other = grant(connect);
  other[7] = static_cast<char>(other[7] ^ 1);
  exchange.on_packet(other, now);
  exchange.on_packet(refusal(std::string(12, 'x') + "none", "go away"), now);
  exchange.on_packet("", now);
  exchange.on_packet("short", now);
  EXPECT_FALSE(exchange.take_due(now));
  EXPECT_FALSE(exchange.done());
  exchange.on_packet(grant(connect), now);
  const std::string announce = take(exchange);
  exchange.on_packet(grant(connect), now);  // the one to the packet that was sent twice
  EXPECT_FALSE(exchange.done());
  EXPECT_FALSE(exchange.take_due(now));
  exchange.on_packet(answer(announce), now);
  EXPECT_EQ(exchange.answer().complete, 2u);
}

TEST_F(UdpExchange, nothing_is_listened_to_before_anything_was_asked) {
  Exchange exchange = begin();
  exchange.on_packet(unhex("00000000") + std::string(4, '\0') + granted_bytes, now);
  EXPECT_TRUE(is_connect(take(exchange)));
}

TEST_F(UdpExchange, a_refusal_ends_it_at_once) {
  Exchange exchange = begin();
  exchange.on_packet(refusal(take(exchange), "full\x1b[2J"), now);
  EXPECT_TRUE(exchange.done());
  EXPECT_EQ(exchange.problem(), "full\\x1b[2J");

  Exchange second = begin();
  second.on_packet(grant(take(second)), now);
  second.on_packet(refusal(take(second), ""), now);
  EXPECT_EQ(second.problem(), "it refuses without a reason");
}

TEST_F(UdpExchange, nonsense_from_the_tracker_ends_it_at_once) {
  Exchange cut = begin();
  cut.on_packet(grant(take(cut)).substr(0, 15), now);
  EXPECT_EQ(cut.problem(), "it sent an answer of 15 bytes to a connect");

  Exchange early = begin();
  early.on_packet(answer(take(early)), now);
  EXPECT_NE(early.problem().find("answered an announce"), std::string::npos) << early.problem();

  Exchange late = begin();
  late.on_packet(grant(take(late)), now);
  late.on_packet(grant(take(late)), now);
  EXPECT_NE(late.problem().find("answered a connect"), std::string::npos) << late.problem();
}

TEST_F(UdpExchange, a_known_connection_saves_a_round_trip) {
  Exchange exchange = begin(Connection{ConnectionId(granted), now + 1ms});
  const std::string announce = take(exchange);
  EXPECT_TRUE(is_announce(announce, granted_bytes));
  exchange.on_packet(answer(announce), now);
  EXPECT_TRUE(exchange.done());
  EXPECT_EQ(exchange.connection()->until, now + 1ms) << "use makes it no younger";
}

TEST_F(UdpExchange, a_connection_of_a_minute_ago_is_not_used) {
  Exchange exchange = begin(Connection{ConnectionId(granted), now});
  EXPECT_TRUE(is_connect(take(exchange)));
}

TEST_F(UdpExchange, a_connection_that_expires_while_it_is_asked_over_is_asked_for_anew) {
  Exchange exchange = begin();
  exchange.on_packet(grant(take(exchange)), now);
  const Instant end = now + 60s;
  while (exchange.next_due() < end) {
    now = exchange.next_due();
    EXPECT_TRUE(is_announce(take(exchange), granted_bytes));
  }
  now = exchange.next_due();
  EXPECT_TRUE(is_connect(take(exchange)));
}

TEST_F(UdpExchange, a_tracker_that_has_forgotten_the_connection_is_asked_for_another) {
  Exchange refused = begin(Connection{ConnectionId(1), now + 30s});
  refused.on_packet(refusal(take(refused), "Connection ID missmatch."), now);
  EXPECT_FALSE(refused.done());
  EXPECT_FALSE(refused.connection());
  const std::string connect = take(refused);
  EXPECT_TRUE(is_connect(connect));
  refused.on_packet(grant(connect), now);
  const std::string announce = take(refused);
  EXPECT_TRUE(is_announce(announce, granted_bytes));
  refused.on_packet(refusal(announce, "not for you"), now);
  EXPECT_EQ(refused.problem(), "not for you") << "it is not the connection";

  Exchange silent = begin(Connection{ConnectionId(1), now + 30s});
  const std::string first = take(silent);
  now += 1s;
  EXPECT_TRUE(is_connect(take(silent)));
  silent.on_packet(answer(first), now);
  EXPECT_FALSE(silent.done()) << "too late: another question is under way";
}

}  // namespace
}  // namespace murder::udp_tracker
