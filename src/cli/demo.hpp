// The whole story on this one machine: hosts that have nothing but sshd, a release that gets to all
// of them, the next one in waves, and back again when a host is unwell with it.
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
  bool fail = false;       ///< a host of the second wave is unwell
};

/// Throws Error: usage (nothing to pack at SOURCE, too few hosts), partial and failed (it did not
/// come out as it should, after the summary), interrupted and terminated. Whatever it made is gone
/// then.
void run_demo(const DemoOptions& options, Context& context);

}  // namespace murder::cli
