// URLs, as users and torrents give them, taken apart: http:// ones above all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace murder {

/// scheme://host[:port][/path][?query]; an IPv6 host in brackets.
struct Url {
  std::string scheme;  ///< in lower case
  std::string host;    ///< without brackets
  std::optional<std::uint16_t> port;
  std::string target;  ///< path and query as they stand there, "/a?b", "?b"; may be empty
};

/// Which URLs are taken, and what they are called when one is not.
struct UrlKind {
  std::string_view what;                      ///< "tracker"
  std::span<const std::string_view> schemes;  ///< in lower case
  std::string_view meant;                     ///< "http://HOST[:PORT][/PATH]"
};

/// Throws Error{usage} "cannot use WHAT 'URL': …", never repeating a password. What is accepted has
/// neither spaces nor controls nor anything beyond ASCII in it.
Url split_url(std::string_view url, const UrlKind& kind);
/// The same error, for a fault that the caller finds.
[[noreturn]] void refuse_url(std::string_view url, const UrlKind& kind, std::string_view reason);

/// http[s]://host[:port]/path[?query]; an IPv6 host in brackets.
struct HttpUrl {
  std::string host;         ///< without brackets
  std::uint16_t port = 80;  ///< 443 for https
  std::string target;       ///< path and query, "/healthz?full=1"
  bool is_secure = false;   ///< https
};

/// As split_url() throws; https:// only where `may_be_secure`. What is accepted is fit for the
/// first line of an HTTP request.
HttpUrl parse_http_url(std::string_view url, std::string_view what = "URL",
                       bool may_be_secure = false);

/// What an HTTP request's first line names for a target of split_url(): `default_path` for none.
std::string http_target(std::string target, std::string_view default_path);

}  // namespace murder
