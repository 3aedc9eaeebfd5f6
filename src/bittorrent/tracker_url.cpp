// Trackers' URLs, as users and torrents give them.
#include <fmt/format.h>

#include "base/http_url.hpp"
#include "bittorrent/announce.hpp"

namespace murder {
namespace {

constexpr std::uint16_t default_port = 8998;
constexpr std::string_view default_path = "/announce";

}  // namespace

std::string TrackerUrl::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("{}://[{}]:{}{}", scheme, host, port, target)
               : fmt::format("{}://{}:{}{}", scheme, host, port, target);
}

TrackerUrl parse_tracker_url(std::string_view url) {
  HttpUrl parsed = parse_http_url(url, "tracker", default_port, default_path);
  return {"http", std::move(parsed.host), parsed.port, std::move(parsed.target)};
}

}  // namespace murder
