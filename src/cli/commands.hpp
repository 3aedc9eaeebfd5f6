// What each command adds to the command line. The flags stand beside the code that reads them;
// --help, configuration files and the environment's names are made from them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "cli/reporter.hpp"

namespace murder::cli {

/// What every command gets.
struct Context {
  bool json = false;
  bool quiet = false;
  int verbose = 0;
  std::string events_file;  ///< empty: none
  Log log = Log::silent();
  std::unique_ptr<Reporter> reporter;
};

/// Set by the command that was named; run after parsing.
using Action = std::function<void(Context&)>;

struct ReleasesOfFleet;  ///< cli/fleet_release.hpp

void add_pack(CLI::App& app, Action& action);
void add_tracker(CLI::App& app, Action& action);
void add_seed(CLI::App& app, Action& action);
void add_peer(CLI::App& app, Action& action);
/// activate, rollback, releases, verify, prune; without `on_fleet` for this host alone.
void add_release_commands(CLI::App& app, Action& action, const ReleasesOfFleet* on_fleet);
void add_stop(CLI::App& app, Action& action);
void add_deploy(CLI::App& app, Action& action);
void add_copy(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_on_host(CLI::App& app, Action& action);          ///< hidden: what deploy runs on hosts
void add_record_commands(CLI::App& app, Action& action);  ///< status, history, logs
void add_demo(CLI::App& app, Action& action);
void add_simulate(CLI::App& app, Action& action);
void add_hosts(CLI::App& app, Action& action);
/// Hidden: what is made from all the commands; looked at when it is run.
void add_manual(CLI::App& app, Action& action);

}  // namespace murder::cli
