// The flags that say how what is packed comes to the hosts of a fleet.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/port_range.hpp"
#include "fleet/origin.hpp"
#include "fleet/staging.hpp"

namespace murder::cli {

/// --ports, of whatever command makes or tries a swarm.
void add_ports_flag(CLI::App& command, std::string& ports);
/// Error{usage} for what is no range of at least two.
PortRange swarm_port_range(const std::string& ports);

struct TransferFlags {
  std::string origin_host;
  std::string owner;
  std::string up;
  std::string down;
  std::string timeout = "10m";
  std::string ports;
  bool no_fallback = false;

  void add_to(CLI::App& command);
  /// Error{usage} for values that cannot be used.
  fleet::OriginOptions origin() const;
  fleet::StagingOptions staging() const;
};

}  // namespace murder::cli
