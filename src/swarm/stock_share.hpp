// What stock clients get of a seeder's uplink before each piece has left once, while murder peers
// wait: together as much as one of those. A stock client asks for far ahead and keeps for a while
// what it gets, so that without a bound it takes half of the uplink, and all others take nearly
// twice as long. No I/O; time is handed in.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/units.hpp"

namespace murder::swarm {

class StockShare {
 public:
  bool may_have(std::uint32_t bytes, Instant now) const {
    return credit_bytes_ >= bytes || now >= free_at();
  }
  void stock_has(std::uint32_t bytes) {
    credit_bytes_ -= std::min<std::uint64_t>(credit_bytes_, bytes);
  }
  /// `waiting`: murder peers that lack something, the one that got these bytes among them or not.
  void murder_has(std::uint32_t bytes, std::size_t waiting, Instant now) {
    const std::uint64_t share = bytes / std::max<std::size_t>(waiting, 1);
    credit_bytes_ = std::min(credit_bytes_ + share, most_credit_bytes);
    last_murder_ = now;
  }
  /// From then on the uplink is theirs who ask, if no murder peer takes anything.
  Instant free_at() const { return last_murder_ + patience; }

 private:
  static constexpr Duration patience = std::chrono::milliseconds(250);
  static constexpr std::uint64_t most_credit_bytes = std::uint64_t{256} * 1024;

  std::uint64_t credit_bytes_ = 0;
  Instant last_murder_{};
};

}  // namespace murder::swarm
