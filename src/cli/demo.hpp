// The main job on real input, on this one machine: pack, seed, fetch on many hosts, activate,
// compare, measure.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/units.hpp"
#include "cli/commands.hpp"

namespace murder::cli {

struct DemoOptions {
  std::filesystem::path source;
  std::size_t hosts = 16;
  Rate link;
  bool namespaces = true;  ///< where they can be made
};

/// Throws Error: usage (nothing to pack at SOURCE), partial and failed (hosts that have not got it,
/// after the summary), interrupted and terminated. Whatever it made is gone then.
void run_demo(const DemoOptions& options, Context& context);

}  // namespace murder::cli
