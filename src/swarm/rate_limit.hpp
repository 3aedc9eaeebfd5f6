// Rate limits: a token bucket for each way, for what a deploy may take of a link that production
// uses too. Payload counts; control messages, which are small and hold everything up when late, do
// not. No I/O; time is handed in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/units.hpp"

namespace murder::swarm {

/// What may pass on average, and 20 ms of it at once. A block may pass whenever the bucket is not
/// in debt, so the debt is at most one block.
class TokenBucket {
 public:
  explicit TokenBucket(Rate rate) : rate_(rate) {}

  Rate rate() const { return rate_; }
  bool ready(Instant now) { return filled(now) >= 0; }
  /// When ready() will be true, if nothing is taken meanwhile.
  Instant ready_at(Instant now);
  void take(std::uint64_t bytes, Instant now) { filled(now) -= static_cast<double>(bytes); }
  /// What was taken and did not pass after all.
  void give_back(std::uint64_t bytes, Instant now) { filled(now) += static_cast<double>(bytes); }

 private:
  double& filled(Instant now);

  Rate rate_;
  double bytes_ = 0;  ///< below 0: debt
  Instant at_{};
};

/// The buckets that apply to one way of one swarm: its own, and the process's, shared by its
/// swarms. None: no limit.
class RateLimit {
 public:
  RateLimit() = default;
  explicit RateLimit(std::vector<std::shared_ptr<TokenBucket>> buckets)
      : buckets_(std::move(buckets)) {}

  bool any() const { return !buckets_.empty(); }
  bool ready(Instant now) const;
  Instant ready_at(Instant now) const;
  void take(std::uint64_t bytes, Instant now) const;
  void give_back(std::uint64_t bytes, Instant now) const;
  /// Blocks of more bytes than this would be bursts: 20 ms of the rate, 16 KiB at least, and no
  /// more than `most`.
  std::uint32_t largest_block(std::uint32_t most) const;

 private:
  std::vector<std::shared_ptr<TokenBucket>> buckets_;
};

/// With a bucket of its own; no limit without a rate.
RateLimit limit_to(std::optional<Rate> rate);

}  // namespace murder::swarm
