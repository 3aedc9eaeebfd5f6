// When one who has everything may stop serving.
#pragma once

#include "base/units.hpp"
#include "node/options.hpp"
#include "node/swarm_node.hpp"

namespace murder::node {

class Lingering {
 public:
  explicit Lingering(const Linger& linger) : linger_(linger) {}

  /// To be asked again and again, from the moment at which lingering begins.
  bool is_over(const SwarmNode& node, Instant now);

 private:
  Linger linger_;
  Instant since_ = Instant::max();
  Instant last_needed_ = Instant::max();
};

}  // namespace murder::node
