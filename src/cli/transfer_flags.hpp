// The flags that say how what is packed comes to the hosts of a fleet.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "fleet/origin.hpp"
#include "fleet/staging.hpp"

namespace murder::cli {

struct TransferFlags {
  std::string origin_host;
  std::string owner;
  std::string up;
  std::string down;
  std::string timeout = "10m";
  bool no_fallback = false;

  void add_to(CLI::App& command);
  /// Error{usage} for values that cannot be used.
  fleet::OriginOptions origin() const;
  fleet::StagingOptions staging() const;
};

}  // namespace murder::cli
