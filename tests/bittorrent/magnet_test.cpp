#include "bittorrent/magnet.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace murder {
namespace {

constexpr std::string_view hex = "038b0e5c24eb07c584ae40f1a390791298733b7e";

std::string link(const std::string& rest) {
  return "magnet:?xt=urn:btih:" + std::string(hex) + rest;
}

std::string refusal(const std::string& uri) {
  try {
    parse_magnet(uri);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

TEST(Magnet, everything_that_it_names_is_read) {
  const Magnet magnet = parse_magnet(
      link("&dn=app%20v7&tr=http%3A%2F%2Forigin%3A8998%2Fannounce&tr.1=http://b/announce&"
           "ws=http%3A%2F%2Fstore%2F&x.pe=10.0.0.1:8999&x.pe=%5B2001:db8::1%5D:9000&xl=17"));
  EXPECT_EQ(magnet.info_hash.hex(), hex);
  EXPECT_EQ(magnet.name, "app v7");
  EXPECT_EQ(magnet.trackers,
            (std::vector<std::string>{"http://origin:8998/announce", "http://b/announce"}));
  EXPECT_EQ(magnet.web_seeds, std::vector<std::string>{"http://store/"});
  ASSERT_EQ(magnet.peers.size(), 2u);
  EXPECT_EQ(magnet.peers[1].to_string(), "[2001:db8::1]:9000");
  EXPECT_EQ(parse_magnet(magnet.to_string()), magnet);
}

TEST(Magnet, hashes_come_in_either_case_and_in_base_32) {
  EXPECT_EQ(
      parse_magnet("MAGNET:?xt=urn:btih:038B0E5C24EB07C584AE40F1A390791298733B7E").info_hash.hex(),
      hex);
  EXPECT_EQ(parse_magnet("magnet:?xt=urn:btih:AOFQ4XBE5MD4LBFOIDY2HEDZCKMHGO36").info_hash.hex(),
            hex);
  EXPECT_EQ(parse_magnet("magnet:?xt=urn:btih:aofq4xbe5md4lbfoidy2hedzckmhgo36").info_hash.hex(),
            hex);
}

TEST(Magnet, what_cannot_be_used_is_refused_with_a_reason) {
  EXPECT_NE(refusal("http://x/").find("does not begin with magnet:?"), std::string::npos);
  EXPECT_NE(refusal("magnet:").find("does not begin with magnet:?"), std::string::npos);
  EXPECT_NE(refusal("magnet:?dn=x").find("no info-hash"), std::string::npos);
  EXPECT_NE(refusal("magnet:?xt=urn:btmh:1220aa").find("v2"), std::string::npos);
  EXPECT_NE(refusal("magnet:?xt=urn:btih:1234").find("40 hexadecimal"), std::string::npos);
  EXPECT_NE(refusal("magnet:?xt=urn:btih:" + std::string(32, '1')).find("40 hex"),
            std::string::npos);
  EXPECT_NE(refusal(link("&xt=urn:btih:" + std::string(40, '0'))).find("two torrents"),
            std::string::npos);
  for (const char* peer : {"host:8999", "10.0.0.1", "10.0.0.1:0", ""})
    EXPECT_NE(refusal(link(std::string("&x.pe=") + peer)).find("ADDRESS:PORT"), std::string::npos);
  EXPECT_NE(refusal(link("&dn=%zz")).find("dn"), std::string::npos);
  std::string many;
  for (int i = 0; i < 65; ++i) many += "&tr=http://t" + std::to_string(i);
  EXPECT_NE(refusal(link(many)).find("more than 64"), std::string::npos);
  EXPECT_NE(refusal(link("&dn=" + std::string(70000, 'x'))).find("too long"), std::string::npos);
}

TEST(Magnet, a_torrents_own_has_its_trackers_and_web_seeds) {
  Metainfo metainfo;
  metainfo.name = "v1.tar.zst";
  metainfo.trackers = {{"http://a/announce", "http://b/announce"}, {"http://c/announce"}};
  metainfo.web_seeds = {"http://store/?a=b&c"};
  EXPECT_EQ(magnet_of(metainfo).to_string(),
            "magnet:?xt=urn:btih:0000000000000000000000000000000000000000&dn=v1.tar.zst"
            "&tr=http%3A%2F%2Fa%2Fannounce&tr=http%3A%2F%2Fb%2Fannounce"
            "&tr=http%3A%2F%2Fc%2Fannounce&ws=http%3A%2F%2Fstore%2F%3Fa%3Db%26c");
}

}  // namespace
}  // namespace murder
