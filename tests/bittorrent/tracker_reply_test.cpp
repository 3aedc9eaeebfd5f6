#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bittorrent/announce.hpp"
#include "bittorrent/support.hpp"

namespace murder {
namespace {

using murder::testing::any_bytes;
using murder::testing::any_digest;
using murder::testing::any_v4;
using murder::testing::any_v6;
using murder::testing::bytes_of;
using murder::testing::damaged;
using murder::testing::endpoints_of;
using murder::testing::fails_with;
using murder::testing::unhex;

Endpoint at(std::string_view text) { return *Endpoint::parse(text); }

AnnounceReply example_reply() {
  AnnounceReply reply;
  reply.interval_s = 1;
  reply.complete = 1;
  reply.incomplete = 2;
  reply.peers = {{at("198.18.0.1:8999"), std::nullopt}, {at("198.18.0.2:8999"), std::nullopt}};
  reply.fleet = FleetState{{at("198.18.0.1:8999")}, 3, 3, 1, false};
  return reply;
}

::testing::AssertionResult refused(std::string_view body, std::string_view reason) {
  return fails_with(ErrorKind::failed, reason,
                    [&] { parse_announce_reply(body, "http://t:8998"); });
}

// The worked example of docs/tracker-protocol.md.
TEST(AnnounceReply, worked_example_is_made_byte_for_byte) {
  const std::string body =
      "d8:completei1e10:incompletei2e8:intervali1e6:murderd"
      "14:complete_hostsi1e4:dial6:" +
      unhex("c6120001 2327") + "5:dial60:8:expectedi3e5:hostsi3e14:swarm_completei0ee5:peers12:" +
      unhex("c6120001 2327 c6120002 2327") + "e";
  EXPECT_EQ(encode_announce_reply(example_reply(), true), body);
  EXPECT_EQ(parse_announce_reply(body, "t"), example_reply());
}

TEST(AnnounceReply, stock_clients_get_no_murder_key) {
  AnnounceReply reply = example_reply();
  reply.fleet.reset();
  EXPECT_EQ(encode_announce_reply(reply, true).find("murder"), std::string::npos);
}

TEST(AnnounceReply, ipv6_peers_have_their_own_key) {
  AnnounceReply reply;
  reply.interval_s = 5;
  reply.peers = {{at("[2001:db8::1]:8999"), std::nullopt}};
  const std::string body = encode_announce_reply(reply, true);
  EXPECT_EQ(body, "d8:completei0e10:incompletei0e8:intervali5e5:peers0:6:peers618:" +
                      unhex("20010db8000000000000000000000001 2327") + "e");
  EXPECT_EQ(parse_announce_reply(body, "t"), reply);
}

TEST(AnnounceReply, long_form_carries_ids_and_both_families) {
  AnnounceReply reply;
  reply.interval_s = 5;
  reply.peers = {{at("[2001:db8::1]:1"), PeerId::from_bytes("-MU0100-abcdefghijkl")},
                 {at("198.18.0.1:65535"), std::nullopt}};
  const std::string body = encode_announce_reply(reply, false);
  EXPECT_NE(body.find("5:peersld2:ip11:2001:db8::17:peer id20:-MU0100-abcdefghijkl4:porti1ee"),
            std::string::npos);
  EXPECT_EQ(parse_announce_reply(body, "t"), reply);
}

TEST(AnnounceReply, a_refusal_is_all_there_is) {
  AnnounceReply reply = example_reply();
  reply.failure_reason = "left: missing";
  const std::string body = encode_announce_reply(reply, true);
  EXPECT_EQ(body, "d14:failure reason13:left: missinge");
  const AnnounceReply parsed = parse_announce_reply(body, "t");
  EXPECT_EQ(parsed.failure_reason, "left: missing");
  EXPECT_TRUE(parsed.peers.empty());
  EXPECT_FALSE(parse_announce_reply("d14:failure reason0:e", "t").failure_reason.empty());
  EXPECT_FALSE(parse_announce_reply("d14:failure reasoni7ee", "t").failure_reason.empty());
}

TEST(AnnounceReply, keys_in_any_order_and_odd_counts_of_stock_trackers_are_read) {
  const AnnounceReply reply = parse_announce_reply(
      "d5:peers6:" + unhex("c6120001 2327") +
          "8:intervali1800e15:warning message4:slow10:incompletei-1e8:completei99999999999e"
          "12:min intervali60e10:tracker id1:xe",
      "t");
  EXPECT_EQ(reply.interval_s, 1800u);
  EXPECT_EQ(reply.min_interval_s, 60u);
  EXPECT_EQ(reply.incomplete, 0u);
  EXPECT_EQ(reply.complete, 0xffffffffu);
  EXPECT_EQ(reply.warning, "slow");
  EXPECT_EQ(reply.peers.size(), 1u);
  EXPECT_FALSE(reply.fleet);
}

TEST(AnnounceReply, peers_that_cannot_be_dialled_are_left_out) {
  EXPECT_TRUE(parse_announce_reply("d8:intervali1e5:peers6:" + unhex("c6120001 0000") + "e", "t")
                  .peers.empty());
  const AnnounceReply reply = parse_announce_reply(
      "d8:intervali1e5:peersld2:ip4:web14:porti1eed2:ip8:10.0.0.14:porti0eed4:porti1ee"
      "d2:ip8:10.0.0.14:porti65536eed2:ip8:10.0.0.24:porti9ee"
      "ee",
      "t");
  ASSERT_EQ(reply.peers.size(), 1u);
  EXPECT_EQ(reply.peers[0].endpoint, at("10.0.0.2:9"));
}

TEST(AnnounceReply, html_is_called_html_and_quoted) {
  EXPECT_TRUE(refused("\r\n<!DOCTYPE html>\n<html>\n<head><title>502 Bad Gateway</title>",
                      "cannot read the answer of tracker http://t:8998: HTML, not bencode: "
                      "\"<!DOCTYPE html> <html> <head><title>502 Bad Gateway</title>\""));
  EXPECT_TRUE(
      refused("Not found", "not bencode (byte 0: 'N' does not begin a value): \"Not found\""));
  EXPECT_TRUE(refused(std::string("\x1f\x8b\x08\x00", 4) + std::string(100, 'z'),
                      "\"" + std::string(60, 'z') + "…\""));
  EXPECT_TRUE(refused("", "it is empty"));
}

TEST(AnnounceReply, bencode_that_is_no_reply_is_refused) {
  EXPECT_TRUE(refused("le", "it is a list, not a dictionary"));
  EXPECT_TRUE(refused("de", "neither an interval nor peers"));
  EXPECT_TRUE(refused("d8:intervali1e5:peers5:abcdee", "'peers' is 5 bytes"));
  EXPECT_TRUE(refused("d8:intervali1e6:peers617:" + std::string(17, 'x') + "e", "'peers6' is 17"));
  EXPECT_TRUE(refused("d8:intervali1e5:peersi1ee", "'peers' is an integer"));
  EXPECT_TRUE(refused("d8:intervali1e5:peersli1eee", "a peer is an integer, not a dictionary"));
  EXPECT_TRUE(refused("d8:intervali1e6:murderlee", "'murder' is a list"));
  EXPECT_TRUE(refused("d8:intervali1e6:murderd4:dial1:xee", "'dial' is 1 bytes"));
  EXPECT_TRUE(refused("d8:intervali1e", "not bencode (byte 14"));
}

std::vector<Endpoint> both_families() {
  auto endpoints = *endpoints_of(any_v4());
  const auto v6 = *endpoints_of(
      rc::gen::suchThat(any_v6(), [](const IpAddress& address) { return !address.is_v4(); }));
  endpoints.insert(endpoints.end(), v6.begin(), v6.end());
  return endpoints;
}

RC_GTEST_PROP(AnnounceReplyProperty, comes_out_as_it_went_in, (bool compact)) {
  AnnounceReply reply;
  reply.warning = *any_bytes();
  reply.interval_s = *rc::gen::arbitrary<std::uint32_t>();
  reply.min_interval_s = *rc::gen::arbitrary<std::uint32_t>();
  reply.complete = *rc::gen::arbitrary<std::uint32_t>();
  reply.incomplete = *rc::gen::arbitrary<std::uint32_t>();
  for (const Endpoint& endpoint : both_families()) {
    reply.peers.push_back({endpoint, std::nullopt});
    if (!compact && *rc::gen::arbitrary<bool>()) reply.peers.back().peer_id = *any_digest<PeerId>();
  }
  if (*rc::gen::arbitrary<bool>())
    reply.fleet = FleetState{both_families(), *rc::gen::arbitrary<std::uint32_t>(),
                             *rc::gen::arbitrary<std::uint32_t>(),
                             *rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<bool>()};
  RC_ASSERT(parse_announce_reply(encode_announce_reply(reply, compact), "t") == reply);
}

RC_GTEST_PROP(AnnounceReplyProperty, any_bytes_are_read_or_refused, ()) {
  static const std::string good = encode_announce_reply(example_reply(), true);
  static const std::string longer = encode_announce_reply(example_reply(), false);
  const std::string body =
      *rc::gen::oneOf(any_bytes(), damaged(good), damaged(longer), bytes_of("0123456789:ilde-"));
  try {
    for (const AnnouncedPeer& peer : parse_announce_reply(body, "t").peers)
      RC_ASSERT(peer.endpoint.port != 0);
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::failed);
  }
}

TEST(ScrapeReply, bytes_are_those_of_bep_48) {
  const ScrapeEntry entry{*InfoHash::from_bytes("aaaaaaaaaaaaaaaaaaaa"), 5, 50, 10};
  const std::string body =
      "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei5e10:downloadedi50e10:incompletei10eeee";
  EXPECT_EQ(encode_scrape_reply({entry}), body);
  EXPECT_EQ(parse_scrape_reply(body, "t"), std::vector{entry});
  EXPECT_EQ(encode_scrape_reply({}), "d5:filesdee");
}

TEST(ScrapeReply, what_is_no_scrape_reply_is_refused) {
  const auto bad = [](std::string_view body, std::string_view reason) {
    return fails_with(ErrorKind::failed, reason, [&] { parse_scrape_reply(body, "t"); });
  };
  EXPECT_TRUE(bad("de", "no 'files' dictionary"));
  EXPECT_TRUE(bad("d5:fileslee", "no 'files' dictionary"));
  EXPECT_TRUE(bad("d5:filesd3:abcdeee", "an info-hash of 3 bytes"));
  EXPECT_TRUE(bad("d14:failure reason2:noe", "the scrape was refused: no"));
  EXPECT_TRUE(bad("<html>", "HTML, not bencode"));
}

RC_GTEST_PROP(ScrapeReplyProperty, comes_out_sorted_by_hash, ()) {
  std::vector<ScrapeEntry> entries;
  for (const InfoHash& hash : *rc::gen::container<std::set<InfoHash>>(any_digest<InfoHash>()))
    entries.push_back({hash, *rc::gen::arbitrary<std::uint32_t>(),
                       *rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<std::uint32_t>()});
  const std::vector<ScrapeEntry> reversed(entries.rbegin(), entries.rend());
  RC_ASSERT(parse_scrape_reply(encode_scrape_reply(reversed), "t") == entries);
}

RC_GTEST_PROP(ScrapeReplyProperty, any_bytes_are_read_or_refused, ()) {
  static const std::string good = encode_scrape_reply({{InfoHash{}, 1, 2, 3}});
  try {
    parse_scrape_reply(*rc::gen::oneOf(any_bytes(), damaged(good)), "t");
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::failed);
  }
}

}  // namespace
}  // namespace murder
