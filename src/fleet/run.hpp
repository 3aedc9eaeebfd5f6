// Runs one command on a fleet: the loop, signals, the end. Ctrl-C stops what is not begun and lets
// what is under way end; a second one ends the command at once.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

#include "fleet/fleet.hpp"

namespace murder::fleet {

/// What a command does with a fleet. Lives as long as everything that it started.
class FleetWork {
 public:
  virtual ~FleetWork() = default;
  virtual boost::asio::awaitable<void> run() = 0;
  /// From a signal: begin nothing new. run() is to return soon.
  virtual void stop() {}
  /// Waits for its own threads, if it has any, once no more of it is run. A thread that has handed
  /// its result to the loop lets go of the loop only after that, and the loop has to be there then.
  virtual void join() {}
};

using MakeWork = std::function<std::unique_ptr<FleetWork>(Fleet&)>;

struct RunHooks {
  /// About five times a second, for progress.
  std::function<void(Fleet&)> tick;
  /// What a signal has begun: "stopping; once more to end at once".
  std::function<void(const std::string&)> say;
};

/// The report at the end, also of what was cut short (its `signal`) or what the work ended with as
/// a whole (its `error`): what it throws is about no host in particular.
FleetReport run_fleet(const FleetOptions& options, Observer& observer, const MakeWork& make_work,
                      const RunHooks& hooks);

}  // namespace murder::fleet
