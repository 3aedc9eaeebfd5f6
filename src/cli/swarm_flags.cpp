#include "cli/swarm_flags.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "bittorrent/announce.hpp"

namespace murder::cli {

void SwarmFlags::add_to(CLI::App& command) {
  command
      .add_option("--tracker", trackers, "Announce URL, instead of the torrent's; may be repeated")
      ->type_name("URL");
  command.add_option("--listen", listen, "Address to listen on and to dial from (default: any)")
      ->type_name("ADDRESS");
  command
      .add_option("--port", port, "Port to listen on (default: the first free one of 8999 to 9029)")
      ->type_name("PORT");
  command.add_option("--name", name, "What reports call this host (default: its host name)")
      ->type_name("NAME");
}

std::vector<std::string> SwarmFlags::checked_trackers() const {
  std::vector<std::string> checked;
  for (const std::string& url : trackers) checked.push_back(parse_tracker_url(url).to_string());
  return checked;
}

IpAddress SwarmFlags::address() const {
  const auto address = IpAddress::parse(listen);
  if (!address)
    throw Error(ErrorKind::usage,
                fmt::format("--listen: '{}' is not an IP address", printable(listen)));
  return *address;
}

}  // namespace murder::cli
