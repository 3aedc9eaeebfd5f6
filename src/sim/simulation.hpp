// A swarm in virtual time: the real engines and the real tracker registry over a virtual network,
// thousands of hosts in one process and one thread. The same options give the same run.
//
// The network: each host has an uplink that sends one block at a time, its links in turn, and a
// downlink; hosts may stand in racks, each behind one link that all of them share, out and in. A
// block moves on as it comes (it is not stored before it is sent on), and waits where a link is
// taken. A link between two hosts holds a bounded number of bytes on their way, as a TCP window
// does. Control messages take their bytes from the uplink and wait for the block under way on the
// same link at most.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/units.hpp"

namespace murder::sim {

/// What befalls one host. Times are from the start of the run.
struct HostPlan {
  Duration joins_after{};
  std::optional<Rate> up;                ///< instead of the common rate
  std::optional<Rate> down;              ///< instead of the common rate
  std::optional<Duration> killed_after;  ///< its connections are reset
  std::optional<Duration> back_after;    ///< after it was killed: started again, with its pieces
  std::optional<Duration>
      frozen_after;  ///< it falls silent: nothing in, nothing out, nothing closed
};

struct SimulationOptions {
  std::uint32_t hosts = 16;
  std::uint64_t size_bytes = 64u << 20;
  std::uint32_t piece_length = 0;  ///< bytes; 0: as for a release of that size
  /// The longest block, bytes; 0: as between real peers. A block of a slow uplink that takes long
  /// raises the time after which a silent link is given up.
  std::uint32_t block_length = 0;
  Rate up{6.25e6};
  Rate down{6.25e6};
  std::optional<Rate> seeder_up;
  /// The seeder starts with nothing and is fed at that rate, in order; none: it has everything.
  std::optional<Rate> feed;
  /// What a web seed sends, which every host knows; none: there is none. Each request is answered
  /// when those before it have been.
  std::optional<Rate> web_seed;
  RateLimits limits;        ///< of every host and the seeder, as `--up` and `--down`
  std::uint32_t racks = 1;  ///< host i stands in rack i % racks, the seeder in rack 0
  /// What connections make of each link, above 0 and at most 1: TCP, with several of them both
  /// ways, leaves some of it unused.
  double efficiency = 1;
  std::optional<Rate> rack_link;  ///< what each rack's link carries each way; none: everything
  Duration latency = std::chrono::microseconds(100);  ///< one way
  std::uint64_t seed = 1;
  std::uint32_t expect = 0;       ///< as `murder tracker --expect`; 0: all hosts
  Duration seeder_joins_after{};  ///< the hosts wait for it until then
  std::optional<Duration> seeder_killed_after;
  std::optional<Duration> tracker_down_from;
  std::optional<Duration> tracker_down_until;
  std::vector<HostPlan> plans;  ///< by host; missing ones are plain
  /// Changes one received piece in so many into wrong data, from this host.
  std::optional<std::uint32_t> poisoner;
  Duration limit = std::chrono::hours(1);  ///< virtual; the run ends there
  /// The run ends when no host has got a piece for so long and none is to come.
  Duration patience = std::chrono::minutes(2);
};

struct SimulationResult {
  /// Seconds from the start to every piece verified, by host; nullopt: never.
  std::vector<std::optional<double>> complete_s;
  double plain_copy_s = 0;   ///< size / min(seeder's feed and uplink, common downlink)
  double seeder_copies = 0;  ///< bytes the seeder sent ÷ size
  double web_copies = 0;     ///< bytes the web seed sent ÷ size
  std::uint32_t pieces = 0;
  std::uint64_t announces = 0;
  std::uint32_t peak_announces_per_s = 0;  ///< in the fullest second of the run
  std::uint64_t wasted_bytes = 0;
  std::uint64_t control_bytes = 0;  ///< messages that carry no data, with the headers of packets
  std::uint64_t events = 0;
  std::uint32_t most_links = 0;
  bool swarm_complete_seen = false;
  std::uint64_t fingerprint = 0;  ///< of everything that happened, in order

  std::size_t complete_count() const;
  /// Of those that completed: 0 the first, 1 the last. 0 when there is none.
  double percentile(double fraction) const;
};

SimulationResult simulate(const SimulationOptions& options);

}  // namespace murder::sim
