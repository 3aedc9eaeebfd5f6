// Serving requests, and the turns of stock clients.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "swarm/engine.hpp"
#include "swarm/engine_rules.hpp"

namespace murder::swarm {
namespace {

/// Murder peers among the links that lack something.
std::size_t count_waiting(const auto& links) {
  return static_cast<std::size_t>(std::ranges::count_if(
      links, [](const auto& entry) { return entry.second.murder && !entry.second.complete(); }));
}

}  // namespace

void Engine::queue_upload(Link& link, const wire::Block& block, Instant now) {
  if (!config_.geometry.contains(block) ||
      block.length > (link.murder ? config_.max_block_bytes : 8 * unit_bytes)) {
    drop(link.id,
         fmt::format("asked for {} bytes at {} of piece {}", block.length, block.begin,
                     block.piece.value()),
         true, now);
    return;
  }
  const bool refused = link.we_choke || !have().test(block.piece) ||
                       (seed_ && link.murder && !link.told.test(block.piece)) ||
                       link.upload.size() >= max_queued_uploads;
  if (refused) {
    if (link.fast) send(link, wire::Reject{block}, now);
    return;
  }
  link.upload.push_back(block);
  if (link.upload.size() > 1) return;
  rank_upload(link);
  driver_.wake_upload(link.id);
}

std::optional<wire::Block> Engine::next_block(LinkId id, Instant now) {
  Link* link = find(id);
  if (link == nullptr || link->upload.empty()) return std::nullopt;
  if (!config_.up.ready(now)) {
    if (std::find(throttled_.begin(), throttled_.end(), id) == throttled_.end())
      throttled_.push_back(id);
    return std::nullopt;
  }
  const wire::Block block = link->upload.front();
  if (holds_back(*link, block, now)) {
    if (std::find(held_.begin(), held_.end(), id) == held_.end()) held_.push_back(id);
    return std::nullopt;
  }
  link->upload.pop_front();
  if (!link->murder) stock_share_.stock_has(block.length);
  config_.up.take(block.length, now);
  if (link->murder && block.begin == 0) picker_.add_copy(block.piece);
  rank_upload(*link);
  tell_untold(*link, now);
  return block;
}

/// A stock client at a seeder, which has had its share.
bool Engine::holds_back(const Link& link, const wire::Block& block, Instant now) const {
  if (link.murder || !seed_ || seed_->open()) return false;
  return count_waiting(links_) > 0 && !stock_share_.may_have(block.length, now);
}

void Engine::serve_held(Instant now) {
  if (held_.empty()) return;
  const LinkId next = held_.front();
  const Link* link = find(next);
  if (link != nullptr && !link->upload.empty() && holds_back(*link, link->upload.front(), now))
    return;
  held_.pop_front();
  if (link != nullptr) driver_.wake_upload(next);
}

void Engine::tell_progress(Instant now) {
  const std::uint32_t step = steps_of(have().count(), config_.geometry);
  if (step <= progress_told_) return;
  progress_told_ = step;
  if (seed_) return;
  for (auto& [id, link] : links_)
    if (link.murder) introduce(link, now);
}

void Engine::rank_uploads() {
  ahead_ = 0;
  for (const auto& [id, link] : links_)
    if (!link.complete()) ahead_ = std::max(ahead_, link.progress);
  for (auto& [id, link] : links_) rank_upload(link);
}

/// Those that are a little behind go first: that is what makes all of them end together. A host
/// with fewer links than its neighbours would otherwise get less of each of them than they get. Of
/// those equally far behind, the piece that fewest of the neighbours have.
void Engine::rank_upload(Link& link) {
  const std::uint32_t progress = link.progress + late_steps < ahead_ ? ahead_ : link.progress;
  const std::uint32_t copies = link.upload.empty() ? 0 : picker_.copies(link.upload.front().piece);
  const std::uint32_t rank = progress << 16 | std::min(copies, 0xffffu);
  if (std::exchange(link.upload_rank, rank) != rank) driver_.rank_upload(link.id, rank);
}

/// One link, in turn: the others when it has taken its block and there is still room.
void Engine::serve_throttled(Instant now) {
  if (throttled_.empty() || !config_.up.ready(now)) return;
  const LinkId next = throttled_.front();
  throttled_.pop_front();
  if (find(next) != nullptr) driver_.wake_upload(next);
}

void Engine::on_block_sent(LinkId id, const wire::Block& block, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  link->last_said = last_upload_ = last_moved_ = now;
  link->uploaded += block.length;
  uploaded_ += block.length;
  link->uploaded_since += block.length;
  const double seconds = to_seconds(now - link->upload_measured_at);
  if (seconds >= 0.05) {
    smooth(link->upload_rate, static_cast<double>(link->uploaded_since) / seconds, 0.5);
    link->uploaded_since = 0;
    link->upload_measured_at = now;
  }
  if (!seed_ || seed_->open()) return;
  if (link->murder) {
    stock_share_.murder_has(block.length, count_waiting(links_), now);
    serve_held(now);
    if (seed_->sent(id, block.piece, block.length, now))
      open_to_all(now);
    else
      show_more(*link, now);
  } else if (block.begin + block.length == config_.geometry.piece_size(block.piece)) {
    // A stock client asks for a piece in order: its last block means the whole of it is out.
    if (seed_->seen(block.piece)) open_to_all(now);
  }
}

void Engine::assign_stock_slots(Instant now) {
  std::vector<Link*> interested;
  for (auto& [id, link] : links_)
    if (!link.murder && link.they_are_interested) interested.push_back(&link);
  const std::size_t slots = count_waiting(links_) > 0 ? 1 : stock_slots_alone;
  const auto set_choke = [&](Link& link, bool choke) {
    if (link.we_choke == choke) return;
    link.we_choke = choke;
    if (choke) {
      const auto refused = std::exchange(link.upload, {});
      send(link, wire::Choke{}, now);
      if (link.fast)
        for (const wire::Block& block : refused) send(link, wire::Reject{block}, now);
    } else {
      send(link, wire::Unchoke{}, now);
    }
  };
  for (auto& [id, link] : links_)
    if (!link.murder && !link.they_are_interested) set_choke(link, true);
  // Least served first, so that turns go round; changed only when a turn is over or a slot is free.
  const auto unchoked = static_cast<std::size_t>(
      std::count_if(interested.begin(), interested.end(), [](Link* l) { return !l->we_choke; }));
  const bool turn_over = now >= next_slot_change_;
  if (unchoked == std::min(slots, interested.size()) && !turn_over) return;
  if (turn_over) next_slot_change_ = now + stock_turn;
  std::stable_sort(interested.begin(), interested.end(), [&](const Link* a, const Link* b) {
    if (!turn_over && a->we_choke != b->we_choke) return !a->we_choke;
    return a->uploaded < b->uploaded;
  });
  for (std::size_t i = 0; i < interested.size(); ++i)
    if (i >= slots) set_choke(*interested[i], true);
  for (std::size_t i = 0; i < std::min(slots, interested.size()); ++i)
    set_choke(*interested[i], false);
}

}  // namespace murder::swarm
