#include "fleet/host_pattern.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <set>

#include "fleet/fault.hpp"
#include "fleet/name_ranges.hpp"

namespace murder::fleet {
namespace {

using Names = std::vector<std::string>;

Names expanded(std::string_view text) {
  const HostPattern pattern = HostPattern::parse(text);
  Names names;
  for (std::uint64_t i = 0; i < pattern.count(); ++i) names.push_back(pattern.host(i));
  return names;
}

/// "OFFSET REASON"; "taken" without a fault.
std::string fault_of(std::string_view text) {
  try {
    HostPattern::parse(text);
  } catch (const Fault& fault) {
    return fmt::format("{} {}", fault.offset(), fault.what());
  }
  return "taken";
}

TEST(HostPattern, user_and_port_are_told_from_the_host) {
  const HostPattern plain = HostPattern::parse("web1");
  EXPECT_EQ(plain.user(), "");
  EXPECT_EQ(plain.port(), 0);
  EXPECT_EQ(plain.host(0), "web1");
  const HostPattern all = HostPattern::parse("deploy-1@web1.example.com:2222");
  EXPECT_EQ(all.user(), "deploy-1");
  EXPECT_EQ(all.port(), 2222);
  EXPECT_EQ(all.host(0), "web1.example.com");
  EXPECT_EQ(HostPattern::parse("198.51.100.7:1").port(), 1);
  EXPECT_EQ(HostPattern::parse("w:65535").port(), 65535);
  EXPECT_FALSE(all.is_ipv6());
}

TEST(HostPattern, ranges_are_expanded_in_their_order) {
  EXPECT_EQ(expanded("web[1-3]"), (Names{"web1", "web2", "web3"}));
  EXPECT_EQ(expanded("web[3]"), Names{"web3"});
  EXPECT_EQ(expanded("[1-2]web"), (Names{"1web", "2web"}));
  EXPECT_EQ(expanded("10.0.0.[9-11]"), (Names{"10.0.0.9", "10.0.0.10", "10.0.0.11"}));
  EXPECT_EQ(expanded("r[1-2]-n[a,b,07-08].x"),
            (Names{"r1-na.x", "r1-nb.x", "r1-n07.x", "r1-n08.x", "r2-na.x", "r2-nb.x", "r2-n07.x",
                   "r2-n08.x"}));
  EXPECT_EQ(expanded("[1-2][1-2]"), (Names{"11", "12", "21", "22"}));
  EXPECT_EQ(expanded("z[a-c]"), (Names{"za", "zb", "zc"}));
  EXPECT_EQ(expanded("z[X-Z,q]"), (Names{"zX", "zY", "zZ", "zq"}));
  EXPECT_EQ(expanded("w[5-5]"), Names{"w5"});
}

TEST(HostPattern, padding_with_zeros_is_kept) {
  EXPECT_EQ(expanded("w[08-11]"), (Names{"w08", "w09", "w10", "w11"}));
  EXPECT_EQ(expanded("w[098-101]"), (Names{"w098", "w099", "w100", "w101"}));
  EXPECT_EQ(expanded("w[8-11]"), (Names{"w8", "w9", "w10", "w11"}));
  EXPECT_EQ(expanded("w[0-1]"), (Names{"w0", "w1"}));
  EXPECT_EQ(expanded("w[00-01]"), (Names{"w00", "w01"}));
  EXPECT_EQ(expanded("w[98-101]").back(), "w101");
  EXPECT_EQ(expanded("w[09-10,1]"), (Names{"w09", "w10", "w1"}));
  EXPECT_EQ(expanded("w[007]"), Names{"w007"});
  EXPECT_NE(fault_of("w[1-010]").find("same width"), std::string::npos);
}

TEST(HostPattern, ipv6_addresses_are_told_from_ranges) {
  const HostPattern address = HostPattern::parse("[2001:db8::1]");
  EXPECT_TRUE(address.is_ipv6());
  EXPECT_EQ(address.host(0), "2001:db8::1");
  EXPECT_EQ(address.count(), 1u);
  EXPECT_EQ(address.port(), 0);
  EXPECT_EQ(HostPattern::parse("[::1]:2222").port(), 2222);
  EXPECT_EQ(HostPattern::parse("root@[::1]:22").user(), "root");
  EXPECT_EQ(HostPattern::parse("[::ffff:198.51.100.7]").host(0), "::ffff:198.51.100.7");
  EXPECT_EQ(HostPattern::parse("[fe80::1%eth0.1]").host(0), "fe80::1%eth0.1");
  EXPECT_FALSE(HostPattern::parse("[1-3]").is_ipv6());
  EXPECT_EQ(fault_of("2001:db8::1"),
            "0 an IPv6 address stands in brackets: [2001:db8::1], [2001:db8::1]:2222");
  EXPECT_EQ(fault_of("[2001:db8]"), "1 '2001:db8' is no IPv6 address");
  EXPECT_EQ(fault_of("[::1%]"), "4 no zone after the '%'");
  EXPECT_EQ(fault_of("[::1%$x]"), "5 '$' cannot be part of a zone");
  EXPECT_EQ(fault_of("[::1]2222"),
            "5 after an IPv6 address in brackets comes ':' and a port, or nothing");
  EXPECT_EQ(fault_of("[::1]:"), "6 '' is no port: 1 to 65535");
  EXPECT_EQ(fault_of("web1%eth0"), "4 '%' cannot be part of a host's name");
}

TEST(HostPattern, nothing_that_ssh_or_a_shell_would_obey_is_taken) {
  for (const std::string text : {"-oProxyCommand=id",
                                 "-l",
                                 "root@-x",
                                 "-x@web1",
                                 "[-a]",
                                 "[-]",
                                 ".ssh",
                                 "..",
                                 "a/b",
                                 "../x",
                                 "web1;id",
                                 "$(id)",
                                 "`id`",
                                 "a b",
                                 "a\tb",
                                 "a\nb",
                                 "a'b",
                                 "a\"b",
                                 "a\\b",
                                 "a*",
                                 "~root",
                                 "a|b",
                                 "a&b",
                                 "a<b",
                                 "a>b",
                                 "a?b",
                                 "{a,b}",
                                 "a!b",
                                 "a=b",
                                 "a,b",
                                 "%h",
                                 "a%p",
                                 "w[a;b]",
                                 "w[%h]",
                                 "a@b@c",
                                 "u;x@web1",
                                 "\x1b[0m",
                                 "w\x7f",
                                 "wäb",
                                 "w\xff",
                                 "ssh://web1",
                                 "w(1)",
                                 "#1"})
    EXPECT_NE(fault_of(text), "taken") << text;
  EXPECT_NE(fault_of(std::string("we\0b", 4)), "taken");
  EXPECT_EQ(fault_of("-oProxyCommand=id"), "0 a host's name cannot begin with '-'");
  EXPECT_EQ(fault_of("-x@web1"), "0 a user's name cannot begin with '-'");
  EXPECT_EQ(fault_of("root@-x"), "5 a host's name cannot begin with '-'");
  EXPECT_EQ(fault_of("web1;id"), "4 ';' cannot be part of a host's name");
  EXPECT_EQ(fault_of("wäb"), "1 'ä' cannot be part of a host's name");
  EXPECT_EQ(fault_of("w[x,ä]"), "4 'ä' cannot be part of a range");
}

TEST(HostPattern, what_cannot_be_read_is_named_with_its_place) {
  EXPECT_EQ(fault_of(""), "0 no host");
  EXPECT_EQ(fault_of("root@"), "5 no host");
  EXPECT_EQ(fault_of("@web1"), "0 no user before the '@'");
  EXPECT_EQ(fault_of(":22"), "0 no host before the ':'");
  for (const std::string port : {"", "0", "65536", "99999999999", "-1", "+1", "0x16", "22a", " 22"})
    EXPECT_EQ(fault_of("web1:" + port), "5 '" + port + "' is no port: 1 to 65535");
  EXPECT_EQ(fault_of("web[1-"), "3 '[' is not closed (a range has no blanks)");
  EXPECT_EQ(fault_of("web[1[2]]"), "3 '[' is not closed (a range has no blanks)");
  EXPECT_EQ(fault_of("web1]"), "4 ']' without a '[' before it");
  EXPECT_EQ(fault_of("web[]"), "4 a range with nothing in it, such as [1-3] or [a,b,07-12]");
  EXPECT_EQ(fault_of("web[1,]"), "6 a range with nothing in it, such as [1-3] or [a,b,07-12]");
  EXPECT_EQ(fault_of("web[3-1]"), "4 '3-1' in a range: it runs backwards");
  EXPECT_EQ(fault_of("web[1,c-a]"), "6 'c-a' in a range: it runs backwards");
  EXPECT_EQ(fault_of("web[1-1000000000]"),
            "4 '1-1000000000' in a range: numbers have up to 9 "
            "digits");
  for (const char* range : {"a-1", "1-a", "-3", "3-", "a-Z", "ab-cd", "1-2-3", "eu-west"})
    EXPECT_EQ(fault_of(fmt::format("web[{}]", range)),
              fmt::format("4 '{}' in a range: '-' stands between two numbers or two letters, as in "
                          "1-20 or a-f",
                          range));
}

TEST(HostPattern, names_are_no_longer_than_dns_has_them) {
  EXPECT_EQ(fault_of(std::string(253, 'a')), "taken");
  EXPECT_EQ(fault_of(std::string(254, 'a')), "0 a host's name has at most 253 characters");
  EXPECT_EQ(fault_of(std::string(251, 'a') + "[1-99]"), "taken");
  EXPECT_NE(fault_of(std::string(251, 'a') + "[1-100]"), "taken");
}

TEST(HostPattern, counts_beyond_measure_do_not_wrap_around) {
  EXPECT_EQ(HostPattern::parse("w[0-999999999]").count(), 1'000'000'000u);
  EXPECT_GE(HostPattern::parse("w[0-65535][0-65535][0-65535][0-65535]").count(), 1ull << 32);
  EXPECT_EQ(HostPattern::parse("w[0-999999999]").host(999'999'999), "w999999999");
}

TEST(HostPattern, a_range_is_what_writing_out_its_numbers_gives) {
  EXPECT_TRUE(rc::check([] {
    const auto first = *rc::gen::inRange<unsigned>(0, 1200);
    const auto count = *rc::gen::inRange<unsigned>(1, 150);
    const auto zeros = *rc::gen::inRange<unsigned>(0, 3);
    const std::string low = std::string(zeros, '0') + std::to_string(first);
    const bool is_padded = low.size() > 1 && low.front() == '0';
    const std::size_t width = is_padded ? low.size() : 1;
    const std::string high = fmt::format("{:0{}}", first + count - 1, width);
    Names expected;
    for (unsigned i = 0; i < count; ++i)
      expected.push_back(fmt::format("w{:0{}}.x", first + i, width));
    RC_ASSERT(expanded(fmt::format("w[{}-{}].x", low, high)) == expected);
  }));
}

TEST(HostPattern, several_ranges_are_every_combination_once) {
  EXPECT_TRUE(rc::check([] {
    std::string text = "h";
    Names expected{"h"};
    const auto ranges = *rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(1u, 5u));
    for (std::size_t i = 0; i < std::min<std::size_t>(ranges.size(), 5); ++i) {
      text += fmt::format("-[1-{}]", ranges[i]);
      Names longer;
      for (const std::string& name : expected)
        for (unsigned n = 1; n <= ranges[i]; ++n) longer.push_back(fmt::format("{}-{}", name, n));
      expected = longer;
    }
    RC_ASSERT(expanded(text) == expected);
  }));
}

TEST(HostPattern, reads_what_reports_write_in_short) {
  EXPECT_TRUE(rc::check([] {
    const auto numbers = *rc::gen::container<std::set<unsigned>>(rc::gen::inRange(0u, 120u));
    const auto width = *rc::gen::inRange(1u, 4u);
    Names names;
    for (const unsigned n : numbers) names.push_back(fmt::format("web{:0{}}.x2", n, width));
    Names read;
    for (const std::string& range : name_ranges(names)) {
      const Names hosts = expanded(range);
      read.insert(read.end(), hosts.begin(), hosts.end());
    }
    std::ranges::sort(names);
    std::ranges::sort(read);
    RC_ASSERT(read == names);
  }));
}

TEST(HostName, is_as_strict_as_hosts_are) {
  for (const char* name : {"web1", "_dmz", "7", "a.b-c_d", "A"})
    EXPECT_NO_THROW(check_host_name(name));
  for (const char* name : {"", "-a", ".", "..", "a b", "a/b", "a:b", "[a]", "ä", "a\n"})
    EXPECT_THROW(check_host_name(name), Fault) << name;
  EXPECT_THROW(check_host_name(std::string(254, 'a')), Fault);
}

}  // namespace
}  // namespace murder::fleet
