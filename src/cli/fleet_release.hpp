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
  std::uint32_t keep = 5;  ///< of prune
};

/// Each throws an Error whose kind is the exit status unless every host is well.
void activate_on_fleet(const FleetReleaseArguments& arguments, Context& context);
void rollback_on_fleet(const FleetReleaseArguments& arguments, Context& context);
void list_on_fleet(const FleetReleaseArguments& arguments, Context& context);
void verify_on_fleet(const FleetReleaseArguments& arguments, Context& context);
void prune_on_fleet(const FleetReleaseArguments& arguments, Context& context);

}  // namespace murder::cli
