#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bittorrent/announce.hpp"
#include "bittorrent/support.hpp"

namespace murder {
namespace {

using murder::testing::any_bytes;
using murder::testing::any_digest;
using murder::testing::any_port;
using murder::testing::any_v4;
using murder::testing::any_v6;
using murder::testing::bytes_of;
using murder::testing::damaged;
using murder::testing::fails_with;

constexpr std::string_view hash_text = "%03%8B%0E%5C%24%EB%07%C5%84%AE%40%F1%A3%90y%12%98s%3B~";
constexpr std::string_view id_text = "-MU0100-abcdefghijkl";

AnnounceRequest example_request() {
  AnnounceRequest request;
  request.info_hash = *InfoHash::from_hex("038b0e5c24eb07c584ae40f1a390791298733b7e");
  request.peer_id = *PeerId::from_bytes(id_text);
  request.port = 8999;
  request.left = 13;
  request.event = AnnounceEvent::started;
  request.role = AnnounceRole::host;
  request.links = 4;
  request.host_name = "web 1";
  return request;
}

std::string query_with(std::string_view more) {
  return "info_hash=" + std::string(hash_text) + "&peer_id=" + std::string(id_text) +
         std::string(more);
}

::testing::AssertionResult refused(std::string_view query, std::string_view reason) {
  return fails_with(ErrorKind::usage, reason, [&] { parse_announce_query(query); });
}

// The worked example of docs/tracker-protocol.md.
TEST(AnnounceQuery, worked_example_is_made_byte_for_byte) {
  const std::string query =
      query_with("&port=8999&uploaded=0&downloaded=0&left=13&compact=1&event=started") +
      "&mu_role=host&mu_links=4&mu_name=web%201";
  EXPECT_EQ(to_query(example_request()), query);
  EXPECT_EQ(parse_announce_query(query), example_request());
}

TEST(AnnounceQuery, stock_clients_say_nothing_of_murder) {
  AnnounceRequest request = example_request();
  request.role = AnnounceRole::stock;
  EXPECT_EQ(to_query(request).find("mu_"), std::string::npos);
  const auto parsed = parse_announce_query(query_with("&port=1&left=0&mu_links=9&mu_failed=1"));
  EXPECT_EQ(parsed.role, AnnounceRole::stock);
  EXPECT_EQ(parsed.links, 0u);
  EXPECT_FALSE(parsed.failed);
}

TEST(AnnounceQuery, what_stock_clients_add_is_skipped) {
  const auto request = parse_announce_query(
      query_with("&port=6881&uploaded=1&downloaded=2&left=3&corrupt=0&key=7AB&event=paused"
                 "&numwant=200&no_peer_id=1&supportcrypto=1&redundant=0&trackerid=%zz&&flag"));
  EXPECT_EQ(request.uploaded, 1u);
  EXPECT_EQ(request.downloaded, 2u);
  EXPECT_EQ(request.left, 3u);
  EXPECT_EQ(request.key, "7AB");
  EXPECT_EQ(request.numwant, 200u);
  EXPECT_EQ(request.event, AnnounceEvent::none);
  EXPECT_TRUE(request.compact);
}

TEST(AnnounceQuery, lower_case_escapes_and_plain_plus_are_bytes) {
  const auto request = parse_announce_query(
      "info_hash=%ab%AB++++++++++++++++++&peer_id=" + std::string(id_text) + "&port=1&left=0");
  EXPECT_EQ(request.info_hash.view(), "\xab\xab++++++++++++++++++");
}

TEST(AnnounceQuery, missing_keys_are_named) {
  EXPECT_TRUE(refused("", "info_hash: missing"));
  EXPECT_TRUE(refused("info_hash=" + std::string(hash_text), "peer_id: missing"));
  EXPECT_TRUE(refused(query_with("&left=0"), "port: missing"));
  EXPECT_TRUE(refused(query_with("&port=1"), "left: missing"));
}

TEST(AnnounceQuery, ids_of_another_length_are_refused) {
  const std::string rest = "&port=1&left=0";
  EXPECT_TRUE(refused("info_hash=abc&peer_id=" + std::string(id_text) + rest, "3 bytes, not 20"));
  EXPECT_TRUE(refused("info_hash=&peer_id=" + std::string(id_text) + rest, "0 bytes, not 20"));
  EXPECT_TRUE(
      refused("info_hash=" + std::string(hash_text) + "x&peer_id=" + std::string(id_text) + rest,
              "info_hash: 21 bytes"));
  EXPECT_TRUE(
      refused("info_hash=" + std::string(hash_text) + "&peer_id=x" + rest, "peer_id: 1 bytes"));
}

TEST(AnnounceQuery, broken_escapes_are_refused) {
  for (const std::string_view bad : {"%", "%1", "%g0", "%0g", "%%41", "%+1", "% 1"})
    EXPECT_TRUE(refused(query_with("&port=1&left=0&key=") + std::string(bad),
                        "key: '%' without two hexadecimal digits"))
        << bad;
}

TEST(AnnounceQuery, numbers_out_of_range_are_refused) {
  EXPECT_TRUE(refused(query_with("&port=0&left=0"), "port: 0"));
  for (const std::string_view bad :
       {"65536", "-1", "+1", "", "1x", "0x1", "1e3", " 1", "99999999999"})
    EXPECT_TRUE(refused(query_with("&left=0&port=") + std::string(bad), "port: '")) << bad;
  EXPECT_TRUE(refused(query_with("&port=1&left=18446744073709551616"), "left: '"));
  EXPECT_TRUE(refused(query_with("&port=1&left=-1"), "left: '-1' is not a number in range"));
  EXPECT_TRUE(refused(query_with("&port=1&left=0&uploaded=x"), "uploaded: 'x'"));
  EXPECT_TRUE(refused(query_with("&port=1&left=0&numwant=4294967296"), "numwant: '"));
  EXPECT_EQ(parse_announce_query(query_with("&port=65535&left=18446744073709551615")).left,
            18446744073709551615u);
}

TEST(AnnounceQuery, contradictions_are_refused) {
  EXPECT_TRUE(refused(query_with("&port=1&left=0&port=2"), "port: given twice"));
  EXPECT_TRUE(refused(query_with("&port=1&left=0&info_hash=x"), "info_hash: given twice"));
}

TEST(AnnounceQuery, murder_keys_are_checked) {
  const std::string base = query_with("&port=1&left=0");
  EXPECT_TRUE(refused(base + "&mu_role=boss", "mu_role: 'boss' is neither seeder nor host"));
  EXPECT_TRUE(refused(base + "&mu_role=host&mu_links=many", "mu_links: 'many'"));
  EXPECT_TRUE(refused(base + "&mu_role=host&mu_failed=2", "mu_failed: '2' is neither 0 nor 1"));
  EXPECT_TRUE(
      refused(base + "&mu_role=host&mu_name=" + std::string(256, 'n'), "mu_name: 256 bytes"));
  EXPECT_TRUE(refused(base + "&key=" + std::string(256, 'k'), "key: 256 bytes"));
  const auto request = parse_announce_query(base + "&mu_role=seeder&mu_failed=1");
  EXPECT_EQ(request.role, AnnounceRole::seeder);
  EXPECT_TRUE(request.failed);
}

TEST(AnnounceQuery, an_address_is_taken_and_a_name_is_not) {
  const std::string base = query_with("&port=1&left=0");
  EXPECT_EQ(parse_announce_query(base + "&ip=198.18.0.7").ip, IpAddress::parse("198.18.0.7"));
  EXPECT_EQ(parse_announce_query(base + "&ip=2001%3Adb8%3A%3A1").ip,
            IpAddress::parse("2001:db8::1"));
  EXPECT_FALSE(parse_announce_query(base + "&ip=web1.example").ip);
  EXPECT_FALSE(parse_announce_query(base).ip);
}

TEST(AnnounceQuery, compact_unless_refused) {
  const std::string base = query_with("&port=1&left=0");
  EXPECT_TRUE(parse_announce_query(base).compact);
  EXPECT_TRUE(parse_announce_query(base + "&compact=1").compact);
  EXPECT_FALSE(parse_announce_query(base + "&compact=0").compact);
}

rc::Gen<AnnounceRequest> any_request() {
  return rc::gen::exec([] {
    AnnounceRequest request;
    request.info_hash = *any_digest<InfoHash>();
    request.peer_id = *any_digest<PeerId>();
    request.port = *any_port();
    request.uploaded = *rc::gen::arbitrary<std::uint64_t>();
    request.downloaded = *rc::gen::arbitrary<std::uint64_t>();
    request.left = *rc::gen::arbitrary<std::uint64_t>();
    request.event = *rc::gen::element(AnnounceEvent::none, AnnounceEvent::started,
                                      AnnounceEvent::completed, AnnounceEvent::stopped);
    request.compact = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) request.numwant = *rc::gen::arbitrary<std::uint32_t>();
    if (*rc::gen::arbitrary<bool>()) request.ip = *rc::gen::oneOf(any_v4(), any_v6());
    request.key = *any_bytes();
    request.role = *rc::gen::element(AnnounceRole::stock, AnnounceRole::seeder, AnnounceRole::host);
    if (request.role != AnnounceRole::stock) {
      request.links = *rc::gen::arbitrary<std::uint32_t>();
      request.host_name = *any_bytes();
      request.failed = *rc::gen::arbitrary<bool>();
    }
    return request;
  });
}

RC_GTEST_PROP(AnnounceQueryProperty, comes_out_as_it_went_in, ()) {
  const AnnounceRequest request = *any_request();
  const std::string query = to_query(request);
  RC_ASSERT(parse_announce_query(query) == request);
  for (const char c : query) RC_ASSERT(c > ' ' && c <= '~' && c != '#' && c != '?');
}

RC_GTEST_PROP(AnnounceQueryProperty, any_bytes_are_read_or_refused, ()) {
  static const std::string good = to_query(example_request());
  const std::string query =
      *rc::gen::oneOf(any_bytes(), damaged(good), bytes_of("info_hash=&%0aport"));
  try {
    RC_ASSERT(parse_announce_query(query).port != 0);
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::usage);
  }
}

TEST(ScrapeQuery, hashes_come_in_order_and_once) {
  const auto a = *InfoHash::from_bytes("aaaaaaaaaaaaaaaaaaaa");
  const auto b = *InfoHash::from_bytes("bbbbbbbbbbbbbbbbbbbb");
  EXPECT_EQ(parse_scrape_query("info_hash=bbbbbbbbbbbbbbbbbbbb&x=%&info_hash=%61aaaaaaaaaaaaaaaaaaa"
                               "&info_hash=bbbbbbbbbbbbbbbbbbbb"),
            (std::vector{b, a}));
  EXPECT_TRUE(parse_scrape_query("").empty());
}

TEST(ScrapeQuery, a_wrong_hash_is_refused_and_not_taken_for_all) {
  EXPECT_TRUE(fails_with(ErrorKind::usage, "info_hash: 3 bytes, not 20",
                         [] { parse_scrape_query("info_hash=abc"); }));
  EXPECT_TRUE(
      fails_with(ErrorKind::usage, "info_hash: '%'", [] { parse_scrape_query("info_hash=%"); }));
}

}  // namespace
}  // namespace murder
