// Whom to ask for what, what to do with what comes, and when to ask elsewhere.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "swarm/engine.hpp"
#include "swarm/engine_rules.hpp"

namespace murder::swarm {

std::uint64_t Engine::window_bytes(const Link& link) const {
  if (link.snubbed) return link.block_bytes;
  // Twice what is in flight, so that a link that is held back by its window doubles it each round
  // trip.
  const auto in_flight = static_cast<std::uint64_t>(2 * link.rate * to_seconds(link.round_trip));
  const std::uint64_t block = std::max(link.block_bytes, unit_bytes);
  if (!link.murder) {
    const auto between_turns = static_cast<std::uint64_t>(link.rate * to_seconds(stock_pulse));
    return std::min(std::max(least_of_stock, in_flight + between_turns), max_window_bytes);
  }
  // With many links asked, one block of each fills our downlink, and waits at each for its turn
  // among as many others: a second one would only wait longer. Unless we are behind the others.
  const bool one_is_enough = links_.size() >= many_links && progress_told_ + 1 >= ahead_;
  const std::uint64_t window = one_is_enough ? std::max(block, in_flight) : 2 * block + in_flight;
  return std::min(window, max_window_bytes);
}

bool Engine::request_from(Link& link, PieceIndex piece, Instant now) {
  PieceInHand* state = picker_.in_hand(piece);
  if (state == nullptr || state->verifying) return false;
  const auto first = std::find(state->units.begin(), state->units.end(), Unit::missing);
  if (first == state->units.end()) return false;
  auto unit = static_cast<std::uint32_t>(first - state->units.begin());
  const std::uint32_t size = config_.geometry.piece_size(piece);
  wire::Block block{piece, unit * unit_bytes, 0};
  while (unit < state->units.size() && state->units[unit] == Unit::missing &&
         (unit + 1) * std::uint64_t{unit_bytes} - block.begin <=
             std::max(link.block_bytes, unit_bytes)) {
    state->units[unit] = Unit::requested;
    ++unit;
  }
  block.length = std::min(unit * unit_bytes, size) - block.begin;
  if (link.outstanding.empty()) link.last_data = now;
  link.begun = piece;
  link.outstanding.push_back({block, now, false});
  link.outstanding_bytes += block.length;
  config_.down.take(block.length, now);
  send(link, wire::Request{block}, now);
  return true;
}

void Engine::request_more(Link& link, Instant now) {
  if (complete() || link.they_choke || (link.snubbed && now < link.ask_again_at)) return;
  // A disk that is slower than the network must not fill the memory.
  if (verifying_bytes_ > max_verifying_bytes) return;
  const std::uint64_t window = window_bytes(link);
  // What this link has begun, before anything new.
  while (link.outstanding_bytes < window) {
    if (!config_.down.ready(now)) {
      asking_throttled_ = true;
      return;
    }
    if (link.begun) {
      const PieceInHand* state = picker_.in_hand(*link.begun);
      if (state != nullptr && state->owner == link.id && request_from(link, *link.begun, now))
        continue;
      link.begun.reset();
    }
    const bool room =
        (picker_.all_in_hand().size() + 1) * std::uint64_t{config_.geometry.piece_length} <=
        max_bytes_in_hand;
    const auto fresh = room ? picker_.pick(link.theirs, link.id, now, random_)
                            : picker_.pick_orphan(link.theirs, link.id, now);
    if (fresh) {
      request_from(link, *fresh, now);
      continue;
    }
    if (!room && drop_hopeless(now)) continue;
    held_back_ |= !room;
    if (!take_back_for(link, now)) return;
  }
}

void Engine::request_everywhere(Instant now) {
  if (complete() || links_.empty()) return;
  // From another link each time: what a limit leaves must not go to the first one always.
  auto first = config_.down.any() ? links_.upper_bound(asked_last_) : links_.begin();
  if (first == links_.end()) first = links_.begin();
  asked_last_ = first->first;
  for (auto it = first; it != links_.end(); ++it) request_more(it->second, now);
  for (auto it = links_.begin(); it != first; ++it) request_more(it->second, now);
}

/// A piece that drips in elsewhere: all of it would be here from `link` well before the rest of it
/// comes from its owner.
bool Engine::would_be_sooner(const Link& link, PieceIndex piece, const PieceInHand& state,
                             Instant now) const {
  const auto owner = links_.find(*state.owner);
  if (owner == links_.end()) return false;
  const auto arriving =
      std::find_if(owner->second.outstanding.begin(), owner->second.outstanding.end(),
                   [&](const auto& o) { return o.arriving && o.block.piece == piece; });
  if (arriving == owner->second.outstanding.end()) return false;
  const double waited =
      to_seconds(now - std::max(arriving->asked_at, owner->second.last_block_end));
  if (waited < 1) return false;
  const double missing = static_cast<double>(config_.geometry.piece_size(piece)) -
                         static_cast<double>(state.received_units) * unit_bytes;
  const double there =
      waited * missing /
      static_cast<double>(std::max<std::uint64_t>(owner->second.arriving_bytes, 1));
  const double here = link.rate > 0 ? config_.geometry.piece_size(piece) / link.rate : 1;
  return there > 1 + 4 * here;
}

/// When something last came from the owner of a piece.
Instant Engine::last_data_of(const PieceInHand& state) const {
  const auto owner = links_.find(*state.owner);
  return owner == links_.end() ? state.owned_since : owner->second.last_data;
}

bool Engine::take_back_for(Link& link, Instant now) {
  if (link.snubbed) return false;
  // Only when there is nothing new to ask of this link: what has waited longest elsewhere and has
  // not begun to come. At the end also what has begun and then stopped, as it does when the last
  // packets of a block are lost: TCP needs 200 ms and more to find that out.
  const bool little_left = picker_.untouched() == 0;
  const double patience = little_left ? 0.02 + 2 * piece_seconds_ : 0.1 + 4 * piece_seconds_;
  const Instant ripe = now - from_seconds(patience);
  std::optional<PieceIndex> oldest;
  Instant oldest_since{};
  for (const auto& [piece, state] : picker_.all_in_hand()) {
    if (state.verifying || !state.owner || *state.owner == link.id || state.times_taken_back >= 4 ||
        !link.theirs.test(piece))
      continue;
    const bool begun =
        state.received_units > 0 || std::any_of(state.units.begin(), state.units.end(), [](Unit u) {
          return u != Unit::requested && u != Unit::padding;
        });
    Instant since = state.owned_since;
    if (begun && !would_be_sooner(link, piece, state, now)) {
      if (!little_left) continue;
      since = last_data_of(state);
    }
    if (!oldest || since < oldest_since || (since == oldest_since && piece < *oldest)) {
      oldest = piece;
      oldest_since = since;
    }
  }
  if (!oldest) return false;
  if (oldest_since > ripe) {
    const Instant due = oldest_since + from_seconds(patience);
    if (!take_back_due_ || due < *take_back_due_) take_back_due_ = due;
    return false;
  }
  PieceInHand& state = *picker_.in_hand(*oldest);
  if (Link* owner = find(*state.owner)) {
    std::vector<wire::Block> given_up;
    for (auto& o : owner->outstanding) {
      if (o.block.piece != *oldest) continue;
      if (o.arriving && o.accepted) {
        o.accepted = false;
        driver_.detach(owner->id, *oldest);
      }
      given_up.push_back(o.block);
    }
    for (const wire::Block& block : given_up) cancel_request(*owner, block, now);
  }
  for (Unit& unit : state.units)
    if (unit != Unit::received && unit != Unit::padding) unit = Unit::missing;
  ++state.times_taken_back;
  picker_.set_owner(state, link.id, now);
  request_from(link, *oldest, now);
  return true;
}

/// A half-done piece that nobody can go on with now makes room for others.
bool Engine::drop_hopeless(Instant now) {
  std::optional<PieceIndex> hopeless;
  for (const auto& [piece, state] : picker_.all_in_hand()) {
    if (state.owner || state.verifying || (hopeless && *hopeless < piece)) continue;
    const bool is_there = std::any_of(links_.begin(), links_.end(), [&, p = piece](const auto& l) {
      return !l.second.they_choke && l.second.theirs.test(p);
    });
    if (!is_there) hopeless = piece;
  }
  if (!hopeless) return false;
  wasted_ += std::uint64_t{picker_.in_hand(*hopeless)->received_units} * unit_bytes;
  cancel_piece(*hopeless, now);
  picker_.discard(*hopeless);
  driver_.forget(*hopeless);
  return true;
}

void Engine::cancel_request(Link& link, const wire::Block& block, Instant now) {
  const auto it = std::find_if(link.outstanding.begin(), link.outstanding.end(),
                               [&](const auto& o) { return o.block == block; });
  if (it == link.outstanding.end() || it->arriving) return;
  send(link, wire::Cancel{block}, now);
  config_.down.give_back(block.length, now);
  link.cancelled.push_back(block);
  if (link.cancelled.size() > max_cancelled) link.cancelled.pop_front();
  link.outstanding_bytes -= block.length;
  link.outstanding.erase(it);
}

/// From whomever it was asked.
void Engine::cancel_piece(PieceIndex piece, Instant now) {
  for (auto& [id, link] : links_) {
    std::vector<wire::Block> given_up;
    for (auto& o : link.outstanding) {
      if (o.block.piece != piece) continue;
      if (o.arriving) o.accepted = false;
      given_up.push_back(o.block);
    }
    for (const wire::Block& block : given_up) cancel_request(link, block, now);
  }
}

void Engine::return_block(const Link& link, const Link::Outstanding& outstanding) {
  if (outstanding.arriving && !outstanding.accepted) return;  // another link delivers it
  PieceInHand* state = picker_.in_hand(outstanding.block.piece);
  if (state == nullptr || state->verifying) return;
  const Unit from = outstanding.arriving ? Unit::receiving : Unit::requested;
  const UnitRange range = units_of(outstanding.block);
  bool returned = false;
  for (std::uint32_t u = range.begin; u < range.end; ++u) {
    if (state->units[u] != from) continue;
    state->units[u] = Unit::missing;
    returned = true;
  }
  // The owner was relieved of this block and will not ask for it again: anybody may.
  if (returned && state->owner && *state->owner != link.id)
    picker_.set_owner(*state, std::nullopt, state->owned_since);
}

void Engine::release_requests(Link& link, Instant now, bool still_open) {
  const auto outstanding = std::exchange(link.outstanding, {});
  link.outstanding_bytes = 0;
  for (const auto& o : outstanding) {
    return_block(link, o);
    if (!still_open) continue;
    if (o.arriving && o.accepted) driver_.detach(link.id, o.block.piece);
    if (!o.arriving) {
      send(link, wire::Cancel{o.block}, now);
      config_.down.give_back(o.block.length, now);
    }
    link.cancelled.push_back(o.block);
    if (link.cancelled.size() > max_cancelled) link.cancelled.pop_front();
  }
  for (const auto& o : outstanding) {
    PieceInHand* state = picker_.in_hand(o.block.piece);
    if (state != nullptr && state->owner == link.id) picker_.release(o.block.piece);
  }
  if (const auto begun = std::exchange(link.begun, std::nullopt)) {
    PieceInHand* state = picker_.in_hand(*begun);
    if (state != nullptr && state->owner == link.id) picker_.release(*begun);
  }
}

bool Engine::on_block_begin(LinkId id, const wire::Block& block, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return false;
  link->last_heard = now;
  auto it = std::find_if(link->outstanding.begin(), link->outstanding.end(),
                         [&](const auto& o) { return o.block == block; });
  if (it == link->outstanding.end()) {
    const auto late = std::find(link->cancelled.begin(), link->cancelled.end(), block);
    if (late == link->cancelled.end()) {
      link->unasked_bytes += block.length;
      if (link->unasked_bytes > max_unasked_bytes || !config_.geometry.contains(block))
        drop(id, "sent pieces that nobody asked for", true, now);
      return false;
    }
    link->cancelled.erase(late);
    config_.down.take(block.length, now);
    // Given up on, and here all the same: welcome, if nobody else has begun to deliver it.
    link->outstanding.push_front({block, now});
    link->outstanding_bytes += block.length;
    it = link->outstanding.begin();
  }
  it->arriving = true;
  link->arriving_bytes = 0;
  PieceInHand* state = picker_.in_hand(block.piece);
  if (state == nullptr || state->verifying) return false;
  const UnitRange range = units_of(block);
  for (std::uint32_t u = range.begin; u < range.end; ++u)
    if (state->units[u] == Unit::receiving || state->units[u] == Unit::received) return false;
  it->accepted = true;
  for (std::uint32_t u = range.begin; u < range.end; ++u) state->units[u] = Unit::receiving;
  if (state->owner && *state->owner != id)
    if (Link* owner = find(*state->owner)) cancel_request(*owner, block, now);
  return true;
}

void Engine::on_block_progress(LinkId id, std::uint32_t bytes, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  link->last_heard = link->last_data = now;
  link->downloaded += bytes;
  link->arriving_bytes += bytes;
  downloaded_ += bytes;
}

void Engine::on_block_end(LinkId id, const wire::Block& block, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  if (web_) web_->busy(now);
  link->snubbed = false;
  const auto it = std::find_if(link->outstanding.begin(), link->outstanding.end(),
                               [&](const auto& o) { return o.block == block; });
  if (it == link->outstanding.end()) {
    wasted_ += block.length;
    return;
  }
  const bool accepted = it->accepted;
  const double seconds = to_seconds(now - std::max(it->asked_at, link->last_block_end));
  if (seconds > 0) smooth(link->rate, block.length / seconds, 0.2);
  link->last_block_end = now;
  link->outstanding_bytes -= block.length;
  link->outstanding.erase(it);
  if (!accepted) {
    wasted_ += block.length;
    request_more(*link, now);
    return;
  }

  PieceInHand* state = picker_.in_hand(block.piece);
  const UnitRange range = units_of(block);
  for (std::uint32_t u = range.begin; u < range.end; ++u) state->units[u] = Unit::received;
  state->received_units += range.end - range.begin;
  if (std::find(state->contributors.begin(), state->contributors.end(), id) ==
      state->contributors.end())
    state->contributors.push_back(id);
  if (state->complete()) {
    smooth(piece_seconds_, to_seconds(now - state->owned_since), 0.1);
    picker_.begin_verifying(*state);
    verifying_bytes_ += config_.geometry.piece_size(block.piece);
    driver_.verify(block.piece);
  }
  request_more(*link, now);
}

void Engine::on_piece_verified(PieceIndex piece, bool matches, Instant now) {
  PieceInHand* state = picker_.in_hand(piece);
  if (state == nullptr) return;
  const bool waited = verifying_bytes_ > max_verifying_bytes || std::exchange(held_back_, false);
  verifying_bytes_ -= config_.geometry.piece_size(piece);
  if (!matches) {
    const std::vector<LinkId> contributors = state->contributors;
    wasted_ += config_.geometry.piece_size(piece);
    picker_.discard(piece);
    // With one contributor it is plain whose data was wrong. With several all are let go, to be
    // dialled again: the piece will come whole from one of them.
    for (const LinkId id : contributors)
      drop(id, fmt::format("sent wrong data for piece {}", piece.value()), contributors.size() == 1,
           now);
    request_everywhere(now);
    return;
  }
  got(piece, now);
  if (waited) request_everywhere(now);
}

void Engine::on_piece_fed(PieceIndex piece, Instant now) {
  if (have().test(piece)) return;
  const PieceInHand* state = picker_.in_hand(piece);
  const bool was_in_hand = state != nullptr;
  if (was_in_hand && state->verifying) verifying_bytes_ -= config_.geometry.piece_size(piece);
  if (was_in_hand) cancel_piece(piece, now);
  got(piece, now);
  if (was_in_hand) request_everywhere(now);
}

/// It is verified and written, wherever it came from.
void Engine::got(PieceIndex piece, Instant now) {
  picker_.mark_have(piece);
  bytes_have_ += config_.geometry.piece_size(piece);
  if (seed_ && !seed_->open())
    show_new(piece, now);
  else
    tell_everyone(piece, now);
  if (!complete()) {
    tell_progress(now);
    return;
  }
  announcer_.complete(now);
  std::vector<LinkId> done;
  for (auto& [id, link] : links_) {
    introduce(link, now);
    update_interest(link, now);
    if (!link.murder && link.complete()) done.push_back(id);
  }
  for (const LinkId id : done) drop(id, "both have everything", false, now);
  announce_due(now);
}

}  // namespace murder::swarm
