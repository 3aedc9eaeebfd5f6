#include "node/lingering.hpp"

#include <algorithm>

namespace murder::node {
namespace {
/// Nobody who could say that the swarm is complete, and nobody seen who lacks anything, for so
/// long.
constexpr Duration quiet = std::chrono::seconds(30);
}  // namespace

Linger parse_linger(const std::string& text) {
  if (text == "swarm") return {Linger::Mode::swarm, std::chrono::minutes(5)};
  if (text.starts_with("swarm:"))
    return {Linger::Mode::swarm, parse_duration(text.substr(6), "--linger")};
  if (text == "none") return {Linger::Mode::none, {}};
  if (text == "forever") return {Linger::Mode::forever, {}};
  return {Linger::Mode::fixed, parse_duration(text, "--linger")};
}

bool Lingering::is_over(const SwarmNode& node, Instant now) {
  since_ = std::min(since_, now);
  switch (linger_.mode) {
    case Linger::Mode::none:
      return true;
    case Linger::Mode::forever:
      return false;
    case Linger::Mode::fixed:
      return now - since_ >= linger_.time;
    case Linger::Mode::swarm:
      break;
  }
  const swarm::Engine& engine = node.engine();
  if (engine.swarm_complete() || now - since_ >= linger_.time) return true;
  const bool unknown = !node.has_trackers() || engine.tracker_silent();
  if (last_needed_ == Instant::max() || engine.anyone_waiting() || !unknown) last_needed_ = now;
  return now - last_needed_ >= quiet;
}

}  // namespace murder::node
