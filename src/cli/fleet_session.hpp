// What every command on a fleet does around its work: the id, the local record, progress on the
// terminal, the report at the end and the exit status.
#pragma once

#include <functional>
#include <string>

#include "cli/commands.hpp"
#include "cli/fleet_flags.hpp"
#include "cli/ssh_flags.hpp"
#include "fleet/report.hpp"
#include "fleet/run.hpp"

namespace murder::cli {

struct FleetCommand {
  std::string name;  ///< "deploy", …
  std::string dest;
  std::string source;  ///< may be empty
  std::string tag;     ///< as far as it is known
  fleet::Goal goal = fleet::Goal::activated;
  PortRange ports = {};  ///< of the swarm
};

/// Reaches the hosts and runs the work on them. Writes the summary and --report; throws an Error
/// whose kind is the exit status unless every host is well. Returns the report then.
/// `before_summary` may write data of the command's own.
fleet::FleetReport run_on_fleet(const FleetCommand& command, const FleetFlags& hosts,
                                const SshFlags& ssh, const fleet::MakeWork& make_work,
                                Context& context, const std::function<void()>& before_summary = {});

}  // namespace murder::cli
