#include "base/address_range.hpp"

#include <gtest/gtest.h>

namespace murder {
namespace {

bool contains(const char* range, const char* address) {
  return AddressRange::parse(range).value().contains(IpAddress::parse(address).value());
}

TEST(AddressRange, holds_what_begins_alike) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(contains("2001:db8::/32", "2001:db8:1::9"));
  EXPECT_FALSE(contains("2001:db8::/32", "2001:db9::9"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
}

TEST(AddressRange, holds_none_of_the_other_family) {
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_FALSE(contains("::/0", "203.0.113.9"));
  EXPECT_TRUE(contains("203.0.113.0/24", "::ffff:203.0.113.9")) << "an IPv4 address as IPv6 has it";
}

TEST(AddressRange, is_refused_when_another_may_be_meant) {
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/8 ",
        "2001:db8::/129", "2001:db8::1/32", "example.com", "10/8"})
    EXPECT_FALSE(AddressRange::parse(text)) << text;
}

TEST(AddressRange, says_what_it_is) {
  EXPECT_EQ(AddressRange::parse("10.0.0.0/8")->to_string(), "10.0.0.0/8");
  EXPECT_EQ(AddressRange::parse("2001:db8::/32")->to_string(), "2001:db8::/32");
  EXPECT_EQ(AddressRange::parse("192.0.2.7")->to_string(), "192.0.2.7/32");
}

}  // namespace
}  // namespace murder
