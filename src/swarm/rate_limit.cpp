#include "swarm/rate_limit.hpp"

#include <algorithm>

#include "swarm/geometry.hpp"

namespace murder::swarm {
namespace {

constexpr double depth_seconds = 0.02;

}  // namespace

double& TokenBucket::filled(Instant now) {
  if (at_ == Instant{}) at_ = now;
  if (now > at_) {
    bytes_ = std::min(bytes_ + to_seconds(now - at_) * rate_.bytes_per_second,
                      depth_seconds * rate_.bytes_per_second);
    at_ = now;
  }
  return bytes_;
}

Instant TokenBucket::ready_at(Instant now) {
  const double debt = -filled(now);
  return debt <= 0 ? now : now + from_seconds(debt / rate_.bytes_per_second) + Duration(1);
}

RateLimit limit_to(std::optional<Rate> rate) {
  if (!rate) return {};
  return RateLimit({std::make_shared<TokenBucket>(*rate)});
}

bool RateLimit::ready(Instant now) const {
  return std::all_of(buckets_.begin(), buckets_.end(),
                     [&](const auto& bucket) { return bucket->ready(now); });
}

Instant RateLimit::ready_at(Instant now) const {
  Instant latest = now;
  for (const auto& bucket : buckets_) latest = std::max(latest, bucket->ready_at(now));
  return latest;
}

void RateLimit::take(std::uint64_t bytes, Instant now) const {
  for (const auto& bucket : buckets_) bucket->take(bytes, now);
}

void RateLimit::give_back(std::uint64_t bytes, Instant now) const {
  for (const auto& bucket : buckets_) bucket->give_back(bytes, now);
}

std::uint32_t RateLimit::largest_block(std::uint32_t most) const {
  std::uint32_t largest = most;
  for (const auto& bucket : buckets_) {
    const double units = depth_seconds * bucket->rate().bytes_per_second / unit_bytes;
    if (units * unit_bytes >= most) continue;
    largest = std::min(largest, std::max(1u, static_cast<std::uint32_t>(units)) * unit_bytes);
  }
  return largest;
}

}  // namespace murder::swarm
