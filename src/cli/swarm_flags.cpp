#include "cli/swarm_flags.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "bittorrent/announce.hpp"
#include "node/tracker_question.hpp"

namespace murder::cli {

void SwarmFlags::add_to(CLI::App& command) {
  command
      .add_option("--tracker", trackers,
                  "Announce URL (http:// or udp://), instead of the torrent's; may be repeated")
      ->type_name("URL");
  command.add_option("--listen", listen, "Address to listen on and to dial from (default: any)")
      ->type_name("ADDRESS");
  command
      .add_option("--port", port,
                  "Port to listen on, or the first free one of a range such as 9100-9160 (default: "
                  "of 8999 to 9029)")
      ->type_name("PORT");
  command.add_option("--name", name, "What reports call this host (default: its host name)")
      ->type_name("NAME");
  command
      .add_option("--up", up,
                  "Send at most so much payload, such as 200Mbit or 25MB/s (default: no limit)")
      ->type_name("RATE");
  command.add_option("--down", down, "Receive at most so much payload (default: no limit)")
      ->type_name("RATE");
}

std::vector<std::string> SwarmFlags::checked_trackers() const {
  std::vector<std::string> checked;
  for (const std::string& url : trackers) {
    node::check_tracker_url(url);
    checked.push_back(parse_tracker_url(url).to_string());
  }
  return checked;
}

IpAddress SwarmFlags::address() const {
  const auto address = IpAddress::parse(listen);
  if (!address)
    throw Error(ErrorKind::usage,
                fmt::format("--listen: '{}' is not an IP address", printable(listen)));
  return *address;
}

PortRange SwarmFlags::port_range() const { return parse_port_range(port, "--port"); }

RateLimits SwarmFlags::limits() const {
  RateLimits limits;
  if (!up.empty()) limits.up = parse_rate(up, "--up");
  if (!down.empty()) limits.down = parse_rate(down, "--down");
  return limits;
}

}  // namespace murder::cli
