// A swarm in virtual time: the real engines and the real tracker registry over a virtual network,
// thousands of hosts in one process and one thread. The same options give the same run.
//
// The network: each host has an uplink that sends one block at a time, its links in turn, and a
// downlink that takes blocks in the order in which they arrive; a link holds a bounded number of
// bytes between the two, as a TCP window does. Control messages take the latency and no bandwidth
// but a fixed share that is counted per block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/units.hpp"
#include "swarm/engine.hpp"

namespace murder::sim {

/// What befalls one host.
struct HostPlan {
  Duration joins_after{};
  std::optional<Rate> up;                ///< instead of the common rate
  std::optional<Rate> down;              ///< instead of the common rate
  std::optional<Duration> killed_after;  ///< its connections are reset
  std::optional<Duration>
      frozen_after;  ///< it falls silent: nothing in, nothing out, nothing closed
};

struct SimulationOptions {
  std::uint32_t hosts = 16;
  std::uint64_t size_bytes = 64u << 20;
  std::uint32_t piece_length = 0;  ///< bytes; 0: as for a release of that size
  Rate up{6.25e6};
  Rate down{6.25e6};
  std::optional<Rate> seeder_up;
  RateLimits limits;  ///< of every host and the seeder, as `--up` and `--down`
  Duration latency = std::chrono::microseconds(100);  ///< one way
  std::uint64_t seed = 1;
  std::uint32_t expect = 0;  ///< as `murder tracker --expect`; 0: all hosts
  std::optional<Duration> seeder_killed_after;
  std::optional<Duration> tracker_down_from;
  std::optional<Duration> tracker_down_until;
  std::vector<HostPlan> plans;  ///< by host; missing ones are plain
  /// Changes one received piece in so many into wrong data, from this host.
  std::optional<std::uint32_t> poisoner;
  Duration limit = std::chrono::hours(1);  ///< virtual; the run ends there
};

struct SimulationResult {
  /// Seconds from the start to every piece verified, by host; nullopt: never.
  std::vector<std::optional<double>> complete_s;
  double plain_copy_s = 0;   ///< size / min(seeder's uplink, common downlink)
  double seeder_copies = 0;  ///< bytes the seeder sent ÷ size
  std::uint64_t announces = 0;
  std::uint64_t wasted_bytes = 0;
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
