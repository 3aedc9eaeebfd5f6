#include "base/endpoint.hpp"

#include <gtest/gtest.h>

namespace murder {
namespace {

TEST(IpAddress, round_trips_as_text) {
  for (const char* text : {"0.0.0.0", "198.18.0.4", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::1:2:3:4", "1:2:3:4:5:6:7:8"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(IpAddress, mapped_ipv4_is_ipv4) {
  EXPECT_EQ(IpAddress::parse("::ffff:198.18.0.4"), IpAddress::parse("198.18.0.4"));
  EXPECT_EQ(IpAddress::parse("::ffff:198.18.0.4")->to_string(), "198.18.0.4");
  const IpAddress four = IpAddress::v4({198, 18, 0, 4});
  EXPECT_EQ(IpAddress::v6(four.bytes()), four);
  EXPECT_TRUE(four.is_v4());
  EXPECT_EQ(four.v4_bytes(), (std::array<std::uint8_t, 4>{198, 18, 0, 4}));
  EXPECT_FALSE(IpAddress::parse("2001:db8::1")->is_v4());
}

TEST(IpAddress, knows_when_it_says_nothing) {
  EXPECT_TRUE(IpAddress().is_unspecified());
  EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_unspecified());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
  EXPECT_FALSE(IpAddress::parse("0.0.0.1")->is_unspecified());
  EXPECT_FALSE(IpAddress::parse("::1")->is_unspecified());
}

TEST(IpAddress, refuses_what_is_no_address) {
  for (const char* bad :
       {"", " ", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4x", "1.2.3.4 ",
        " 1.2.3.4", "2001:db8::1::", "[::1]", "fe80::1%eth0", "1.2.3.4:80", ":::"})
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0.5", 10)));
  EXPECT_FALSE(IpAddress::parse(std::string(100'000, '1')));
}

TEST(Endpoint, round_trips_as_text) {
  for (const char* text : {"198.18.0.4:8999", "0.0.0.0:0", "[2001:db8::1]:8999", "[::]:65535"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
  EXPECT_EQ(Endpoint::parse("[::ffff:198.18.0.4]:8999"), Endpoint::parse("198.18.0.4:8999"));
}

TEST(Endpoint, refuses_what_is_none) {
  for (const char* bad :
       {"", ":", "198.18.0.4", "198.18.0.4:", ":8999", "198.18.0.4:65536", "198.18.0.4:-1",
        "198.18.0.4:+1", "198.18.0.4: 1", "198.18.0.4:1x", "2001:db8::1:8999", "[2001:db8::1]",
        "[2001:db8::1]8999", "[]:1", "[198.18.0.4]:8999", "[2001:db8::1:8999", "host:8999"})
    EXPECT_FALSE(Endpoint::parse(bad)) << bad;
}

TEST(Endpoint, equal_ones_hash_alike_and_ports_tell_apart) {
  const std::hash<Endpoint> hash;
  const Endpoint one = *Endpoint::parse("198.18.0.4:8999");
  EXPECT_EQ(hash(one), hash(*Endpoint::parse("[::ffff:198.18.0.4]:8999")));
  EXPECT_NE(hash(one), hash(*Endpoint::parse("198.18.0.4:9000")));
  EXPECT_NE(hash(one), hash(*Endpoint::parse("198.18.0.5:8999")));
  EXPECT_LT(one, *Endpoint::parse("198.18.0.4:9000"));
}

}  // namespace
}  // namespace murder
