// The tracker's page for people: GET /, how far each swarm is, as HTML that loads itself again.
#pragma once

#include <string>
#include <vector>

#include "base/units.hpp"
#include "tracker/registry.hpp"

namespace murder::node {

/// `up`: how long the tracker has run.
std::string statistics_page(const std::vector<tracker::SwarmView>& swarms, Duration up);

}  // namespace murder::node
