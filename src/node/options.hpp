// What the commands ask of a running seeder, peer or tracker, and what they say when done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/address_range.hpp"
#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "base/port_range.hpp"
#include "base/units.hpp"
#include "events/event.hpp"

namespace murder::node {

/// How long a process that has everything goes on serving.
struct Linger {
  enum class Mode { swarm, fixed, none, forever } mode = Mode::swarm;
  /// fixed: how long; swarm: at most so long.
  Duration time = std::chrono::minutes(5);
};
/// "swarm", "swarm:TIME" (at most so long), "none", "forever" or a duration. Throws Error{usage}.
Linger parse_linger(const std::string& text);

/// How room for a payload is taken: `none` as pieces come; `sparse`, its length is set at once and
/// the room is taken as pieces come; `full`, all of it before the first piece, or not at all.
enum class Allocation { none, sparse, full };
/// "none", "sparse" or "full". Throws Error{usage}.
Allocation parse_allocation(const std::string& text);

struct PeerOptions {
  std::string source;                 ///< FILE.torrent, http://…/FILE.torrent or magnet:?…
  std::filesystem::path destination;  ///< DEST
  bool file_only = false;             ///< DEST/NAME, no releases
  Allocation allocation = Allocation::sparse;
  bool activate = false;
  Linger linger;
  std::optional<Duration> timeout;  ///< give up after so long without progress
  std::vector<std::string> trackers;
  std::vector<std::string> web_seeds;  ///< URLs, beside the torrent's; BEP 19
  IpAddress listen = IpAddress::v4({0, 0, 0, 0});
  PortRange ports;
  std::string name;   ///< empty: the host's own name
  std::string owner;  ///< "user[:group]"
  RateLimits limits;
  /// The swarm's seeder, which may get its pieces while it serves: each leaves once before any
  /// leaves twice, and the tracker counts it as the seeder, not as a host.
  bool seeder = false;
  /// Others of this user may watch and steer it: node/control_socket.hpp.
  bool control = false;
  /// A source that describes anything else is refused.
  std::optional<InfoHash> info_hash;
  /// Called when the release is staged (and activated, if asked): `--detach` returns then.
  std::function<void()> on_staged;
};

/// Fetches, verifies, unpacks, activates, lingers. Throws Error: usage (the same tag with other
/// bytes), integrity, unreachable (no progress for `timeout`), interrupted and terminated by
/// signals, failed (disk full, DEST in use).
void run_peer(const PeerOptions& options, events::EventSink& events, Log log);

struct SeedOptions {
  std::filesystem::path torrent;
  std::filesystem::path payload;  ///< `--from`
  Linger linger{Linger::Mode::forever, {}};
  std::vector<std::string> trackers;
  IpAddress listen = IpAddress::v4({0, 0, 0, 0});
  PortRange ports;
  std::string name;
  RateLimits limits;
};
/// Serves until its linger or a signal ends it; SIGINT and SIGTERM are how a seeder is meant to end
/// and throw nothing.
void run_seeder(const SeedOptions& options, events::EventSink& events, Log log);

struct SeedFolderOptions {
  std::filesystem::path folder;
  std::vector<std::string> trackers;
  IpAddress listen = IpAddress::v4({0, 0, 0, 0});
  PortRange ports;
  std::string name;
  RateLimits limits;  ///< of all together
};
/// Serves every torrent in the folder whose payload lies beside it, at one port: new ones within
/// two seconds, those that are changed anew, those that are removed no more. What cannot be served
/// is told once and looked at again when it has changed. Ends as run_seeder(). Throws Error: usage
/// (no such folder), failed (cannot listen).
void run_folder_seeder(const SeedFolderOptions& options, events::EventSink& events, Log log);

struct TrackerOptions {
  Endpoint listen{IpAddress::v4({0, 0, 0, 0}), 8998};
  std::uint32_t expect = 0;
  bool exit_when_complete = false;
  /// Ends when nobody has announced or fetched anything for so long.
  std::optional<Duration> exit_when_idle;
  std::filesystem::path files;        ///< served at /files/NAME; empty: none
  std::filesystem::path state;        ///< kept over a restart in this file; empty: not at all
  std::filesystem::path torrents;     ///< a TorrentList: those alone are served; empty: all
  std::vector<AddressRange> allowed;  ///< who may announce; empty: everyone who is not banned
  std::vector<AddressRange> banned;
};
/// Serves until a signal ends it (which throws nothing), or the swarm is complete or idle if asked.
void run_tracker(const TrackerOptions& options, events::EventSink& events, Log log);

}  // namespace murder::node
