// murder activate, rollback, releases, verify and prune with --hosts: on a fleet.
#pragma once

#include <cstdint>
#include <string>

#include "cli/commands.hpp"
#include "cli/fleet_flags.hpp"
#include "cli/rollout_flags.hpp"
#include "cli/ssh_flags.hpp"

namespace murder::cli {

struct FleetReleaseArguments {
  std::string to;
  std::string tag;
  FleetFlags hosts;
  SshFlags ssh;
  RolloutFlags rollout;
};

/// What the commands do with --hosts, and the flags for that.
struct ReleasesOfFleet {
  /// Throws an Error whose kind is the exit status unless every host is well.
  using Work = void (*)(const FleetReleaseArguments& arguments, Context& context);

  /// `switches`: also those of a rollout.
  void (*add_flags)(FleetReleaseArguments& arguments, CLI::App& command, bool switches);
  Work activate;
  Work rollback;
  Work list;
  Work verify;
};
extern const ReleasesOfFleet releases_of_a_fleet;

void prune_on_fleet(const FleetReleaseArguments& arguments, std::uint32_t keep, Context& context);

}  // namespace murder::cli
