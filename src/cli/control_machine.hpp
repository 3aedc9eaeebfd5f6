// The machine of a demo from which its hosts are deployed to: `murder deploy` runs there as it
// would anywhere, on the terminal of the demo.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/deploy_events.hpp"
#include "cli/processor_share.hpp"
#include "cli/signal_watch.hpp"
#include "lab/lab.hpp"
#include "lab/ssh_hosts.hpp"

namespace murder::cli {

/// As somebody types it in a shell: "murder deploy v2 --check 'test -e x'".
std::string typed(const std::vector<std::string>& arguments);

/// Host 0 of the lab. One thread, that of `signals`.
class ControlMachine {
 public:
  /// Works in `folder`, where the hosts' ssh_config is.
  ControlMachine(lab::Lab& lab, const lab::SshHosts& hosts, std::filesystem::path folder,
                 Context& context, SignalWatch& signals);

  struct Deployed {
    int status = 0;  ///< its exit status
    DeployOutcome outcome;
    /// Share of the processors from then to then, in seconds since it began; nullopt when not
    /// known.
    std::optional<double> busy_share(double from_s, double to_s) const;

    std::vector<std::pair<double, ProcessorTime>> processors;  ///< on the monotonic clock, seconds
  };
  /// Whether the report of a deploy that went well is left out, but for its first line.
  enum class Report { whole, first_line };
  /// Says "$ murder deploy …" and runs it. What it writes is for people, or with --json what it
  /// says to programs. Error{interrupted} and Error{terminated} when a signal has come; it is
  /// killed then.
  Deployed deploy(std::vector<std::string> arguments, Report report);

 private:
  std::vector<std::string> command(const std::vector<std::string>& arguments) const;
  int run(const std::vector<std::string>& argv, int stdout_fd, Deployed& deployed);

  lab::Lab& lab_;
  const lab::SshHosts& hosts_;
  std::filesystem::path folder_;
  Context& context_;
  SignalWatch& signals_;
};

}  // namespace murder::cli
