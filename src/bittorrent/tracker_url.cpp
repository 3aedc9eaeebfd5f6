// Trackers' URLs, as users and torrents give them.
#include <array>
#include <fmt/format.h>
#include <utility>

#include "base/http_url.hpp"
#include "bittorrent/announce.hpp"

namespace murder {
namespace {

constexpr std::uint16_t default_port = 8998;
constexpr std::string_view default_path = "/announce";
constexpr std::uint16_t default_secure_port = 443;
constexpr std::array<std::string_view, 3> schemes{"http", "https", "udp"};
constexpr UrlKind kind{"tracker", schemes,
                       "http[s]://HOST[:PORT][/PATH] or udp://HOST:PORT[/PATH]"};
constexpr UrlKind kind_of_own{"tracker", schemes, "http[s]://HOST[:PORT]"};

}  // namespace

std::string TrackerUrl::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("{}://[{}]:{}{}", scheme, host, port, target)
               : fmt::format("{}://{}:{}{}", scheme, host, port, target);
}

TrackerUrl parse_tracker_url(std::string_view url) {
  Url parsed = split_url(url, kind);
  if (parsed.scheme != "udp") {
    const auto port = parsed.scheme == "https" ? default_secure_port : default_port;
    return {std::move(parsed.scheme), std::move(parsed.host), parsed.port.value_or(port),
            http_target(std::move(parsed.target), default_path)};
  }
  if (!parsed.port) refuse_url(url, kind, "it names no port, and UDP trackers have no usual one");
  if (parsed.target == "/") parsed.target.clear();
  return {std::move(parsed.scheme), std::move(parsed.host), *parsed.port, std::move(parsed.target)};
}

TrackerUrl parse_own_tracker_url(std::string_view url) {
  TrackerUrl parsed = parse_tracker_url(url);
  if (parsed.is_udp())
    refuse_url(url, kind_of_own,
               "murder's own tracker answers over HTTP alone, and other trackers do not know what "
               "is asked for here");
  return parsed;
}

}  // namespace murder
