// Packets to and from UDP trackers, byte for byte, and what becomes of wrong ones.
#include "bittorrent/udp_tracker.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bittorrent/support.hpp"

namespace murder::udp_tracker {
namespace {

using murder::testing::any_bytes;
using murder::testing::damaged;
using murder::testing::unhex;

const std::string announced_v4 = unhex(
    "00000001 11223344 00000708 00000003 00000002"
    "c6120001 2327 c6120002 0000 c6120003 1ae1");
const std::string announced_v6 = unhex(
    "00000001 11223344 00000708 00000003 00000002"
    "20010db8000000000000000000000001 2327");

AnnounceRequest request() {
  AnnounceRequest out;
  out.info_hash = *InfoHash::from_bytes("aaaaaaaaaabbbbbbbbbb");
  out.peer_id = *PeerId::from_bytes("-MU0100-cccccccccccc");
  out.port = 8999;
  out.downloaded = 0x0102030405060708;
  out.left = 9;
  out.uploaded = 10;
  out.event = AnnounceEvent::started;
  return out;
}

template <class Wanted>
Wanted decoded(std::string_view packet, bool over_v6 = false) {
  const Reply reply = decode_reply(packet, over_v6);
  const auto* wanted = std::get_if<Wanted>(&reply.body);
  EXPECT_NE(wanted, nullptr) << "kind " << reply.body.index();
  return wanted ? *wanted : Wanted{};
}

TEST(UdpTracker, a_connect_is_sixteen_bytes) {
  EXPECT_EQ(encode_connect(TransactionId(0x11223344)), unhex("0000041727101980 00000000 11223344"));
}

TEST(UdpTracker, an_announce_has_every_field_in_its_place) {
  const std::string fixed = unhex("8877665544332211 00000001 11223344") +
                            "aaaaaaaaaabbbbbbbbbb-MU0100-cccccccccccc" +
                            unhex("0102030405060708 0000000000000009 000000000000000a");
  const auto encode = [](const AnnounceRequest& what, std::string_view target) {
    return encode_announce(ConnectionId(0x8877665544332211), TransactionId(0x11223344), what,
                           0xcafe, target);
  };
  AnnounceRequest asked = request();
  EXPECT_EQ(encode(asked, ""), fixed + unhex("00000002 00000000 0000cafe ffffffff 2327"));
  EXPECT_EQ(encode(asked, "").size(), 98u);
  asked.ip = IpAddress::parse("198.18.0.7");
  asked.numwant = 50;
  asked.event = AnnounceEvent::completed;
  EXPECT_EQ(encode(asked, ""), fixed + unhex("00000001 c6120007 0000cafe 00000032 2327"));
  asked.ip = IpAddress::parse("2001:db8::1");  // for which there is no room
  asked.event = AnnounceEvent::stopped;
  EXPECT_EQ(encode(asked, ""), fixed + unhex("00000003 00000000 0000cafe 00000032 2327"));
  asked.event = AnnounceEvent::none;
  EXPECT_EQ(encode(asked, "").substr(80, 4), unhex("00000000"));
}

TEST(UdpTracker, what_murder_peers_say_to_their_own_tracker_is_left_out) {
  AnnounceRequest asked = request();
  const std::string plain = encode_announce(ConnectionId(1), TransactionId(2), asked, 3, "");
  asked.role = AnnounceRole::seeder;
  asked.host_name = "web-07";
  asked.links = 4;
  asked.failed = true;
  EXPECT_EQ(encode_announce(ConnectionId(1), TransactionId(2), asked, 3, ""), plain);
}

TEST(UdpTracker, path_and_query_travel_in_options_of_255_bytes_at_most) {
  const auto options = [](std::string_view target) {
    return encode_announce(ConnectionId(1), TransactionId(2), request(), 3, target).substr(98);
  };
  EXPECT_EQ(options("/announce?key=x"), "\x02\x0f/announce?key=x");
  const std::string longest(255, 'a');
  EXPECT_EQ(options(longest), "\x02\xff" + longest);
  EXPECT_EQ(options(longest + "bc"), "\x02\xff" + longest + "\x02\x02" + "bc");
}

TEST(UdpTracker, a_connection_is_granted) {
  const std::string packet = unhex("00000000 11223344 8877665544332211");
  EXPECT_EQ(decode_reply(packet, false).transaction, TransactionId(0x11223344));
  EXPECT_EQ(decoded<Connected>(packet).connection, ConnectionId(0x8877665544332211));
  EXPECT_EQ(decoded<Connected>(packet + "later").connection, ConnectionId(0x8877665544332211));
}

TEST(UdpTracker, peers_are_of_the_family_in_which_was_asked) {
  auto reply = decoded<AnnounceReply>(announced_v4);
  EXPECT_EQ(reply.interval_s, 1800u);
  EXPECT_EQ(reply.incomplete, 3u);
  EXPECT_EQ(reply.complete, 2u);
  ASSERT_EQ(reply.peers.size(), 2u);  // nobody can dial port 0
  EXPECT_EQ(reply.peers[0].endpoint.to_string(), "198.18.0.1:8999");
  EXPECT_EQ(reply.peers[1].endpoint.to_string(), "198.18.0.3:6881");
  EXPECT_FALSE(reply.fleet);
  reply = decoded<AnnounceReply>(announced_v6, true);
  ASSERT_EQ(reply.peers.size(), 1u);
  EXPECT_EQ(reply.peers[0].endpoint.to_string(), "[2001:db8::1]:8999");
  EXPECT_TRUE(decoded<AnnounceReply>(announced_v4.substr(0, 20)).peers.empty());
}

TEST(UdpTracker, counts_below_zero_are_zero) {
  const auto reply = decoded<AnnounceReply>(unhex("00000001 11223344 ffffffff 80000000 7fffffff"));
  EXPECT_EQ(reply.interval_s, 0u);
  EXPECT_EQ(reply.incomplete, 0u);
  EXPECT_EQ(reply.complete, 0x7fffffffu);
}

TEST(UdpTracker, a_refusal_is_in_the_trackers_words) {
  EXPECT_EQ(decoded<Refused>(unhex("00000003 11223344") + "not for you").reason, "not for you");
  EXPECT_EQ(decoded<Refused>(unhex("00000003 11223344") + std::string("no\0\0", 4)).reason, "no");
  EXPECT_EQ(decoded<Refused>(unhex("00000003 11223344")).reason, "");
}

TEST(UdpTracker, what_is_cut_or_of_an_odd_length_is_malformed) {
  EXPECT_EQ(decoded<Malformed>("").reason, "an answer of 0 bytes");
  EXPECT_EQ(decoded<Malformed>(unhex("00000000 112233")).reason, "an answer of 7 bytes");
  EXPECT_FALSE(decode_reply(unhex("00000000 112233"), false).transaction);
  const std::string connected = unhex("00000000 11223344 8877665544332211");
  EXPECT_EQ(decoded<Malformed>(connected.substr(0, 15)).reason,
            "an answer of 15 bytes to a connect");
  for (std::size_t size = 8; size < announced_v4.size(); ++size) {
    if (size >= 20 && (size - 20) % 6 == 0) continue;
    EXPECT_EQ(decoded<Malformed>(announced_v4.substr(0, size)).reason,
              "an answer of " + std::to_string(size) + " bytes to an announce");
  }
  EXPECT_EQ(decoded<Malformed>(announced_v4.substr(0, 32), true).reason,
            "an answer of 32 bytes to an announce")
      << "two peers of IPv4 are none of IPv6";
  EXPECT_EQ(decoded<Malformed>(unhex("00000002 11223344")).reason, "an answer of kind 2");
}

RC_GTEST_PROP(UdpTrackerProperty, any_bytes_are_decoded_or_malformed, (bool over_v6)) {
  const std::string packet =
      *rc::gen::oneOf(any_bytes(), damaged(announced_v4), damaged(announced_v6));
  const Reply reply = decode_reply(packet, over_v6);
  RC_ASSERT(reply.transaction.has_value() == (packet.size() >= 8));
  if (const auto* announced = std::get_if<AnnounceReply>(&reply.body)) {
    RC_ASSERT(announced->peers.size() <= (packet.size() - 20) / (over_v6 ? 18 : 6));
    for (const AnnouncedPeer& peer : announced->peers) RC_ASSERT(peer.endpoint.port != 0);
  }
}

}  // namespace
}  // namespace murder::udp_tracker
