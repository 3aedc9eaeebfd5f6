// Names of deploys: sortable by when they began, short enough to type.
#pragma once

#include <chrono>
#include <string>

#include "base/random.hpp"

namespace murder::fleet {

/// "20261122-131502-3fa2": UTC, then four random hexadecimal digits.
std::string new_deploy_id(std::chrono::system_clock::time_point now, Random& random);

}  // namespace murder::fleet
