#include "cli/transfer_flags.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "base/units.hpp"

namespace murder::cli {

void add_ports_flag(CLI::App& command, std::string& ports) {
  command
      .add_option("--ports", ports,
                  "TCP ports of the swarm on every host, such as 9100-9160 (default: 8998-9060)")
      ->type_name("FIRST-LAST");
}

PortRange swarm_port_range(const std::string& ports) {
  const PortRange range = parse_port_range(ports, "--ports");
  if (range.count() == 1 || (range.first == 0 && !ports.empty()))
    throw Error(ErrorKind::usage,
                "--ports: at least two are needed, for the origin's tracker and "
                "its seeder, such as 9100-9160");
  return range;
}

void TransferFlags::add_to(CLI::App& command) {
  command
      .add_option("--origin", origin_host,
                  "The host that gets it over ssh and seeds (default: the first that answers); "
                  "local: this machine, when the hosts reach it")
      ->type_name("HOST|local[:ADDRESS]");
  command.add_flag("--no-fallback", no_fallback,
                   "Do not feed a host over ssh that the swarm cannot reach");
  command.add_option("--owner", owner, "Whom the unpacked files are to belong to")
      ->type_name("USER[:GROUP]");
  add_ports_flag(command, ports);
  command.add_option("--up", up, "What each host may send at most")->type_name("RATE");
  command.add_option("--down", down, "What each host may fetch at most")->type_name("RATE");
  command
      .add_option("--timeout", timeout,
                  "A host gives up after so long without progress (default: 10m)")
      ->type_name("TIME");
}

/// "web1", "local", "local:10.0.0.9", "local:[2001:db8::1]"
fleet::OriginOptions TransferFlags::origin() const {
  fleet::OriginOptions origin;
  origin.up = up;
  constexpr std::string_view local = "local";
  std::string_view text = origin_host;
  origin.here = text == local || text.starts_with("local:");
  if (!origin.here) {
    origin.name = text;
    return origin;
  }
  text.remove_prefix(std::min(text.size(), local.size() + 1));
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.empty() && origin_host == local) return origin;
  const auto address = IpAddress::parse(std::string(text));
  if (!address || address->is_unspecified())
    throw Error(ErrorKind::usage,
                fmt::format("--origin {}: after \"local:\" comes the IP address at which the hosts "
                            "reach this machine, such as local:10.0.0.9",
                            printable(origin_host)));
  origin.address = address->to_string();
  return origin;
}

fleet::StagingOptions TransferFlags::staging() const {
  if (!up.empty()) parse_rate(up, "--up");
  if (!down.empty()) parse_rate(down, "--down");
  fleet::StagingOptions staging;
  staging.owner = owner;
  staging.up = up;
  staging.down = down;
  staging.fallback = !no_fallback;
  staging.timeout = parse_duration(timeout, "--timeout");
  return staging;
}

}  // namespace murder::cli
