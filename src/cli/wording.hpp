// How events are said to people: from an event to text, without knowing where it goes. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "events/event.hpp"

namespace murder::cli {

/// What a seeder or peer is at, as far as its events tell.
enum class Phase { fetching, unpacking, serving };
/// The phase after this event.
Phase phase_after(Phase phase, const events::Event& event);

/// One sentence of talk; empty for events that are shown otherwise (progress, a fleet, data) and
/// for those of which the log tells (a tracker that is silent, a peer that is banned).
std::string sentence(const events::Event& event);

/// The line that is redrawn: "v7  63 %  9.3 MB of 14.7 MB  41.6 Mbit/s  11 links  1.0 s left".
std::string progress_line(const events::Progress& progress, Phase phase);
/// "packing  63 %  90.1 MB of 143 MB".
std::string packing_line(std::uint64_t done, std::uint64_t total);
/// "12 of 64 hosts complete, 1 failed".
std::string fleet_line(const events::Fleet& fleet);

/// What `pack` puts on stdout: "tag v7", and so on, a line each.
std::string packed_lines(const events::Packed& packed);
/// What `verify` puts on stdout: "content  bin/app  …".
std::string drift_line(const events::Drifted& drifted);
/// What `prune` puts on stdout: "removed v38, v39; 184 MB freed".
std::string pruned_line(const events::Pruned& pruned);
/// What `releases` puts on stdout: a table with its head; times in UTC.
std::string release_table(const std::vector<events::Release>& releases);

/// What `stop --list` puts on stdout: a table with its head; times in UTC.
std::string daemon_table(const std::vector<events::Daemon>& daemons);

/// "1 file", "3 files".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

}  // namespace murder::cli
