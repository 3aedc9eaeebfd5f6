// What `murder simulate` found, for people and for programs. No I/O.
#pragma once

#include <optional>
#include <string>

#include "events/event.hpp"
#include "sim/limit.hpp"
#include "sim/simulation.hpp"

namespace murder::cli {

struct SimulateFigures {
  sim::SimulationOptions options;
  sim::SimulationResult result;

  /// Hosts that were to get it: all but those that were killed for good or stopped.
  std::uint32_t expected() const { return options.expect; }
  /// Of those the ones that did.
  std::uint32_t complete() const;
  /// The last host by the limit; none unless every expected host has it.
  std::optional<double> last_ratio() const;
};

/// The event that --json ends with.
events::Summary summary_of(const SimulateFigures& figures);
/// What goes to stdout, several lines.
std::string report_of(const SimulateFigures& figures);

}  // namespace murder::cli
