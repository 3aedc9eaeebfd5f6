#include "cli/swarm_status.hpp"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <fmt/format.h>

#include "base/error.hpp"
#include "bittorrent/announce.hpp"
#include "net/http.hpp"
#include "node/swarms_page.hpp"

namespace murder::cli {

std::vector<tracker::SwarmView> ask_tracker(const std::string& url) {
  const bool has_scheme = url.find("://") != std::string::npos;
  const TrackerUrl tracker = parse_own_tracker_url(has_scheme ? url : "http://" + url);

  boost::asio::io_context io(1);
  net::HttpGet::Options options;
  options.host = tracker.host;
  options.port = tracker.port;
  options.is_secure = tracker.is_secure();
  options.target = "/swarms";
  options.timeout = std::chrono::seconds(3);
  net::HttpResult result;
  const net::HttpGet get(io, options, [&](net::HttpResult answer) { result = std::move(answer); });
  io.run();
  if (result.status == 0) throw Error(ErrorKind::unreachable, result.error);
  if (result.status != 200)
    throw Error(
        ErrorKind::failed,
        fmt::format("{}:{} does not say what swarms it has (HTTP status {} for /swarms): it "
                    "is no tracker of murder, or an older one",
                    printable(tracker.host), tracker.port, result.status));
  return node::parse_swarms_page(result.body);
}

}  // namespace murder::cli
