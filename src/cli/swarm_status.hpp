// A live swarm, as its tracker sees it: what `murder status --tracker` asks for.
#pragma once

#include <string>
#include <vector>

#include "tracker/registry.hpp"

namespace murder::cli {

/// Asks once, for three seconds at most. `url` is a tracker's, as in a torrent; "http://" may be
/// left out. Throws Error: usage for what is no such URL, unreachable, failed when whoever answers
/// does not say what swarms it has.
std::vector<tracker::SwarmView> ask_tracker(const std::string& url);

}  // namespace murder::cli
