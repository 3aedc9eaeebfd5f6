// What is said between a client and an HTTP tracker: announce and scrape (BEP 3, 7, 23, 48). Over
// UDP the same announces travel in packets (udp_tracker.hpp).
//
// murder peers add query keys and get an extra key in the reply; stock clients see neither.
// No I/O: query strings and bodies in, structures out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"

namespace murder {

enum class AnnounceEvent { none, started, completed, stopped };

/// Who a murder peer is to its tracker: the `mu_role` key. Stock clients have none.
enum class AnnounceRole { stock, seeder, host };

struct AnnounceRequest {
  InfoHash info_hash;
  PeerId peer_id;
  std::uint16_t port = 0;
  std::uint64_t uploaded = 0;    ///< bytes, since `started`
  std::uint64_t downloaded = 0;  ///< bytes, since `started`
  std::uint64_t left = 0;        ///< bytes
  AnnounceEvent event = AnnounceEvent::none;
  bool compact = true;
  std::optional<std::uint32_t> numwant;
  std::optional<IpAddress> ip;  ///< `ip` key: an address the client would rather be reached at
  std::string key;
  // murder peers only
  AnnounceRole role = AnnounceRole::stock;  ///< mu_role=seeder|host
  std::uint32_t links =
      0;                  ///< mu_links: open connections, so that the tracker knows who lacks some
  std::string host_name;  ///< mu_name: what to call it in a report
  bool failed = false;    ///< mu_failed=1: this host has given up
  friend bool operator==(const AnnounceRequest&, const AnnounceRequest&) = default;
};

/// "info_hash=%…&peer_id=…&port=…", without a leading "?".
std::string to_query(const AnnounceRequest& request);
/// Strict where a guess would harm: info_hash, peer_id, port and left must be there, no key that
/// means something may come twice. Unknown keys and events are skipped. Throws Error{usage} with a
/// text fit for a "failure reason".
AnnounceRequest parse_announce_query(std::string_view query);

struct AnnouncedPeer {
  Endpoint endpoint;
  std::optional<PeerId> peer_id;  ///< only in the long form of reply
  friend bool operator==(const AnnouncedPeer&, const AnnouncedPeer&) = default;
};

/// The tracker's view of the fleet: the "murder" key of the reply to a murder peer.
struct FleetState {
  std::vector<Endpoint> dial;        ///< whom to connect to now (rule 2 of the graph)
  std::uint32_t expected = 0;        ///< hosts expected (`--expect`); 0: not said
  std::uint32_t hosts = 0;           ///< hosts known
  std::uint32_t complete_hosts = 0;  ///< hosts that have all of it
  bool swarm_complete = false;       ///< nobody needs anything any more
  friend bool operator==(const FleetState&, const FleetState&) = default;
};

struct AnnounceReply {
  std::string failure_reason;  ///< not empty: everything else is absent
  std::string warning;
  std::uint32_t interval_s = 0;
  std::uint32_t min_interval_s = 0;
  std::uint32_t complete = 0;
  std::uint32_t incomplete = 0;
  std::vector<AnnouncedPeer> peers;  ///< IPv4 and IPv6 together
  std::optional<FleetState> fleet;
  friend bool operator==(const AnnounceReply&, const AnnounceReply&) = default;
};

/// Bencoded. `compact`: `peers` and `peers6` as byte strings (BEP 23, BEP 7), else a list of
/// dictionaries.
std::string encode_announce_reply(const AnnounceReply& reply, bool compact);
/// Either form, in any order of keys. Peers that cannot be dialled (a name, port 0) are left out;
/// counts below 0 are 0. Throws Error{failed} saying what came instead ("HTML, not bencode");
/// `source` names the tracker.
AnnounceReply parse_announce_reply(std::string_view body, std::string_view source);

struct ScrapeEntry {
  InfoHash info_hash;
  std::uint32_t complete = 0;
  std::uint32_t downloaded = 0;
  std::uint32_t incomplete = 0;
  friend bool operator==(const ScrapeEntry&, const ScrapeEntry&) = default;
};
/// BEP 48: "info_hash=…&info_hash=…", each once; none at all means every torrent. Throws
/// Error{usage}.
std::vector<InfoHash> parse_scrape_query(std::string_view query);
std::string encode_scrape_reply(const std::vector<ScrapeEntry>& entries);
std::vector<ScrapeEntry> parse_scrape_reply(std::string_view body, std::string_view source);

/// A tracker's URL taken apart: http[s]://host[:port]/path[?query], udp://host:port[/path][?query];
/// IPv6 hosts in brackets.
struct TrackerUrl {
  std::string scheme;  ///< "http", "https" or "udp"
  std::string host;    ///< without brackets
  std::uint16_t port = 80;
  std::string target;  ///< path and query, "/announce"; of UDP trackers it may be empty
  bool is_udp() const { return scheme == "udp"; }
  bool is_secure() const { return scheme == "https"; }
  std::string to_string() const;
};
/// Throws Error{usage}, never repeating a password. For http "/announce" is meant without a path
/// and 8998 without a port (443 for https); for udp (BEP 15) a port has to be there. What is
/// accepted is fit for the first line of an HTTP request.
TrackerUrl parse_tracker_url(std::string_view url);
/// The same for what murder's own tracker alone knows, which speaks http.
TrackerUrl parse_own_tracker_url(std::string_view url);

}  // namespace murder
