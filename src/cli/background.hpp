// Commands that go on in the background: the child that does the work, the parent that returns once
// it does, and what a service manager is told.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "events/event.hpp"
#include "host/daemons.hpp"

namespace murder::cli {

/// Splits off a child, in a session of its own, that does the work and holds nothing that this
/// process was started with but its standard streams. Returns the pipe to tell the parent through:
/// a byte in it, and the parent ends with status 0. In the parent it does not return: when the
/// child ends before that, it ends with the child's status. What ends the parent by a signal ends
/// the child.
UniqueFd detach();

/// Serves, telling a sink what happens; an events::Listening says that it really does.
using Service = std::function<void(events::EventSink& events)>;

struct BackgroundFlags {
  bool daemon = false;
  std::string log;

  void add_to(CLI::App& command);
};

/// Runs a service: in the foreground, telling the service manager ($NOTIFY_SOCKET, sd_notify(3))
/// when it is ready; or as the daemon described, with `--daemon`. Then the command returns when the
/// service listens; that the same runs already with the same options is as good. A name that is not
/// known before it listens is left empty.
/// Throws what the service throws; DaemonRuns when one runs with other options.
void run_service(Context& context, const BackgroundFlags& flags, const Daemon& daemon,
                 const Service& service);

/// daemon_folder(), by this process's environment.
std::filesystem::path own_daemon_folder();

/// "started", "running", …, as events have it.
events::Daemon to_event(const Daemon& daemon, const std::string& state);

}  // namespace murder::cli
