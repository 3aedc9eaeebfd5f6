// From the options over the run to the result.
#include "sim/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/limit.hpp"
#include "sim/world.hpp"

namespace murder::sim {
namespace {

/// Links that carry what connections make of them.
SimulationOptions effective(SimulationOptions options) {
  const auto scale = [&](Rate& rate) { rate.bytes_per_second *= options.efficiency; };
  scale(options.up);
  scale(options.down);
  if (options.web_seed) scale(*options.web_seed);
  if (options.seeder_up) scale(*options.seeder_up);
  if (options.rack_link) scale(*options.rack_link);
  for (HostPlan& plan : options.plans) {
    if (plan.up) scale(*plan.up);
    if (plan.down) scale(*plan.down);
  }
  return options;
}

}  // namespace

SimulationResult World::run() {
  while (!events_.empty() && !done()) {
    const Event event = events_.pop();
    if (event.at - start_ > options_.limit || given_up(event.at)) break;
    now_ = event.at;
    ++result_.events;
    note(static_cast<std::uint64_t>(event.kind) << 56 ^ std::uint64_t{event.node} << 32 ^
         std::uint64_t{event.link} << 16 ^ event.block.piece.value() ^
         static_cast<std::uint64_t>((now_ - start_).count()));
    handle(event);
    serve_uplinks();
  }
  return conclude();
}

bool World::done() const { return awaited_ == 0 && result_.swarm_complete_seen; }

bool World::given_up(Instant at) const {
  return at - std::max(last_progress_, last_join_) > options_.patience;
}

void World::note(std::uint64_t value) {
  result_.fingerprint = (result_.fingerprint ^ value) * 0x100000001b3;
}

SimulationResult World::conclude() {
  for (std::uint32_t i = 1; i < nodes_.size(); ++i) {
    result_.complete_s.push_back(nodes_[i]->complete_s);
    result_.wasted_bytes += nodes_[i]->engine->wasted();
  }
  double seeder_up = options_.seeder_up.value_or(options_.up).bytes_per_second;
  if (options_.feed)
    seeder_up = std::min(seeder_up, options_.feed->bytes_per_second * options_.efficiency);
  const auto size = static_cast<double>(options_.size_bytes);
  result_.plain_copy_s = size * wire_overhead * options_.efficiency /
                         std::min(seeder_up, options_.down.bytes_per_second);
  result_.seeder_copies = static_cast<double>(nodes_[0]->bytes_up) / size;
  result_.web_copies = static_cast<double>(web_bytes_) / size;
  result_.pieces = geometry_.piece_count();
  return std::move(result_);
}

std::size_t SimulationResult::complete_count() const {
  return static_cast<std::size_t>(std::count_if(complete_s.begin(), complete_s.end(),
                                                [](const auto& s) { return s.has_value(); }));
}

double SimulationResult::percentile(double fraction) const {
  std::vector<double> done;
  for (const auto& s : complete_s)
    if (s) done.push_back(*s);
  if (done.empty()) return 0;
  std::sort(done.begin(), done.end());
  const auto rank = std::ceil(fraction * static_cast<double>(done.size()));
  return done[std::clamp<std::size_t>(static_cast<std::size_t>(rank), 1, done.size()) - 1];
}

SimulationResult simulate(const SimulationOptions& options) {
  return World(effective(options)).run();
}

}  // namespace murder::sim
