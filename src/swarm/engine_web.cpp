// What no peer has, from web seeds: whether anybody is still worth waiting for.
#include <algorithm>

#include "swarm/engine.hpp"
#include "swarm/engine_rules.hpp"

namespace murder::swarm {

/// A peer was asked for something, or what came of one is still being written; or a limit is what
/// holds us back.
bool Engine::peers_feed_us() const {
  return verifying_bytes_ > 0 || asking_throttled_ ||
         std::any_of(links_.begin(), links_.end(),
                     [](const auto& link) { return !link.second.outstanding.empty(); });
}

WebSeeds::Situation Engine::web_situation() const {
  WebSeeds::Situation situation;
  std::uint32_t waiting = std::max(leechers_announced_, 1u);
  std::uint32_t linked = 1;
  for (const auto& [id, link] : links_) {
    if (!link.complete()) ++linked;
    // A partial seed of another make wants nothing and lacks something.
    if (link.theirs.all() || (link.murder && link.upload_only)) situation.somebody_may_help = true;
  }
  situation.waiting_hosts = std::max(waiting, linked);
  if (without_tracker()) {
    situation.alone = links_.empty();
    return situation;
  }
  // Until it has answered, a thousand others may be there that have just started, too.
  situation.alone = links_.empty() && tracker_answered_ && situation.waiting_hosts == 1;
  situation.somebody_may_help |= seeds_announced_ > 0 || !tracker_answered_;
  return situation;
}

void Engine::ask_web_seeds(Instant now) {
  if (!web_ || complete()) return;
  if (peers_feed_us()) {
    web_->busy(now);
    return;
  }
  while (config_.down.ready(now)) {
    const auto fetch = web_->take_due(web_situation(), picker_, now);
    if (!fetch) return;
    for (std::uint32_t i = 0; i < fetch->count; ++i)
      config_.down.take(config_.geometry.piece_size(PieceIndex(fetch->first.value() + i)), now);
    driver_.fetch(*fetch);
  }
}

void Engine::on_web_fetched(const WebFetch& fetch, WebOutcome outcome, Duration retry_after,
                            Instant now) {
  if (!web_) return;
  web_->ended(fetch, outcome, retry_after, now);
  ask_web_seeds(now);
}

}  // namespace murder::swarm
