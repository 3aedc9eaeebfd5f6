#include "sim/limit.hpp"

#include <algorithm>

namespace murder::sim {
namespace {

HostPlan plan_of(const SimulationOptions& options, std::uint32_t host) {
  return host < options.plans.size() ? options.plans[host] : HostPlan{};
}

/// It is killed for good or stopped, so that it need not complete.
bool is_lost(const HostPlan& plan) {
  return (plan.killed_after && !plan.back_after) || plan.frozen_after.has_value();
}

void raise(Limit& limit, double seconds, Bottleneck bottleneck) {
  if (seconds > limit.seconds) limit = {seconds, bottleneck};
}

/// When `host` can have it all at the soonest.
Limit own_limit(const SimulationOptions& options, const HostPlan& plan) {
  const double bytes = static_cast<double>(options.size_bytes) * wire_overhead;
  const double seeder = options.seeder_up.value_or(options.up).bytes_per_second;
  const double down = plan.down.value_or(options.down).bytes_per_second;
  const double start = to_seconds(plan.joins_after);
  double seconds = start + bytes / std::min(seeder, down);
  bool waits = start > 0 || down < seeder;
  if (plan.killed_after && plan.back_after && to_seconds(*plan.killed_after) < seconds) {
    seconds += to_seconds(*plan.back_after - *plan.killed_after);
    waits = true;
  }
  return {seconds, waits ? Bottleneck::host_link : Bottleneck::seeder_link};
}

/// Of the hosts that `counts` names.
template <class Counts>
Limit limit_of_those(const SimulationOptions& options, Counts&& counts) {
  const double bytes = static_cast<double>(options.size_bytes) * wire_overhead;
  double uplinks = options.seeder_up.value_or(options.up).bytes_per_second;
  double copies = 0;
  bool other_racks = false;
  Limit limit;
  for (std::uint32_t i = 0; i < options.hosts; ++i) {
    const HostPlan plan = plan_of(options, i);
    if (is_lost(plan)) continue;
    uplinks += plan.up.value_or(options.up).bytes_per_second;
    if (!counts(i)) continue;
    ++copies;
    other_racks |= i % options.racks != 0;
    const Limit own = own_limit(options, plan);
    raise(limit, own.seconds, own.bottleneck);
  }
  raise(limit, copies * bytes / uplinks, Bottleneck::all_uplinks);
  if (options.feed) raise(limit, bytes / options.feed->bytes_per_second, Bottleneck::feed);
  if (options.rack_link && other_racks)
    raise(limit, bytes / options.rack_link->bytes_per_second, Bottleneck::rack_link);
  return limit;
}

}  // namespace

Limit limit_of(const SimulationOptions& options) {
  return limit_of_those(options, [](std::uint32_t) { return true; });
}

bool is_plain(const SimulationOptions& options, std::uint32_t host) {
  const HostPlan plan = plan_of(options, host);
  return !is_lost(plan) && !plan.killed_after && plan.joins_after == Duration{} &&
         plan.down.value_or(options.down) >= options.down &&
         plan.up.value_or(options.up) >= options.up;
}

Limit limit_of_plain(const SimulationOptions& options) {
  return limit_of_those(options, [&](std::uint32_t i) { return is_plain(options, i); });
}

double fan_out_seconds(const SimulationOptions& options) {
  const double bytes = static_cast<double>(options.size_bytes) * wire_overhead;
  const std::uint32_t neighbours = (options.hosts + options.racks - 1) / options.racks;
  double seconds = options.hosts * bytes / options.seeder_up.value_or(options.up).bytes_per_second;
  if (options.rack_link)
    seconds = std::max(seconds,
                       (options.hosts - neighbours) * bytes / options.rack_link->bytes_per_second);
  return std::max(seconds, limit_of(options).seconds);
}

}  // namespace murder::sim
