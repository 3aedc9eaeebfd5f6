// The tracker's memory: who is in which swarm, who should be linked to whom, who has how much, and
// whether the swarm is complete. Soft state, no I/O; time and randomness are handed in.
//
// The graph (for murder peers): bounded, random, near-regular. A host that joins is told to dial
// about half the degree of random hosts, those with few links first; later ones dial it. The seeder
// is linked to 16 hosts, not to all. Every host linked to every other was measured to be worse
// from 32 hosts on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "tracker/state.hpp"

namespace murder::tracker {

struct RegistryOptions {
  std::uint32_t expect =
      0;  ///< hosts that must be complete (or declared failed); 0: quiet for 30 s with no leecher
  std::uint32_t degree = 10;         ///< links a host should have to other hosts
  std::uint32_t seeder_degree = 32;  ///< links a seeder should have
};

/// A swarm as reports show it.
struct SwarmView {
  InfoHash info_hash;
  std::uint64_t size_bytes = 0;  ///< at least: the most that a host ever lacked
  std::uint32_t seeders = 0;
  std::uint32_t hosts = 0;
  std::uint32_t complete_hosts = 0;
  std::uint32_t failed_hosts = 0;
  std::uint32_t stock_peers = 0;
  bool swarm_complete = false;
  struct Host {
    std::string name;
    Endpoint endpoint;
    std::uint64_t left = 0;
    std::uint32_t links = 0;
    bool complete = false;
    bool failed = false;
    Duration silent_for{};
  };
  std::vector<Host> slowest;  ///< at most 10, most left first
};

class Registry {
 public:
  Registry(RegistryOptions options, Random random);
  ~Registry();

  /// `remote`: the address that the request came from. Never throws: what is refused is a
  /// failure_reason.
  AnnounceReply announce(const AnnounceRequest& request, const IpAddress& remote, Instant now);
  /// Every torrent when `wanted` is empty.
  std::vector<ScrapeEntry> scrape(const std::vector<InfoHash>& wanted) const;
  std::vector<SwarmView> swarms(Instant now) const;
  /// Forgets who has been silent for 3 intervals and 10 s (stock clients: 11 minutes, since some
  /// announce every 10 whatever they are told). A complete or failed host still counts as one. Call
  /// about once a second.
  void expire(Instant now);

  /// What restore() brings back. The same for as long as nobody says anything new. O(members).
  RegistryState state() const;
  /// Before the first announce: as it was. Who was present then has as long to announce again as
  /// if it had just done so.
  void restore(const RegistryState& state, Instant now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace murder::tracker
