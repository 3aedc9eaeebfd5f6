#include "fleet/deploy_id.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace murder::fleet {

std::string new_deploy_id(std::chrono::system_clock::time_point now, Random& random) {
  return fmt::format("{:%Y%m%d-%H%M%S}-{:04x}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)), random.below(0x10000));
}

}  // namespace murder::fleet
