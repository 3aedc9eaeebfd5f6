// The flags that whoever takes part in a swarm has.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "base/port_range.hpp"
#include "base/units.hpp"

namespace murder::cli {

struct SwarmFlags {
  std::vector<std::string> trackers;
  std::string listen = "0.0.0.0";
  std::string port;
  std::string name;
  std::string up;
  std::string down;

  void add_to(CLI::App& command);
  /// Fills in what a seeder's or peer's options have of these; throws as the functions below.
  template <class Options>
  void put_into(Options& options) const {
    options.trackers = checked_trackers();
    options.listen = address();
    options.ports = port_range();
    options.name = name;
    options.limits = limits();
  }
  /// Error{usage} for anything that is not a tracker's URL.
  std::vector<std::string> checked_trackers() const;
  /// Error{usage} for anything that is not an address.
  IpAddress address() const;
  /// Error{usage} for anything that is neither a port nor a range of them.
  PortRange port_range() const;
  /// Error{usage} for anything that is not a rate.
  RateLimits limits() const;
};

}  // namespace murder::cli
