#include "swarm/engine.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace murder::swarm {
namespace {

constexpr std::uint64_t max_window_bytes = 8u << 20;
constexpr std::uint64_t max_verifying_bytes = 32u << 20;
constexpr std::uint64_t max_unasked_bytes = 1u << 20;
constexpr std::size_t max_queued_uploads = 2048;
constexpr std::size_t max_cancelled = 1024;
constexpr Duration keep_alive_after = std::chrono::seconds(60);
constexpr Duration silent_link = std::chrono::seconds(150);
constexpr Duration stock_turn = std::chrono::seconds(10);
constexpr Duration probe_after = std::chrono::seconds(2);
/// Announcements to murder peers wait this long at most for a message to travel with.
constexpr Duration longest_untold = std::chrono::milliseconds(10);
constexpr Duration housekeeping = std::chrono::milliseconds(250);
constexpr std::size_t stock_slots_alone = 8;

using Unit = PieceInHand::Unit;

/// The units that a block covers; blocks that we ask for begin on a unit.
struct UnitRange {
  std::uint32_t begin;
  std::uint32_t end;
};
UnitRange units_of(const wire::Block& block) {
  return {block.begin / unit_bytes, (block.begin + block.length + unit_bytes - 1) / unit_bytes};
}

void smooth(double& value, double sample, double weight) {
  value = value == 0 ? sample : value + weight * (sample - value);
}

}  // namespace

bool is_murder(const PeerId& id) { return id.view().starts_with("-MU"); }

Engine::Engine(EngineConfig config, Bitfield have, Random random, Driver& driver)
    : config_(std::move(config)),
      random_(random),
      driver_(driver),
      picker_(config_.geometry, std::move(have)),
      announcer_(config_.trackers) {
  if (!config_.first.empty()) picker_.set_first(config_.first);
  if (config_.seeder) seed_.emplace(config_.geometry, config_.first);
  for (std::uint32_t i = 0; i < config_.geometry.piece_count(); ++i)
    if (picker_.have().test(PieceIndex(i)))
      bytes_have_ += config_.geometry.piece_size(PieceIndex(i));
}

void Engine::start(Instant now) {
  announcer_.start(now);
  announce_due(now);
}

void Engine::set_groups(std::vector<std::uint32_t> group_of_piece) {
  picker_.set_groups(std::move(group_of_piece));
}

Link* Engine::find(LinkId id) {
  const auto it = links_.find(id);
  return it == links_.end() ? nullptr : &it->second;
}

void Engine::send(Link& link, const wire::Message& message, Instant now) {
  link.last_said = now;
  tell_untold(link, now);
  driver_.send(link.id, message);
}

// --- links -------------------------------------------------------------------------------------

void Engine::on_dial_failed(const Endpoint& endpoint, Instant now) {
  book_.dial_failed(endpoint, now);
}

void Engine::on_connected(LinkId id, const LinkInfo& info, Instant now) {
  if (info.peer_id == config_.self) {
    if (info.outgoing) book_.ban(info.remote);
    driver_.close(id, "connected to itself");
    return;
  }
  if (book_.banned(info.remote)) {
    driver_.close(id, "banned");
    return;
  }
  if (info.outgoing) book_.connected(info.remote);
  for (const auto& [other_id, other] : links_) {
    if (other.peer_id != info.peer_id) continue;
    // Dialled by both at once: both ends keep the connection that the smaller peer id made. Dialled
    // again by them: they have lost the old one.
    const bool keep_ours = config_.self < info.peer_id;
    const bool both_theirs = !other.outgoing && !info.outgoing;
    if (both_theirs || (other.outgoing != info.outgoing && info.outgoing == keep_ours)) {
      const LinkId old = other_id;
      forget(old, now);
      driver_.close(old, "connected twice");
    } else {
      driver_.close(id, "connected twice");
      return;
    }
    break;
  }

  Link& link = links_[id];
  link.id = id;
  link.remote = info.remote;
  link.peer_id = info.peer_id;
  link.murder = is_murder(info.peer_id);
  link.fast = info.fast;
  link.extensions = info.extensions;
  link.outgoing = info.outgoing;
  link.theirs = Bitfield(config_.geometry.piece_count());
  link.told = Bitfield(config_.geometry.piece_count());
  link.they_choke = !link.murder;
  link.we_choke = !link.murder;
  link.block_bytes =
      link.murder ? std::min(config_.geometry.piece_length, murder_block_bytes) : unit_bytes;
  link.last_heard = link.last_said = link.last_data = link.last_block_end = now;
  link.upload_measured_at = now;
  link.round_trip = driver_.round_trip(id);
  greet(link, now);
}

void Engine::greet(Link& link, Instant now) {
  const bool withheld = seed_ && link.murder && !seed_->open();
  if (withheld || have().none()) {
    if (link.fast) send(link, wire::HaveNone{}, now);
  } else {
    if (have().all() && link.fast)
      send(link, wire::HaveAll{}, now);
    else
      send(link, wire::Bitfield{have().to_wire()}, now);
    link.told = have();
  }
  if (link.extensions) {
    wire::ExtensionHandshake hello;
    hello.request_queue = max_queued_uploads;
    hello.upload_only = complete();
    hello.client = "murder " MURDER_VERSION;
    hello.max_block_bytes = murder_block_bytes;
    send(link, wire::Extended{0, wire::encode_extension_handshake(hello)}, now);
  }
  if (link.murder) {
    send(link, wire::Unchoke{}, now);
    if (!complete()) {
      link.we_are_interested = true;
      send(link, wire::Interested{}, now);
    }
  }
  show_more(link, now);
}

void Engine::on_closed(LinkId id, Instant now) {
  if (find(id) != nullptr) forget(id, now);
}

void Engine::forget(LinkId id, Instant now) {
  const auto it = links_.find(id);
  Link& link = it->second;
  release_requests(link, now, false);
  for (std::uint32_t i = 0; i < link.theirs.size(); ++i)
    if (link.theirs.test(PieceIndex(i))) picker_.remove_availability(PieceIndex(i));
  if (link.outgoing) book_.disconnected(link.remote, now);
  const bool was_stock = !link.murder;
  links_.erase(it);
  if (seed_) {
    seed_->remove(id);
    for (auto& [other_id, other] : links_) show_more(other, now);
  }
  if (was_stock) assign_stock_slots(now);
  request_everywhere(now);
  if (!complete() && links_.size() * 2 < config_.wanted_links) announcer_.want_peers(now);
}

void Engine::drop(LinkId id, const std::string& reason, bool ban, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  if (ban) {
    driver_.banned(link->remote, reason);
    book_.ban(link->remote);
    // Several peers may share a loopback address; anywhere else an address is a host.
    if (link->remote.address.is_v4() ? link->remote.address.v4_bytes()[0] != 127
                                     : link->remote.address != *IpAddress::parse("::1"))
      book_.ban(link->remote.address);
  }
  forget(id, now);
  driver_.close(id, reason);
}

// --- what they have, what they are shown --------------------------------------------------------

void Engine::tell_have(Link& link, PieceIndex piece, Instant now) {
  if (link.murder && link.theirs.test(piece)) return;
  if (link.told.set(piece)) send(link, wire::Have{piece}, now);
}

void Engine::tell_untold(Link& link, Instant now) {
  if (link.untold.empty()) return;
  link.last_said = now;
  for (const PieceIndex piece : std::exchange(link.untold, {}))
    if (!link.theirs.test(piece) && link.told.set(piece)) driver_.send(link.id, wire::Have{piece});
}

void Engine::tell_everyone(PieceIndex piece, Instant now) {
  if (last_verified_ != Instant{}) smooth(piece_interval_s_, to_seconds(now - last_verified_), 0.1);
  last_verified_ = now;
  const Duration patience = std::min(from_seconds(2 * piece_interval_s_), longest_untold);
  const bool at_once = picker_.untouched() == 0;
  for (auto& [id, link] : links_) {
    if (!link.murder || at_once) {
      tell_have(link, piece, now);
    } else if (!link.theirs.test(piece)) {
      link.untold.push_back(piece);
      if (!untold_due_) untold_due_ = now + patience;
    }
  }
}

void Engine::show_more(Link& link, Instant now) {
  if (!seed_ || !link.murder) return;
  if (seed_->open()) {
    if (link.told.all()) return;
    have().for_each_not_in(link.told, [&](PieceIndex piece) { tell_have(link, piece, now); });
    return;
  }
  // Enough that the next request is never late: 100 ms of what the link takes, at least three
  // pieces.
  const auto window =
      std::max({3 * std::uint64_t{config_.geometry.piece_length}, std::uint64_t{64} * 1024,
                static_cast<std::uint64_t>(link.upload_rate * 0.1)});
  for (const PieceIndex piece : seed_->extend(link.id, window, link.theirs, now))
    tell_have(link, piece, now);
}

void Engine::open_to_all(Instant now) {
  for (auto& [id, link] : links_) show_more(link, now);
}

void Engine::they_have(Link& link, PieceIndex piece) {
  if (link.theirs.set(piece)) picker_.add_availability(piece);
}

void Engine::after_they_have(Link& link, Instant now) {
  if (complete() && link.complete() && !link.murder) {
    drop(link.id, "both have everything", false, now);
    return;
  }
  update_interest(link, now);
  request_more(link, now);
}

void Engine::update_interest(Link& link, Instant now) {
  const bool interesting = link.murder ? !complete() : link.theirs.has_any_not_in(have());
  if (interesting == link.we_are_interested) return;
  link.we_are_interested = interesting;
  if (interesting)
    send(link, wire::Interested{}, now);
  else
    send(link, wire::NotInterested{}, now);
}

// --- messages -----------------------------------------------------------------------------------

struct Engine::Visitor {
  Engine& engine;
  Link& link;
  Instant now;

  void violation(const std::string& what) { engine.drop(link.id, what, true, now); }

  void operator()(const wire::KeepAlive&) {}
  void operator()(const wire::Choke&) {
    if (link.murder) return;
    link.they_choke = true;
    // With BEP 6 each request is rejected by name; without, a choke forgets them all.
    if (!link.fast) {
      engine.release_requests(link, now, false);
      engine.request_everywhere(now);
    }
  }
  void operator()(const wire::Unchoke&) {
    link.they_choke = false;
    engine.request_more(link, now);
  }
  void operator()(const wire::Interested&) {
    link.they_are_interested = true;
    if (!link.murder) engine.assign_stock_slots(now);
  }
  void operator()(const wire::NotInterested&) {
    link.they_are_interested = false;
    if (!link.murder) engine.assign_stock_slots(now);
  }
  void operator()(const wire::Have& have) {
    if (have.piece.value() >= link.theirs.size())
      return violation(
          fmt::format("announced piece {} of {}", have.piece.value(), link.theirs.size()));
    engine.they_have(link, have.piece);
    if (engine.seed_ && link.murder) {
      const bool opened = engine.seed_->seen(have.piece);
      if (opened)
        engine.open_to_all(now);
      else
        engine.show_more(link, now);
    }
    engine.after_they_have(link, now);
  }
  void operator()(const wire::Bitfield& message) {
    const auto field = Bitfield::from_wire(message.bits, link.theirs.size());
    if (!field) return violation("sent a bitfield of the wrong size");
    all_of(*field);
  }
  void operator()(const wire::HaveAll&) {
    Bitfield field(link.theirs.size());
    field.set_all();
    all_of(field);
  }
  void operator()(const wire::HaveNone&) {}
  void all_of(const Bitfield& field) {
    bool opened = false;
    field.for_each_not_in(link.theirs, [&](PieceIndex piece) {
      engine.they_have(link, piece);
      if (engine.seed_ && link.murder) opened |= engine.seed_->seen(piece);
    });
    if (opened) engine.open_to_all(now);
    engine.after_they_have(link, now);
  }
  void operator()(const wire::Request& request) { engine.queue_upload(link, request.block, now); }
  void operator()(const wire::Cancel& cancel) {
    const auto it = std::find(link.upload.begin(), link.upload.end(), cancel.block);
    if (it != link.upload.end()) link.upload.erase(it);
  }
  void operator()(const wire::Piece&) {}  // blocks come through on_block_begin and on_block_end
  void operator()(const wire::Port&) {}
  void operator()(const wire::Suggest&) {}
  void operator()(const wire::AllowedFast&) {}
  void operator()(const wire::Unknown&) {}
  void operator()(const wire::Reject& reject) {
    const auto it = std::find_if(link.outstanding.begin(), link.outstanding.end(),
                                 [&](const auto& o) { return o.block == reject.block; });
    if (it == link.outstanding.end() || it->arriving) return;
    const PieceIndex piece = reject.block.piece;
    engine.return_block(*it);
    link.outstanding_bytes -= it->block.length;
    link.outstanding.erase(it);
    // Not theirs to give after all; a choking peer keeps what it has.
    if (!link.they_choke && link.theirs.reset(piece)) engine.picker_.remove_availability(piece);
    PieceInHand* state = engine.picker_.in_hand(piece);
    if (state != nullptr && state->owner == link.id) engine.picker_.release(piece);
    engine.request_everywhere(now);
  }
  void operator()(const wire::Extended& message) {
    if (message.id != 0) return;
    const auto hello = wire::decode_extension_handshake(message.payload);
    if (!hello) return;
    if (link.murder && hello->max_block_bytes >= unit_bytes)
      link.block_bytes =
          std::min({config().geometry.piece_length, hello->max_block_bytes, murder_block_bytes});
  }
  const EngineConfig& config() const { return engine.config_; }
};

void Engine::on_message(LinkId id, const wire::Message& message, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  link->last_heard = link->ask_again_at = now;
  std::visit(Visitor{*this, *link, now}, message);
}

// --- download -----------------------------------------------------------------------------------

std::uint64_t Engine::window_bytes(const Link& link) const {
  if (link.snubbed) return link.block_bytes;
  // Twice what is in flight, so that a link that is held back by its window doubles it each round
  // trip.
  const auto in_flight = static_cast<std::uint64_t>(2 * link.rate * to_seconds(link.round_trip));
  const std::uint64_t least =
      std::max(2 * std::uint64_t{link.block_bytes}, std::uint64_t{2 * unit_bytes});
  return std::min(least + in_flight, max_window_bytes);
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
  link.outstanding.push_back({block, now, false});
  link.outstanding_bytes += block.length;
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
    std::optional<PieceIndex> own;
    if (!link.outstanding.empty()) {
      const PieceIndex piece = link.outstanding.back().block.piece;
      const PieceInHand* state = picker_.in_hand(piece);
      if (state != nullptr && state->owner == link.id) own = piece;
    }
    if (own && request_from(link, *own, now)) continue;
    const auto fresh = picker_.pick(link.theirs, link.id, now, random_);
    if (fresh) {
      request_from(link, *fresh, now);
      continue;
    }
    if (!take_back_for(link, now)) return;
  }
}

void Engine::request_everywhere(Instant now) {
  if (complete()) return;
  for (auto& [id, link] : links_) request_more(link, now);
}

bool Engine::take_back_for(Link& link, Instant now) {
  if (link.snubbed) return false;
  // Only when there is nothing new to ask of this link: what has waited longest elsewhere and has
  // not begun to come.
  const bool little_left = picker_.untouched() == 0;
  const double patience = little_left ? 0.02 + 2 * piece_seconds_ : 0.1 + 4 * piece_seconds_;
  const Instant ripe = now - from_seconds(patience);
  std::optional<PieceIndex> oldest;
  Instant oldest_since{};
  for (const auto& [piece, state] : picker_.all_in_hand()) {
    if (state.verifying || !state.owner || *state.owner == link.id || state.received_units > 0 ||
        state.times_taken_back >= 4 || !link.theirs.test(piece))
      continue;
    if (std::any_of(state.units.begin(), state.units.end(),
                    [](Unit u) { return u != Unit::requested; }))
      continue;
    if (!oldest || state.owned_since < oldest_since ||
        (state.owned_since == oldest_since && piece < *oldest)) {
      oldest = piece;
      oldest_since = state.owned_since;
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
    for (const auto& o : owner->outstanding)
      if (o.block.piece == *oldest) given_up.push_back(o.block);
    for (const wire::Block& block : given_up) cancel_request(*owner, block, now);
  }
  std::fill(state.units.begin(), state.units.end(), Unit::missing);
  ++state.times_taken_back;
  picker_.set_owner(state, link.id, now);
  request_from(link, *oldest, now);
  return true;
}

void Engine::cancel_request(Link& link, const wire::Block& block, Instant now) {
  const auto it = std::find_if(link.outstanding.begin(), link.outstanding.end(),
                               [&](const auto& o) { return o.block == block; });
  if (it == link.outstanding.end() || it->arriving) return;
  send(link, wire::Cancel{block}, now);
  link.cancelled.push_back(block);
  if (link.cancelled.size() > max_cancelled) link.cancelled.pop_front();
  link.outstanding_bytes -= block.length;
  link.outstanding.erase(it);
}

void Engine::return_block(const Link::Outstanding& outstanding) {
  if (outstanding.arriving && !outstanding.accepted) return;  // another link delivers it
  PieceInHand* state = picker_.in_hand(outstanding.block.piece);
  if (state == nullptr || state->verifying) return;
  const Unit from = outstanding.arriving ? Unit::receiving : Unit::requested;
  const UnitRange range = units_of(outstanding.block);
  for (std::uint32_t u = range.begin; u < range.end; ++u)
    if (state->units[u] == from) state->units[u] = Unit::missing;
}

void Engine::release_requests(Link& link, Instant now, bool still_open) {
  const auto outstanding = std::exchange(link.outstanding, {});
  link.outstanding_bytes = 0;
  for (const auto& o : outstanding) {
    return_block(o);
    if (!still_open) continue;
    if (o.arriving && o.accepted) driver_.detach(link.id, o.block.piece);
    if (!o.arriving) send(link, wire::Cancel{o.block}, now);
    link.cancelled.push_back(o.block);
    if (link.cancelled.size() > max_cancelled) link.cancelled.pop_front();
  }
  for (const auto& o : outstanding) {
    PieceInHand* state = picker_.in_hand(o.block.piece);
    if (state != nullptr && state->owner == link.id) picker_.release(o.block.piece);
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
    // Given up on, and here all the same: welcome, if nobody else has begun to deliver it.
    link->outstanding.push_front({block, now});
    link->outstanding_bytes += block.length;
    it = link->outstanding.begin();
  }
  it->arriving = true;
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
  downloaded_ += bytes;
}

void Engine::on_block_end(LinkId id, const wire::Block& block, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
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
  const bool waited = verifying_bytes_ > max_verifying_bytes;
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
  picker_.mark_have(piece);
  bytes_have_ += config_.geometry.piece_size(piece);
  tell_everyone(piece, now);
  if (!complete()) {
    if (waited) request_everywhere(now);
    return;
  }
  announcer_.complete(now);
  std::vector<LinkId> done;
  for (auto& [id, link] : links_) {
    update_interest(link, now);
    if (!link.murder && link.complete()) done.push_back(id);
  }
  for (const LinkId id : done) drop(id, "both have everything", false, now);
  announce_due(now);
}

// --- upload -------------------------------------------------------------------------------------

void Engine::queue_upload(Link& link, const wire::Block& block, Instant now) {
  if (!config_.geometry.contains(block) ||
      block.length > (link.murder ? murder_block_bytes : 8 * unit_bytes)) {
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
  if (link.upload.size() == 1) driver_.wake_upload(link.id);
}

std::optional<wire::Block> Engine::next_block(LinkId id) {
  Link* link = find(id);
  if (link == nullptr || link->upload.empty()) return std::nullopt;
  const wire::Block block = link->upload.front();
  link->upload.pop_front();
  return block;
}

void Engine::on_block_sent(LinkId id, const wire::Block& block, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  link->last_said = now;
  link->uploaded += block.length;
  uploaded_ += block.length;
  link->uploaded_since += block.length;
  tell_untold(*link, now);
  const double seconds = to_seconds(now - link->upload_measured_at);
  if (seconds >= 0.05) {
    smooth(link->upload_rate, static_cast<double>(link->uploaded_since) / seconds, 0.5);
    link->uploaded_since = 0;
    link->upload_measured_at = now;
  }
  if (!seed_ || seed_->open()) return;
  if (link->murder) {
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
  bool murder_waits = false;
  for (auto& [id, link] : links_) {
    if (link.murder)
      murder_waits |= !link.complete();
    else if (link.they_are_interested)
      interested.push_back(&link);
  }
  const std::size_t slots = murder_waits ? 1 : stock_slots_alone;
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

// --- tracker and time ---------------------------------------------------------------------------

void Engine::on_tracker_reply(const AnnounceReply& reply, Instant now) {
  announcer_.succeeded(reply, now);
  if (reply.fleet) {
    fleet_ = *reply.fleet;
    swarm_complete_ = fleet_.swarm_complete;
    for (const Endpoint& endpoint : fleet_.dial) book_.add(endpoint, true, now);
  }
  for (const AnnouncedPeer& peer : reply.peers) book_.add(peer.endpoint, false, now);
  dial_due(now);
  announce_due(now);
}

void Engine::on_tracker_failed(Instant now) {
  announcer_.failed(now);
  announce_due(now);
}

void Engine::dial_due(Instant now) {
  // One who has it all waits to be dialled; seeders are.
  if (complete()) return;
  for (const Endpoint& endpoint : book_.take_due(now, links_.size(), config_.wanted_links))
    driver_.dial(endpoint);
}

void Engine::announce_due(Instant now) {
  if (const auto order = announcer_.take_due(now)) driver_.announce(order->tracker, order->event);
}

void Engine::check_stalls(Instant now) {
  std::vector<LinkId> dead;
  bool released = false;
  for (auto& [id, link] : links_) {
    if (!link.outstanding.empty()) {
      const Duration silent = now - link.last_data;
      if (silent >= config_.dead) {
        dead.push_back(id);
        continue;
      }
      if (silent >= config_.stall && !link.snubbed) {
        link.snubbed = true;
        link.ask_again_at = now + probe_after;
        release_requests(link, now, true);
        released = true;
      }
    }
    link.round_trip = driver_.round_trip(id);
    if (now - link.last_heard >= silent_link) dead.push_back(id);
    if (now - link.last_said >= keep_alive_after) send(link, wire::KeepAlive{}, now);
  }
  for (const LinkId id : dead) drop(id, "silent for too long", false, now);
  if (released) request_everywhere(now);
}

void Engine::tick(Instant now) {
  if (now - last_housekeeping_ >= housekeeping) {
    last_housekeeping_ = now;
    check_stalls(now);
    if (seed_ && !seed_->open() && seed_->take_back(now, config_.stall))
      for (auto& [id, link] : links_) show_more(link, now);
    if (now >= next_slot_change_) assign_stock_slots(now);
    // A link that stalled gets one block to prove itself.
    request_everywhere(now);
  }
  if (untold_due_ && *untold_due_ <= now) {
    untold_due_.reset();
    for (auto& [id, link] : links_) tell_untold(link, now);
  }
  if (take_back_due_ && *take_back_due_ <= now) {
    take_back_due_.reset();
    request_everywhere(now);
  }
  dial_due(now);
  announce_due(now);
}

Instant Engine::next_tick(Instant now) const {
  Instant next = std::max(last_housekeeping_ + housekeeping, now + std::chrono::milliseconds(1));
  if (const auto due = announcer_.next_due()) next = std::min(next, *due);
  if (take_back_due_) next = std::min(next, *take_back_due_);
  if (untold_due_) next = std::min(next, *untold_due_);
  if (!complete())
    if (const auto due = book_.next_due(links_.size(), config_.wanted_links))
      next = std::min(next, *due);
  return std::max(next, now);
}

std::uint32_t Engine::pieces_out_of_reach() const {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < config_.geometry.piece_count(); ++i)
    if (!have().test(PieceIndex(i)) && picker_.availability(PieceIndex(i)) == 0) ++count;
  return count;
}

bool Engine::anyone_waiting() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const auto& link) { return !link.second.complete(); });
}

}  // namespace murder::swarm
