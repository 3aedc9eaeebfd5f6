// `murder copy`: one file or tree to one place on every host, without releases around it.
//
// It is staged like a release, in a folder beside that place, and renamed from there when it is
// whole (host/placement.hpp).
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "fleet/fleet.hpp"
#include "fleet/host_binaries.hpp"
#include "fleet/origin.hpp"
#include "fleet/payload.hpp"
#include "fleet/run.hpp"
#include "fleet/staging.hpp"

namespace murder::fleet {

/// What is to be copied, packed.
struct CopySource {
  PackedRelease packed;
  orders::Placement placement;        ///< but for the target
  std::vector<std::string> warnings;  ///< what the copies will lack
};

struct CopyOptions {
  /// Called on a thread of its own while the hosts are being reached. May throw.
  std::function<CopySource()> pack;
  std::string target;  ///< the whole path of what is to be there, is_destination()
  OriginOptions origin;
  StagingOptions staging;
  bool dry_run = false;
};

/// "/srv/data/.model.murder-copy" for "/srv/data/model".
std::string staging_folder_of(const std::string& target);

class Copy final : public FleetWork {
 public:
  /// A host's label `dest` is of what is deployed there, and does not count.
  Copy(Fleet& fleet, const CopyOptions& options);

  boost::asio::awaitable<void> run() override;
  void stop() override { staging_.stop_transfers(); }
  void join() override {
    packer_.join();
    binaries_.join();
  }

 private:
  boost::asio::awaitable<void> pack();
  boost::asio::awaitable<void> look_at(Member& member);
  boost::asio::awaitable<void> place(Member& member);

  Fleet& fleet_;
  CopyOptions options_;
  HostBinaries binaries_;
  Origin origin_;
  Staging staging_;
  UniqueFd payload_fd_;
  std::optional<Payload> payload_;
  boost::asio::thread_pool packer_{1};
};

}  // namespace murder::fleet
