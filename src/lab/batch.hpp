// Many `ip`, `bridge` or `tc` commands in one child process each (-batch): making a thousand hosts
// costs a few processes a host, not a dozen.
#pragma once

#include <string>

#include "base/file.hpp"
#include "lab/lab.hpp"

namespace murder::lab {

class Spawner;

class Batch {
 public:
  /// Starts `tool` ("ip", "bridge", "tc") on `lines`, one command each without the tool's name, in
  /// the given network namespace (-1: this process's). The tool stops at the first command refused.
  Batch(Spawner& spawner, const std::string& tool, int network_namespace_fd, std::string lines);
  /// Waits. Error{failed} with the command that was refused and the reason.
  void finish();

 private:
  std::string tool_;
  std::string lines_;
  UniqueFd output_;
  Process process_;
};

}  // namespace murder::lab
