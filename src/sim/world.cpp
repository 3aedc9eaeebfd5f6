// Hosts come and go, what happens to each, and the tracker.
#include "sim/world.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "bittorrent/metainfo.hpp"
#include "sim/limit.hpp"

namespace murder::sim {
namespace {

constexpr double hash_bytes_per_second = 1e9;
constexpr double links_of_a_host = 12;

}  // namespace

World::World(const SimulationOptions& options)
    : options_(options),
      random_(options.seed),
      registry_(
          tracker::RegistryOptions{.expect = options.expect != 0 ? options.expect : options.hosts},
          Random(random_.next())),
      racks_(options.racks, options.rack_link),
      web_seed_(options.web_seed.value_or(Rate{1})) {
  geometry_.length = options.size_bytes;
  geometry_.piece_length =
      options.piece_length != 0 ? options.piece_length : default_piece_length(options.size_bytes);
  // Blocks begin and end on a unit.
  const std::uint32_t block = options.block_length != 0
                                  ? std::min(options.block_length, geometry_.piece_length)
                                  : std::min(swarm::murder_block_bytes, geometry_.piece_length);
  block_bytes_ = (block + swarm::unit_bytes - 1) / swarm::unit_bytes * swarm::unit_bytes;
  for (std::uint32_t i = 0; i <= options.hosts; ++i) add_node(i);
}

// --- nodes come and go ---

void World::add_node(std::uint32_t i) {
  nodes_.push_back(std::make_unique<Node>(*this, i));
  Node& node = *nodes_.back();
  node.seeder = i == 0;
  node.endpoint = {IpAddress::v4({10, static_cast<std::uint8_t>(i >> 16),
                                  static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}),
                   8999};
  by_endpoint_[node.endpoint] = i;
  HostPlan plan;
  if (!node.seeder && i - 1 < options_.plans.size()) plan = options_.plans[i - 1];
  if (node.seeder) plan.joins_after = options_.seeder_joins_after;
  if (node.seeder) plan.up = options_.seeder_up;
  if (node.seeder) plan.killed_after = options_.seeder_killed_after;
  node.up = plan.up.value_or(options_.up);
  node.downlink = Pipe(plan.down.value_or(options_.down));
  node.rack = node.seeder ? 0 : (i - 1) % options_.racks;
  node.poisoner = options_.poisoner && *options_.poisoner + 1 == i;
  node.awaited = !node.seeder;
  node.back_after = plan.back_after;
  awaited_ += node.awaited ? 1 : 0;
  swarm::Bitfield have(geometry_.piece_count());
  if ((node.seeder && !options_.feed) || node.poisoner) have.set_all();
  make_engine(node, std::move(have));
  // Processes start within 2 ms of each other.
  const Duration jitter = std::chrono::microseconds(random_.below(2000));
  join_at(node, start_ + plan.joins_after + (node.seeder ? Duration{} : jitter));
  if (plan.killed_after) push(start_ + *plan.killed_after, EventKind::kill, i);
  if (plan.frozen_after) push(start_ + *plan.frozen_after, EventKind::freeze, i);
}

void World::make_engine(Node& node, swarm::Bitfield have) {
  node.id = *PeerId::from_bytes(fmt::format("-MU0000-{:06}{:06}", node.life, node.index));
  swarm::EngineConfig config;
  config.geometry = geometry_;
  config.self = node.id;
  config.seeder = node.seeder;
  config.trackers = {"virtual"};
  config.web_seeds = options_.web_seed ? 1 : 0;
  config.max_block_bytes = block_bytes_;
  config.up = swarm::limit_to(options_.limits.up);
  config.down = swarm::limit_to(options_.limits.down);
  config.stall = std::max(config.stall, longest_wait());
  config.dead = std::max(config.dead, 10 * longest_wait());
  node.engine =
      std::make_unique<swarm::Engine>(config, std::move(have), Random(random_.next()), node);
}

/// A block goes whole, so that a link may hear nothing for as long as its sender's other links
/// take with theirs.
Duration World::longest_wait() const {
  Rate slowest = std::min(options_.up, options_.seeder_up.value_or(options_.up));
  for (const HostPlan& plan : options_.plans)
    slowest = std::min(slowest, plan.up.value_or(options_.up));
  return time_for(2 * links_of_a_host * block_bytes_ * wire_overhead, slowest);
}

void World::join_at(Node& node, Instant at) {
  last_join_ = std::max(last_join_, at);
  push(at, EventKind::join, node.index);
}

void World::kill(Node& node) {
  for (End& end : node.ends) {
    if (end.open) push(now_ + options_.latency, EventKind::reset, end.peer_node, end.peer_link);
    node.shut(end);
  }
  node.up_and_running = false;
  node.uplink_busy = false;
  node.waiting.clear();
  node.ticks.clear();
  ++node.life;
  if (!node.back_after) {
    give_up_on(node);
    return;
  }
  // What is on the disk is hashed again.
  const swarm::Bitfield have = node.engine->have();
  const double bytes = static_cast<double>(node.engine->bytes_have());
  make_engine(node, have);
  join_at(node,
          std::max(now_, start_ + *node.back_after) + from_seconds(bytes / hash_bytes_per_second));
}

void World::give_up_on(Node& node) { awaited_ -= std::exchange(node.awaited, false) ? 1 : 0; }

// --- what happens to a node ---

void World::handle(const Event& event) {
  Node& node = *nodes_[event.node];
  if (event.life != node.life) return;
  if (event.kind == EventKind::join) {
    node.up_and_running = true;
    node.engine->start(now_);
    if (node.seeder && options_.feed) feed_next(node, now_);
    schedule_tick(node);
    return;
  }
  if (!node.up_and_running || node.frozen) return;
  switch (event.kind) {
    case EventKind::kill:
      kill(node);
      return;
    case EventKind::freeze:
      node.frozen = true;
      give_up_on(node);
      return;
    case EventKind::tick:
      std::erase(node.ticks, now_);
      node.engine->tick(now_);
      break;
    case EventKind::dialled:
      dialled(node, event.link);
      break;
    case EventKind::reset:
      reset(node, event.link);
      break;
    case EventKind::control:
      control(node, event.link);
      break;
    case EventKind::uplink_free:
      uplink_free(node, event);
      break;
    case EventKind::at_rack:
    case EventKind::at_host:
      on_the_way(node, event);
      return;
    case EventKind::block_in:
      block_in(node, event);
      break;
    case EventKind::verified:
      verified(node, event.block.piece);
      break;
    case EventKind::fed:
      fed(node, event.block.piece);
      break;
    case EventKind::web_asked:
      web_asked(node, event.block);
      return;
    case EventKind::web_came:
      web_came(node, event.block);
      break;
    case EventKind::tracker_asked:
      tracker_asked(node);
      return;
    case EventKind::tracker_answered:
      tracker_answered(node);
      break;
    case EventKind::join:
      break;
  }
  result_.most_links =
      std::max(result_.most_links, static_cast<std::uint32_t>(node.engine->link_count()));
  schedule_tick(node);
}

void World::schedule_tick(Node& node) {
  const Instant next = std::max(node.engine->next_tick(now_), now_ + std::chrono::microseconds(1));
  for (const Instant tick : node.ticks)
    if (tick <= next) return;
  node.ticks.push_back(next);
  push(next, EventKind::tick, node.index);
}

void Node::dial(const Endpoint& to) { world.connect(*this, to); }

void World::connect(Node& from, const Endpoint& to) {
  const auto it = by_endpoint_.find(to);
  push(now_ + 3 * options_.latency, EventKind::dialled, from.index,
       it == by_endpoint_.end() ? ~std::uint32_t{0} : it->second);
}

void World::dialled(Node& node, std::uint32_t target) {
  Node* other = target < nodes_.size() ? nodes_[target].get() : nullptr;
  if (other == nullptr || !other->up_and_running || other->frozen) {
    if (other != nullptr) node.engine->on_dial_failed(other->endpoint, now_);
    return;
  }
  const std::uint32_t ours = node.add_end(other->index);
  const std::uint32_t theirs = other->add_end(node.index);
  node.ends[ours - 1].peer_link = theirs;
  other->ends[theirs - 1].peer_link = ours;
  node.engine->on_connected(LinkId(ours), {other->endpoint, other->id, true, true, true}, now_);
  Endpoint from = node.endpoint;
  from.port = 40000;
  if (other->end(theirs) != nullptr)
    other->engine->on_connected(LinkId(theirs), {from, node.id, true, true, false}, now_);
  schedule_tick(*other);
}

void Node::close(LinkId link, const std::string&) {
  End* it = end(link.value());
  if (it == nullptr) return;
  world.push(world.now() + world.latency(), EventKind::reset, it->peer_node, it->peer_link);
  shut(*it);
}

void World::reset(Node& node, std::uint32_t link) {
  End* end = node.end(link);
  if (end == nullptr) return;
  node.shut(*end);
  node.engine->on_closed(LinkId(link), now_);
}

void Node::verify(PieceIndex piece) {
  const double seconds = world.geometry().piece_size(piece) / hash_bytes_per_second;
  world.push(world.now() + from_seconds(seconds), EventKind::verified, index, 0,
             wire::Block{piece, 0, 0});
}

void World::verified(Node& node, PieceIndex piece) {
  const bool matches = node.tainted.erase(piece) == 0;
  node.engine->on_piece_verified(piece, matches, now_);
  note_progress(node);
}

void World::note_progress(Node& node) {
  last_progress_ = now_;
  if (!node.engine->complete() || node.complete_s || node.seeder) return;
  node.complete_s = to_seconds(now_ - start_);
  give_up_on(node);
}

/// What the seeder has not got from others, in order, as a deploy hands it over.
void World::feed_next(Node& node, Instant at) {
  for (std::uint32_t i = 0; i < geometry_.piece_count(); ++i) {
    const PieceIndex piece(i);
    if (node.engine->have().test(piece)) continue;
    push(at + time_for(geometry_.piece_size(piece) * wire_overhead, *options_.feed), EventKind::fed,
         node.index, 0, wire::Block{piece, 0, 0});
    return;
  }
}

void World::fed(Node& node, PieceIndex piece) {
  node.engine->on_piece_fed(piece, now_);
  last_progress_ = now_;
  feed_next(node, now_);
}

// --- the web seed ---

void Node::fetch(const swarm::WebFetch& fetch) {
  // A connection, and the request.
  world.push(world.now() + 3 * world.latency(), EventKind::web_asked, index, 0,
             wire::Block{fetch.first, static_cast<std::uint32_t>(fetch.source), fetch.count});
}

void World::web_asked(Node& node, const wire::Block& range) {
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < range.length; ++i)
    bytes += geometry_.piece_size(PieceIndex(range.piece.value() + i));
  web_bytes_ += bytes;
  const double on_wire = static_cast<double>(bytes) * wire_overhead;
  const Instant begin = now_ + options_.latency;
  Passage passage = web_seed_.pass({begin, begin}, on_wire);
  passage = node.downlink.pass(passage, on_wire);
  push(passage.end, EventKind::web_came, node.index, 0, range);
}

void World::web_came(Node& node, const wire::Block& range) {
  for (std::uint32_t i = 0; i < range.length; ++i) {
    node.engine->on_piece_fed(PieceIndex(range.piece.value() + i), now_);
    note_progress(node);
  }
  node.engine->on_web_fetched({range.begin, range.piece, range.length}, swarm::WebOutcome::came, {},
                              now_);
}

Duration Node::round_trip(LinkId) const { return 2 * world.latency(); }

// --- the tracker ---

void Node::announce(const std::string&, AnnounceEvent event) {
  announce_event = event;
  world.ask_tracker(*this);
}

void World::ask_tracker(Node& node) {
  push(now_ + 2 * options_.latency, EventKind::tracker_asked, node.index);
}

void World::tracker_asked(Node& node) {
  const Duration t = now_ - start_;
  const bool down = options_.tracker_down_from && t >= *options_.tracker_down_from &&
                    (!options_.tracker_down_until || t < *options_.tracker_down_until);
  if (!down) {
    count_announce(t);
    AnnounceRequest request;
    request.peer_id = node.id;
    request.port = node.endpoint.port;
    request.left = node.engine->bytes_left();
    request.event = node.announce_event;
    request.role = node.seeder ? AnnounceRole::seeder : AnnounceRole::host;
    request.links = static_cast<std::uint32_t>(node.engine->link_count());
    registry_.expire(now_);
    node.reply = registry_.announce(request, node.endpoint.address, now_);
  }
  push(now_ + options_.latency, EventKind::tracker_answered, node.index);
}

void World::tracker_answered(Node& node) {
  const auto reply = std::exchange(node.reply, std::nullopt);
  if (!reply) {
    node.engine->on_tracker_failed(now_);
    return;
  }
  result_.swarm_complete_seen |= reply->fleet && reply->fleet->swarm_complete;
  node.engine->on_tracker_reply(*reply, now_);
}

void World::count_announce(Duration since_start) {
  ++result_.announces;
  const auto second = std::chrono::floor<std::chrono::seconds>(since_start);
  if (std::exchange(announce_second_, second) != second) announces_in_second_ = 0;
  result_.peak_announces_per_s = std::max(result_.peak_announces_per_s, ++announces_in_second_);
}

}  // namespace murder::sim
