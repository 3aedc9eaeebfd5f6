// The engine's numbers, and what its parts share. Included by engine*.cpp only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/units.hpp"
#include "bittorrent/wire.hpp"
#include "swarm/geometry.hpp"
#include "swarm/picker.hpp"

namespace murder::swarm {

// Download.
inline constexpr std::uint64_t max_window_bytes = 8u << 20;  ///< asked of one link
inline constexpr std::size_t many_links = 6;  ///< so many that one block asked of each is enough
/// Stock clients serve their queues on a timer, as slow as 500 ms, not when a request comes: what
/// is asked of one has to last that long, whatever the round trip.
inline constexpr std::uint64_t least_of_stock = 256u << 10;
inline constexpr Duration stock_pulse = std::chrono::milliseconds(1000);
inline constexpr std::uint64_t max_verifying_bytes = 32u
                                                     << 20;  ///< received and waiting for the disk
/// Of pieces that have been begun and are not written yet: nothing new is begun beyond. It counts
/// for large pieces alone, of which each link could have one in hand.
inline constexpr std::uint64_t max_bytes_in_hand = 128u << 20;
inline constexpr std::uint64_t max_unasked_bytes =
    1u << 20;  ///< thrown away before a link is given up
inline constexpr std::size_t max_cancelled = 1024;
inline constexpr Duration probe_after = std::chrono::seconds(2);  ///< a stalled link is tried again

// Upload.
/// Murder peers tell one another how far they are in so many steps.
inline constexpr std::uint32_t progress_steps = 32;
/// Who is further behind than that came late or has a slow link: no reason to hold up the others.
inline constexpr std::uint32_t late_steps = 4;
inline constexpr std::size_t max_queued_uploads = 2048;
inline constexpr std::size_t stock_slots_alone = 8;  ///< when no murder peer waits
inline constexpr Duration stock_turn = std::chrono::seconds(10);
/// Announcements to murder peers wait for a message to travel with, until so many more pieces have
/// come (a 128th of all, if that is less), or so long.
inline constexpr double most_pieces_untold = 16;
inline constexpr Duration longest_untold = std::chrono::milliseconds(200);
/// So many neighbours hear of a piece at once that only the one has that it came from.
inline constexpr std::size_t told_of_rare = 4;

// Links.
inline constexpr std::size_t few_links = 3;  ///< so few that peers heard of are dialled, too
inline constexpr Duration keep_alive_after = std::chrono::seconds(60);
inline constexpr Duration silent_link = std::chrono::seconds(150);
inline constexpr Duration housekeeping = std::chrono::milliseconds(250);

using Unit = PieceInHand::Unit;

/// The units that a block covers; blocks that we ask for begin on a unit.
struct UnitRange {
  std::uint32_t begin;
  std::uint32_t end;
};
inline UnitRange units_of(const wire::Block& block) {
  return {block.begin / unit_bytes, (block.begin + block.length + unit_bytes - 1) / unit_bytes};
}

inline std::uint32_t steps_of(std::uint32_t pieces, const Geometry& geometry) {
  return static_cast<std::uint32_t>(std::uint64_t{pieces} * progress_steps /
                                    std::max(geometry.piece_count(), 1u));
}

/// An exponentially weighted mean; the first sample is taken as it is.
inline void smooth(double& value, double sample, double weight) {
  value = value == 0 ? sample : value + weight * (sample - value);
}

}  // namespace murder::swarm
