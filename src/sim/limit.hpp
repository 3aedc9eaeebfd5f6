// What no way of distributing can beat: the time that the links alone need. Headers of packets are
// counted, as in the virtual network.
#pragma once

#include <cstdint>

#include "sim/simulation.hpp"

namespace murder::sim {

/// Bytes on the wire per byte of data: Ethernet, IP and TCP headers of full frames.
inline constexpr double wire_overhead = 1.04;

enum class Bottleneck : std::uint8_t {
  seeder_link,  ///< one copy has to leave the seeder
  host_link,    ///< the slowest host has to take one in, from when it joins
  all_uplinks,  ///< as many copies as there are hosts have to be sent by somebody
  rack_link,    ///< one copy has to come into each rack
  feed,         ///< one copy has to come to the seeder
};

struct Limit {
  double seconds = 0;
  Bottleneck bottleneck = Bottleneck::seeder_link;
};

/// For the last of the hosts that are to complete: those that are killed for good or frozen are
/// left out, and their uplinks with them.
Limit limit_of(const SimulationOptions& options);

/// Neither slower than the common link, nor late, killed or frozen.
bool is_plain(const SimulationOptions& options, std::uint32_t host);

/// The limit for the last of the plain hosts alone, all uplinks at their service.
Limit limit_of_plain(const SimulationOptions& options);

/// Seconds for one server on the seeder's link to copy to every host by itself.
double fan_out_seconds(const SimulationOptions& options);

}  // namespace murder::sim
