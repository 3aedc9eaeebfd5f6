// The flags that say how the hosts of a fleet are reached, and what the end of a command on them
// leaves behind.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "fleet/fleet.hpp"

namespace murder::cli {

struct SshFlags {
  bool sudo = false;
  std::size_t concurrency = 64;
  std::string connect_timeout = "10s";
  std::string reconnect = "20s";
  std::string report;

  void add_to(CLI::App& command);
  /// With $MURDER_SSH. Error{usage} for values that cannot be used.
  fleet::SshOptions options() const;
  Duration reconnect_time() const;
};

}  // namespace murder::cli
