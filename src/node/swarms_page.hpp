// The tracker's page for people's tools: GET /swarms, how far each swarm is.
// docs/tracker-protocol.md has an example.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracker/registry.hpp"

namespace murder::node {

/// One JSON document.
std::string swarms_page(const std::vector<tracker::SwarmView>& swarms);
/// The reverse. Throws Error{failed} for what is no such page.
std::vector<tracker::SwarmView> parse_swarms_page(std::string_view json);

}  // namespace murder::node
