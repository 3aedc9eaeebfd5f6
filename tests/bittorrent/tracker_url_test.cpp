#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bittorrent/announce.hpp"
#include "bittorrent/support.hpp"

namespace murder {
namespace {

using murder::testing::any_bytes;
using murder::testing::damaged;
using murder::testing::fails_with;

struct Good {
  std::string url;
  std::string scheme;
  std::string host;
  std::uint16_t port;
  std::string target;
};

TEST(TrackerUrl, parts_are_told_apart) {
  const std::vector<Good> cases{
      {"http://origin", "http", "origin", 8998, "/announce"},
      {"http://origin/", "http", "origin", 8998, "/announce"},
      {"http://origin:80", "http", "origin", 80, "/announce"},
      {"HTTP://Origin.example:6969/a/announce?pass=k", "http", "Origin.example", 6969,
       "/a/announce?pass=k"},
      {"http://origin?pass=k", "http", "origin", 8998, "/announce?pass=k"},
      {"http://198.18.0.1:65535/announce", "http", "198.18.0.1", 65535, "/announce"},
      {"http://[2001:db8::1]:8998/announce", "http", "2001:db8::1", 8998, "/announce"},
      {"http://[::1]", "http", "::1", 8998, "/announce"},
      {"http://my_host-1/x:y@z", "http", "my_host-1", 8998, "/x:y@z"},
      {"https://origin", "https", "origin", 443, "/announce"},
      {"https://origin:8443/a?k=1", "https", "origin", 8443, "/a?k=1"},
      {"udp://origin:6969", "udp", "origin", 6969, ""},
      {"udp://origin:6969/", "udp", "origin", 6969, ""},
      {"UDP://origin:6969/announce", "udp", "origin", 6969, "/announce"},
      {"udp://origin:6969?pass=k", "udp", "origin", 6969, "?pass=k"},
      {"udp://[2001:db8::1]:80/a?pass=k", "udp", "2001:db8::1", 80, "/a?pass=k"},
  };
  for (const auto& [url, scheme, host, port, target] : cases) {
    const TrackerUrl parsed = parse_tracker_url(url);
    EXPECT_EQ(parsed.scheme, scheme) << url;
    EXPECT_EQ(parsed.is_udp(), scheme == "udp") << url;
    EXPECT_EQ(parsed.is_secure(), scheme == "https") << url;
    EXPECT_EQ(parsed.host, host) << url;
    EXPECT_EQ(parsed.port, port) << url;
    EXPECT_EQ(parsed.target, target) << url;
    EXPECT_EQ(parse_tracker_url(parsed.to_string()).to_string(), parsed.to_string()) << url;
  }
  EXPECT_EQ(parse_tracker_url("http://[::1]").to_string(), "http://[::1]:8998/announce");
  EXPECT_EQ(parse_tracker_url("udp://[::1]:6969/").to_string(), "udp://[::1]:6969");
}

TEST(TrackerUrl, what_is_no_trackers_url_is_refused_with_a_reason) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "does not begin with http://, https:// or udp://"},
      {"origin:8998", "does not begin with http://, https:// or udp://"},
      {"wss://origin/announce", "murder speaks http, https and udp, not wss"},
      {"udp://origin", "names no port"},
      {"udp://origin/announce", "names no port"},
      {"udp://origin:0/announce", "its port is not 1 to 65535"},
      {"udp://[::1", "'[' without ']'"},
      {"udp://user@origin:6969", "before '@'"},
      {"http://", "names no host"},
      {"http://:8998", "names no host"},
      {"http:///announce", "names no host"},
      {"http://user@origin", "before '@'"},
      {"http://or!gin", "not a host name"},
      {"http://origin:", "its port is not 1 to 65535"},
      {"http://origin:0", "its port is not"},
      {"http://origin:65536", "its port is not"},
      {"http://origin:80x/", "its port is not"},
      {"http://origin:-1", "its port is not"},
      {"http://[::1", "'[' without ']'"},
      {"http://[origin]", "not an IPv6 address"},
      {"http://[127.0.0.1]", "not an IPv6 address"},
      {"http://[::1]x", "something other than a port or a path"},
      {"http://origin/#top", "'#'"},
      {"http://origin/a b", "a space"},
      {"http://origin/\r\nHost: evil", "control character"},
      {std::string("http://origin/\0", 15), "control character"},
      {"http://örigin/", "beyond ASCII"},
      {"http://origin/" + std::string(3000, 'x'), "longer than 2048 bytes"},
  };
  for (const auto& bad : cases)
    EXPECT_TRUE(fails_with(ErrorKind::usage, bad.second, [&] { parse_tracker_url(bad.first); }))
        << bad.first;
}

TEST(TrackerUrl, murders_own_tracker_is_not_asked_over_udp) {
  EXPECT_EQ(parse_own_tracker_url("http://origin").port, 8998);
  EXPECT_TRUE(fails_with(ErrorKind::usage, "murder's own tracker answers over HTTP alone",
                         [] { parse_own_tracker_url("udp://origin:8998"); }));
}

TEST(TrackerUrl, a_password_is_not_repeated_in_the_error) {
  try {
    parse_tracker_url("http://user:secret@origin/announce");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(std::string_view(error.what()).find("secret"), std::string_view::npos);
  }
}

RC_GTEST_PROP(TrackerUrlProperty, any_bytes_are_refused_or_fit_for_a_request_line, ()) {
  const std::string url =
      *rc::gen::oneOf(any_bytes(), damaged("http://[2001:db8::1]:8998/x?y=z"),
                      damaged("http://origin:8998/announce"), damaged("udp://origin:6969/x?y=z"));
  try {
    const TrackerUrl parsed = parse_tracker_url(url);
    RC_ASSERT(parsed.port != 0 && !parsed.host.empty());
    RC_ASSERT(parsed.is_udp() || parsed.target.starts_with('/'));
    for (const char c : parsed.host + parsed.target) RC_ASSERT(c > ' ' && c <= '~');
    RC_ASSERT(parse_tracker_url(parsed.to_string()).to_string() == parsed.to_string());
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::usage);
  }
}

}  // namespace
}  // namespace murder
