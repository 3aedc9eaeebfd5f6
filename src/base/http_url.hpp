// http:// URLs, as users and torrents give them, taken apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace murder {

/// http://host[:port]/path[?query]; an IPv6 host in brackets.
struct HttpUrl {
  std::string host;  ///< without brackets
  std::uint16_t port = 80;
  std::string target;  ///< path and query, "/healthz?full=1"
};

/// Throws Error{usage} "cannot use WHAT 'URL': …", never repeating a password. What is accepted is
/// fit for the first line of an HTTP request.
HttpUrl parse_http_url(std::string_view url, std::string_view what = "URL",
                       std::uint16_t default_port = 80, std::string_view default_path = "/");

}  // namespace murder
