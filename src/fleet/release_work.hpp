// The smaller commands on a fleet: activate what is staged, go back, list, verify, prune.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fleet/activation.hpp"
#include "fleet/fleet.hpp"
#include "fleet/host_binaries.hpp"
#include "fleet/origin.hpp"
#include "fleet/run.hpp"

namespace murder::fleet {

/// What all of them need: hosts that are reached, and murder there.
class OnReached : public FleetWork {
 public:
  explicit OnReached(Fleet& fleet);
  void join() override { binaries_.join(); }

 protected:
  /// Reaches every host and runs `work` on it. What it throws is the host's failure in `phase`.
  boost::asio::awaitable<void> reach_all(Phase phase,
                                         std::function<boost::asio::awaitable<void>(Member&)> work);

  Fleet& fleet_;

 private:
  HostBinaries binaries_;
  Origin origin_;
};

/// `murder activate --hosts`: switches over what `deploy --stage-only` has brought.
class ActivateWork final : public OnReached {
 public:
  ActivateWork(Fleet& fleet, ActivationOptions options);
  boost::asio::awaitable<void> run() override;
  void stop() override { activation_.stop(); }

 private:
  boost::asio::awaitable<void> look(Member& member);
  ActivationOptions options_;
  Activation activation_;
};

/// `murder rollback --hosts`: each to the tag, or to what was live there before.
class RollbackWork final : public OnReached {
 public:
  RollbackWork(Fleet& fleet, ActivationOptions options);
  boost::asio::awaitable<void> run() override;
  void stop() override { activation_.stop(); }

 private:
  boost::asio::awaitable<void> look(Member& member);
  ActivationOptions options_;
  Activation activation_;
};

/// `murder releases --hosts`: who runs what.
class ReleasesWork final : public OnReached {
 public:
  using Tell = std::function<void(const Member&, const orders::Releases&)>;
  ReleasesWork(Fleet& fleet, Tell tell) : OnReached(fleet), tell_(std::move(tell)) {}
  boost::asio::awaitable<void> run() override;

 private:
  boost::asio::awaitable<void> list(Member& member);
  Tell tell_;
};

/// `murder verify --hosts`: whose files are not as they were staged. Those have failed, for
/// integrity.
class VerifyWork final : public OnReached {
 public:
  using Tell = std::function<void(const Member&, const orders::Verified&)>;
  VerifyWork(Fleet& fleet, std::string tag, Tell tell)
      : OnReached(fleet), tag_(std::move(tag)), tell_(std::move(tell)) {}
  boost::asio::awaitable<void> run() override;

 private:
  boost::asio::awaitable<void> verify(Member& member);
  std::string tag_;
  Tell tell_;
};

/// `murder prune --hosts`: old releases removed.
class PruneWork final : public OnReached {
 public:
  using Tell = std::function<void(const Member&, const orders::Pruned&)>;
  PruneWork(Fleet& fleet, std::uint32_t keep, Tell tell)
      : OnReached(fleet), keep_(keep), tell_(std::move(tell)) {}
  boost::asio::awaitable<void> run() override;

 private:
  boost::asio::awaitable<void> prune(Member& member);
  std::uint32_t keep_;
  Tell tell_;
};

}  // namespace murder::fleet
