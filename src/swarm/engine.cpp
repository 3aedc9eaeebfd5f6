// Links, what they have and are told, the tracker, and time.
#include "swarm/engine.hpp"

#include <algorithm>
#include <utility>

#include "bittorrent/peer_extensions.hpp"
#include "swarm/engine_rules.hpp"

namespace murder::swarm {

bool is_murder(const PeerId& id) { return id.view().starts_with("-MU"); }

Engine::Engine(EngineConfig config, Bitfield have, Random random, Driver& driver)
    : config_(std::move(config)),
      random_(random),
      driver_(driver),
      picker_(config_.geometry, std::move(have)),
      announcer_(config_.trackers) {
  if (!config_.first.empty()) picker_.set_first(config_.first);
  picker_.set_padding(std::move(config_.padding));
  if (config_.seeder) seed_.emplace(config_.geometry, config_.first, picker_.have());
  if (config_.web_seeds > 0)
    web_.emplace(config_.web_seeds, config_.geometry, config_.self, config_.down.any(),
                 Random(random_.next()));
  for (std::uint32_t i = 0; i < config_.geometry.piece_count(); ++i)
    if (picker_.have().test(PieceIndex(i)))
      bytes_have_ += config_.geometry.piece_size(PieceIndex(i));
}

void Engine::start(Instant now) {
  announcer_.start(now);
  announce_due(now);
  dial_known_peers(now);
  dial_due(now);
  if (web_) web_->busy(now);
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
  link.block_bytes = link.murder
                         ? std::min(config_.geometry.piece_length, largest_block(config_.down))
                         : unit_bytes;
  link.last_heard = link.last_said = link.last_data = link.last_block_end = now;
  link.upload_measured_at = now;
  link.round_trip = driver_.round_trip(id);
  last_moved_ = now;
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
  introduce(link, now);
  if (link.murder) {
    send(link, wire::Unchoke{}, now);
    if (!complete()) {
      link.we_are_interested = true;
      send(link, wire::Interested{}, now);
    }
  }
  show_more(link, now);
}

void Engine::introduce(Link& link, Instant now) {
  if (!link.extensions) return;
  wire::ExtensionHandshake hello;
  hello.request_queue = max_queued_uploads;
  hello.upload_only = complete();
  hello.client = "murder " MURDER_VERSION;
  if (config_.metadata) {
    hello.ut_metadata = wire::our_ut_metadata;
    hello.metadata_size = static_cast<std::uint32_t>(config_.metadata->size());
  }
  if (exchanges_peers_with(link)) hello.ut_pex = wire::our_ut_pex;
  hello.listen_port = listen_port_;
  // Who gets it from elsewhere is no measure of how far the others should be.
  hello.have_pieces = seed_ && !complete() ? 0 : have().count();
  hello.max_block_bytes = largest_block(config_.up);
  send(link, wire::Extended{0, wire::encode_extension_handshake(hello)}, now);
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
    Bitfield elsewhere(config_.geometry.piece_count());
    if (!seed_->open())
      for (std::uint32_t i = 0; i < elsewhere.size(); ++i)
        if (picker_.availability(PieceIndex(i)) > 0) elsewhere.set(PieceIndex(i));
    seed_->remove(id, elsewhere);
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
  const double pieces = std::min(most_pieces_untold, config_.geometry.piece_count() / 128.0);
  const Duration patience = std::min(from_seconds(pieces * piece_interval_s_), longest_untold);
  // Our uplink is idle: they wait for this, and there is nothing that it could travel with.
  const bool awaited = now - last_upload_ > from_seconds(2 * piece_interval_s_);
  const bool at_once = awaited || picker_.untouched() == 0;
  if (!at_once && picker_.availability(piece) <= 1) tell_a_few(piece, now);
  for (auto& [id, link] : links_) {
    if (!link.murder || at_once) {
      tell_have(link, piece, now);
    } else if (!link.theirs.test(piece) && !link.told.test(piece)) {
      link.untold.push_back(piece);
      if (!untold_due_) untold_due_ = now + patience;
    }
  }
}

/// Of a piece that has just come to a seeder: the next one whom it is shown to.
void Engine::show_new(PieceIndex piece, Instant now) {
  last_verified_ = last_moved_ = now;
  for (auto& [id, link] : links_)
    if (!link.murder) tell_have(link, piece, now);
  seed_->add(piece, picker_.availability(piece) == 0);
  if (const auto next = seed_->neediest()) show_more(*find(*next), now);
}

/// Of a piece that nobody else has, its source apart: as many as we can soon serve, so that it
/// spreads.
void Engine::tell_a_few(PieceIndex piece, Instant now) {
  std::vector<Link*> idle;
  for (auto& [id, link] : links_)
    if (link.murder && !link.theirs.test(piece) && link.upload.empty()) idle.push_back(&link);
  random_.shuffle(idle);
  idle.resize(std::min(idle.size(), told_of_rare));
  for (Link* link : idle) tell_have(*link, piece, now);
}

void Engine::show_more(Link& link, Instant now) {
  if (!seed_ || !link.murder) return;
  if (seed_->open()) {
    if (link.told.all()) return;
    have().for_each_not_in(link.told, [&](PieceIndex piece) { tell_have(link, piece, now); });
    return;
  }
  // Enough that the next request is never late: 100 ms of what the link takes, or two round trips
  // (so that a link that is held back by its window doubles it), at least three pieces.
  const double seconds = std::max(0.1, 2 * to_seconds(link.round_trip));
  const auto window =
      std::max({3 * std::uint64_t{config_.geometry.piece_length}, std::uint64_t{64} * 1024,
                static_cast<std::uint64_t>(link.upload_rate * seconds)});
  for (const PieceIndex piece : seed_->extend(link.id, window, link.theirs, now))
    tell_have(link, piece, now);
}

void Engine::open_to_all(Instant now) {
  for (auto& [id, link] : links_) show_more(link, now);
}

/// Nothing new has come to this seeder for a while, and what is there has left once; or nothing
/// moves at all, whatever the reason: from then on anybody may ask for everything.
void Engine::show_all_there_is(Instant now) {
  for (auto& [id, link] : links_)
    have().for_each_not_in(link.told,
                           [&, &to = link](PieceIndex piece) { tell_have(to, piece, now); });
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

void Engine::on_tracker_reply(const AnnounceReply& reply, Instant now) {
  announcer_.succeeded(reply, now);
  tracker_answered_ = true;
  seeds_announced_ = reply.complete;
  leechers_announced_ = reply.incomplete;
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

void Engine::add_tracker(const std::string& tracker, Instant now) {
  announcer_.add_first(tracker, now);
  announce_due(now);
}

void Engine::dial_due(Instant now) {
  if (!dials()) return;
  for (const Endpoint& endpoint : book_.take_due(now, links_.size(), links_to_look_for()))
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
    if (seed_ && !seed_->open()) {
      seed_->take_back(now, config_.stall);
      for (auto& [id, link] : links_) show_more(link, now);
      const bool feed_rests = seed_->idle() && now - last_verified_ >= config_.stall;
      if (feed_rests || now - last_moved_ >= config_.stall) show_all_there_is(now);
    }
    if (now >= next_slot_change_) assign_stock_slots(now);
    tell_peers(now);
    dial_known_peers(now);
    dial_heard_of(now);
    // A link that stalled gets one block to prove itself.
    request_everywhere(now);
  }
  if (untold_due_ && *untold_due_ <= now) {
    untold_due_.reset();
    for (auto& [id, link] : links_) tell_untold(link, now);
  }
  if ((take_back_due_ && *take_back_due_ <= now) ||
      (asking_throttled_ && config_.down.ready(now))) {
    take_back_due_.reset();
    asking_throttled_ = false;
    request_everywhere(now);
  }
  serve_held(now);
  serve_throttled(now);
  if (web_) ask_web_seeds(now);
  dial_due(now);
  announce_due(now);
}

Instant Engine::next_tick(Instant now) const {
  Instant next = std::max(last_housekeeping_ + housekeeping, now + std::chrono::milliseconds(1));
  if (const auto due = announcer_.next_due()) next = std::min(next, *due);
  if (take_back_due_) next = std::min(next, *take_back_due_);
  if (untold_due_) next = std::min(next, *untold_due_);
  if (!held_.empty()) next = std::min(next, stock_share_.free_at());
  if (!throttled_.empty()) next = std::min(next, config_.up.ready_at(now));
  if (asking_throttled_) next = std::min(next, config_.down.ready_at(now));
  if (web_ && !complete())
    if (const auto due = web_->next_due(now)) next = std::min(next, *due);
  if (dials())
    if (const auto due = book_.next_due(links_.size(), links_to_look_for()))
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
