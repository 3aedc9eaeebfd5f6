// `murder deploy`: pack, reach, stage everywhere, switch over.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "fleet/activation.hpp"
#include "fleet/fleet.hpp"
#include "fleet/host_binaries.hpp"
#include "fleet/origin.hpp"
#include "fleet/run.hpp"
#include "fleet/staging.hpp"

namespace murder::fleet {

struct DeployOptions {
  /// Makes the release; called on a thread of its own while the hosts are being reached. May throw.
  std::function<PackedRelease()> pack;
  OriginOptions origin;
  StagingOptions staging;
  ActivationOptions activation;
  bool stage_only = false;
  bool dry_run = false;
};

class Deploy final : public FleetWork {
 public:
  Deploy(Fleet& fleet, const DeployOptions& options);

  boost::asio::awaitable<void> run() override;
  void stop() override;
  void join() override {
    packer_.join();
    binaries_.join();
  }

 private:
  boost::asio::awaitable<void> pack();
  boost::asio::awaitable<void> look();
  boost::asio::awaitable<void> look_at(Member& member);

  Fleet& fleet_;
  DeployOptions options_;
  HostBinaries binaries_;
  Origin origin_;
  Staging staging_;
  std::unique_ptr<Activation> activation_;
  UniqueFd payload_fd_;
  std::optional<Payload> payload_;
  boost::asio::thread_pool packer_{1};
};

}  // namespace murder::fleet
