// The flags that whoever works on a fleet has: which hosts.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "fleet/host.hpp"

namespace murder::cli {

struct FleetFlags {
  std::vector<std::string> files;
  std::vector<std::string> hosts;
  std::vector<std::string> where;

  void add_to(CLI::App& command);
  /// Whether any host is named.
  bool given() const { return !files.empty() || !hosts.empty(); }
  /// The hosts of all lists, those of files first, narrowed by --where; at least one. Reads the
  /// files, and standard input to its end: to be called once. Error{usage} with all that is wrong
  /// with the lists; when no host is named, or none is selected.
  std::vector<fleet::Host> selected() const;
};

}  // namespace murder::cli
