// What a deploy needs on its origin beside the transfer: a tracker that outlives the session, and
// the files that the other hosts fetch from it (the torrent, the binary). Blocking; on the worker's
// thread.
//
//   STATE/deploy-ID/files/   served at /files/
//   STATE/deploy-ID/log      what the tracker says
//   STATE/deploy-ID/lock     held by the tracker itself for as long as it runs
//
// When a tracker has ended, the next deploy that needs one removes its folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <sys/types.h>

#include "base/endpoint.hpp"
#include "orders/orders.hpp"

namespace murder::agent {

/// Where deploys' folders are made: where the executable lies, if that is a folder of murder's own
/// (a deploy put it there), else in the user's cache, else in /var/tmp/murder-UID, which is made.
/// Throws Error{failed} when there is no such place.
std::filesystem::path default_state_folder(const std::filesystem::path& executable);

struct DeployPlace {
  std::filesystem::path state;       ///< exists
  std::filesystem::path executable;  ///< of murder
};

struct StartedTracker {
  orders::TrackerRuns runs;
  std::optional<pid_t> process;  ///< nullopt: it ran already
};

/// Starts it, detached, unless one of this deploy runs already; returns when it listens: at port
/// 8998, else the first free one of 9030 to 9060, or the first free one of the order's ports, on
/// the order's address, or on all when that is an address that others know this host by. Throws
/// Error: usage (no address, a deploy's id that cannot name a folder), failed (no port, or what the
/// tracker said when it ended).
StartedTracker start_tracker(const orders::Tracker& order, const DeployPlace& place,
                             const std::stop_token& stop);

/// To be reached at `address` by others: itself, unless it is not one of this host's own (a
/// forwarded one); then every address of its family.
IpAddress address_to_listen_on(const IpAddress& address);

/// Makes the file whole at once; one that is there is replaced. With an empty attachment it is the
/// executable, as gzip. Throws Error{usage} for what is no plain name or no deploy's id, Error
/// {failed} when that deploy has no folder here.
void publish(const orders::Publish& order, std::span<const std::uint8_t> attachment,
             const DeployPlace& place);

}  // namespace murder::agent
