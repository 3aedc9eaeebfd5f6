// Switches the hosts over: locks them all, then wave after wave of hooks, the switch itself and
// health checks; stops and goes back as Rollout says; removes old releases at the end.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fleet/fleet.hpp"
#include "fleet/fleet_lock.hpp"
#include "fleet/rollout.hpp"
#include "orders/orders.hpp"

namespace murder::fleet {

struct ActivationOptions {
  std::string tag;
  RolloutOptions rollout;
  std::vector<std::string> link_shared;
  orders::Hook before;
  orders::Hook after;
  orders::Check check;     ///< without command and URL: none
  std::uint32_t keep = 5;  ///< releases; 0: all
  Duration wait_for_lock{};
  bool checks() const { return !check.command.empty() || !check.url.empty(); }
};

class Activation {
 public:
  Activation(Fleet& fleet, const ActivationOptions& options);

  /// All that are staged; first, those on which the release is live already are checked. Throws
  /// Error{failed} when another deploy activates there; then nothing was switched. Failures of
  /// hosts are in their reports.
  boost::asio::awaitable<void> run();
  /// Each of `members` back to `tag`, or to what was live there before.
  boost::asio::awaitable<void> roll_back(std::vector<Member*> members, std::string tag);
  /// No further wave begins; what is under way is seen through.
  void stop();

 private:
  boost::asio::awaitable<void> roll_out();
  boost::asio::awaitable<void> check_live(std::vector<Member*> members);
  boost::asio::awaitable<void> go_back(std::vector<Member*> members, Rollout& rollout);
  boost::asio::awaitable<void> be_there(Member& member);
  Duration patience_with_hooks() const;
  boost::asio::awaitable<void> activate(Member& member, Rollout& rollout, std::size_t host);
  boost::asio::awaitable<bool> check(Member& member);
  boost::asio::awaitable<bool> put_back(Member& member, std::string tag);
  boost::asio::awaitable<void> prune(std::vector<Member*> members);
  void log(const Member& member, Phase phase, const char* what, const orders::HookOutcome& outcome);

  Fleet& fleet_;
  ActivationOptions options_;
  FleetLock lock_;
  Rollout* rollout_ = nullptr;  ///< while it runs
  Condition pause_;
  bool stopped_ = false;
};

}  // namespace murder::fleet
