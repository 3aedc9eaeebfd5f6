#include "sim/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/random.hpp"
#include "bittorrent/metainfo.hpp"
#include "sim/event_queue.hpp"
#include "sim/fabric.hpp"
#include "sim/inbox.hpp"
#include "sim/limit.hpp"
#include "swarm/engine.hpp"
#include "tracker/registry.hpp"

namespace murder::sim {
namespace {

constexpr std::uint64_t bytes_between = 128_KiB;  ///< on one link, sent and not yet taken in
constexpr double packet_header_bytes = 66;        ///< Ethernet, IP and TCP
constexpr double hash_bytes_per_second = 1e9;
constexpr double links_of_a_host = 12;

/// One end of a connection.
struct End {
  std::uint32_t peer_node = 0;
  std::uint32_t peer_link = 0;
  bool open = true;
  bool wants_upload = false;
  std::uint32_t rank = 0;
  std::uint64_t in_flight = 0;  ///< bytes sent and not yet taken in at the other end
  Instant said_at{};            ///< when it last sent a message, and when that one is to arrive
  Instant heard_at{};
  Inbox inbox;
};

class World;

struct Node : swarm::Driver {
  Node(World& the_world, std::uint32_t the_index) : world(the_world), index(the_index) {}
  World& world;
  std::uint32_t index;
  std::unique_ptr<swarm::Engine> engine;
  PeerId id;
  Endpoint endpoint;
  Rate up{};
  Pipe downlink{Rate{1}};
  std::uint32_t rack = 0;
  std::uint16_t life = 0;  ///< how often it was killed
  bool seeder = false, up_and_running = false, frozen = false, poisoner = false;
  bool awaited = false;  ///< not complete, and nothing says that it never will be
  std::optional<Duration> back_after;
  std::vector<End> ends;  ///< by number of link − 1

  bool uplink_busy = false, wants_service = false;
  std::uint32_t uplink_on = 0;         ///< the link that is being served, or was served last
  std::vector<std::uint32_t> waiting;  ///< links that want to be served, in turn
  Instant uplink_until{};              ///< of the block under way
  Instant control_until{};             ///< what messages take of the uplink before the next block
  std::uint64_t bytes_up = 0;

  std::vector<Instant> ticks;  ///< that are in the queue of events
  std::optional<double> complete_s;
  AnnounceEvent announce_event = AnnounceEvent::none;
  std::optional<AnnounceReply> reply;
  std::unordered_set<PieceIndex> tainted;

  End* end(std::uint32_t link) {
    return link >= 1 && link <= ends.size() && ends[link - 1].open ? &ends[link - 1] : nullptr;
  }
  std::uint32_t add_end(std::uint32_t peer) {
    ends.push_back(End{});
    ends.back().peer_node = peer;
    return static_cast<std::uint32_t>(ends.size());
  }
  void shut(End& end) {
    end.open = end.wants_upload = false;
    end.inbox = {};
  }

  void send(LinkId link, const wire::Message& message) override;
  void wake_upload(LinkId link) override;
  void rank_upload(LinkId link, std::uint32_t rank) override;
  void dial(const Endpoint& to) override;
  void announce(const std::string& tracker, AnnounceEvent event) override;
  void close(LinkId link, const std::string& reason) override;
  void verify(PieceIndex piece) override;
  void detach(LinkId, PieceIndex) override {}
  Duration round_trip(LinkId link) const override;
  void banned(const Endpoint&, const std::string&) override {}
};

/// Links that carry what connections make of them.
SimulationOptions effective(SimulationOptions options) {
  const auto scale = [&](Rate& rate) { rate.bytes_per_second *= options.efficiency; };
  scale(options.up);
  scale(options.down);
  if (options.seeder_up) scale(*options.seeder_up);
  if (options.rack_link) scale(*options.rack_link);
  for (HostPlan& plan : options.plans) {
    if (plan.up) scale(*plan.up);
    if (plan.down) scale(*plan.down);
  }
  return options;
}

class World {
 public:
  explicit World(const SimulationOptions& options)
      : options_(effective(options)),
        random_(options.seed),
        registry_(tracker::RegistryOptions{.expect = options.expect != 0 ? options.expect
                                                                         : options.hosts},
                  Random(random_.next())),
        racks_(options.racks, options_.rack_link) {
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

  SimulationResult run() {
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

  // --- what nodes order ---
  void push(Instant at, EventKind kind, std::uint32_t node, std::uint32_t link = 0,
            wire::Block block = {}) {
    events_.push({at, 0, node, link, block, nodes_[node]->life, kind});
  }
  Instant now() const { return now_; }
  Duration latency() const { return options_.latency; }
  const swarm::Geometry& geometry() const { return geometry_; }
  Node& node(std::uint32_t index) { return *nodes_[index]; }

  /// The engine is in the middle of something: the uplink is served after it.
  void serve_soon(Node& node) {
    if (std::exchange(node.wants_service, true)) return;
    to_serve_.push_back(&node);
  }

  /// Goes before every block but the one that its own link is sending.
  void send_control(Node& node, std::uint32_t link, const wire::Message& message) {
    End* end = node.end(link);
    if (end == nullptr) return;
    Node& peer = *nodes_[end->peer_node];
    End* other = peer.end(end->peer_link);
    if (other == nullptr) return;
    const bool same_packet = end->said_at == now_;
    const double bytes = message_bytes(message) + (same_packet ? 0 : packet_header_bytes);
    result_.control_bytes += static_cast<std::uint64_t>(bytes);
    const Duration time = time_for(bytes, node.up);
    const Instant free = node.uplink_busy ? node.uplink_until : now_;
    node.control_until = std::max(node.control_until, free) + time;
    if (!same_packet || other->inbox.empty()) {
      const bool waits = node.uplink_busy && node.uplink_on == link;
      const Instant leaves = (waits ? node.uplink_until : now_) + time;
      end->said_at = now_;
      end->heard_at = std::max(end->heard_at, leaves + options_.latency);
      push(end->heard_at, EventKind::control, peer.index, end->peer_link);
    }
    other->inbox.push(end->heard_at, message);
  }

  void connect(Node& from, const Endpoint& to) {
    const auto it = by_endpoint_.find(to);
    push(now_ + 3 * options_.latency, EventKind::dialled, from.index,
         it == by_endpoint_.end() ? ~std::uint32_t{0} : it->second);
  }

  void ask_tracker(Node& node) {
    push(now_ + 2 * options_.latency, EventKind::tracker_asked, node.index);
  }

 private:
  void add_node(std::uint32_t i) {
    nodes_.push_back(std::make_unique<Node>(*this, i));
    Node& node = *nodes_.back();
    node.seeder = i == 0;
    node.endpoint = {
        IpAddress::v4({10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                       static_cast<std::uint8_t>(i)}),
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
    if (node.seeder || node.poisoner) have.set_all();
    make_engine(node, std::move(have));
    // Processes start within 2 ms of each other.
    const Duration jitter = std::chrono::microseconds(random_.below(2000));
    join_at(node, start_ + plan.joins_after + (node.seeder ? Duration{} : jitter));
    if (plan.killed_after) push(start_ + *plan.killed_after, EventKind::kill, i);
    if (plan.frozen_after) push(start_ + *plan.frozen_after, EventKind::freeze, i);
  }

  void make_engine(Node& node, swarm::Bitfield have) {
    node.id = *PeerId::from_bytes(fmt::format("-MU0000-{:06}{:06}", node.life, node.index));
    swarm::EngineConfig config;
    config.geometry = geometry_;
    config.self = node.id;
    config.seeder = node.seeder;
    config.trackers = {"virtual"};
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
  Duration longest_wait() const {
    Rate slowest = std::min(options_.up, options_.seeder_up.value_or(options_.up));
    for (const HostPlan& plan : options_.plans)
      slowest = std::min(slowest, plan.up.value_or(options_.up));
    return time_for(2 * links_of_a_host * block_bytes_ * wire_overhead, slowest);
  }

  void join_at(Node& node, Instant at) {
    last_join_ = std::max(last_join_, at);
    push(at, EventKind::join, node.index);
  }

  void handle(const Event& event) {
    Node& node = *nodes_[event.node];
    if (event.life != node.life) return;
    if (event.kind == EventKind::join) {
      node.up_and_running = true;
      node.engine->start(now_);
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

  void kill(Node& node) {
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
    join_at(node, std::max(now_, start_ + *node.back_after) +
                      from_seconds(bytes / hash_bytes_per_second));
  }

  void give_up_on(Node& node) { awaited_ -= std::exchange(node.awaited, false) ? 1 : 0; }

  void schedule_tick(Node& node) {
    const Instant next =
        std::max(node.engine->next_tick(now_), now_ + std::chrono::microseconds(1));
    for (const Instant tick : node.ticks)
      if (tick <= next) return;
    node.ticks.push_back(next);
    push(next, EventKind::tick, node.index);
  }

  void dialled(Node& node, std::uint32_t target) {
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

  void reset(Node& node, std::uint32_t link) {
    End* end = node.end(link);
    if (end == nullptr) return;
    node.shut(*end);
    node.engine->on_closed(LinkId(link), now_);
  }

  void control(Node& node, std::uint32_t link) {
    // The link may be closed by any of its messages.
    wire::Message message;
    for (End* end = node.end(link); end != nullptr && end->inbox.take(now_, message);
         end = node.end(link))
      node.engine->on_message(LinkId(link), message, now_);
  }

  void serve_uplinks() {
    for (Node* node : to_serve_) {
      node->wants_service = false;
      serve_uplink(*node);
    }
    to_serve_.clear();
  }

  /// As real uplinks do (net::TurnQueue): the lowest rank goes next, of equals who has waited
  /// longest; behind its equals when it has more.
  void serve_uplink(Node& node) {
    if (node.uplink_busy || node.frozen || !node.up_and_running) return;
    for (;;) {
      auto next = node.waiting.end();
      for (auto it = node.waiting.begin(); it != node.waiting.end(); ++it) {
        const End& end = node.ends[*it - 1];
        if (end.wants_upload && end.in_flight >= bound_between(node)) continue;
        if (next == node.waiting.end() || end.rank < node.ends[*next - 1].rank) next = it;
      }
      if (next == node.waiting.end()) return;
      const std::uint32_t link = *next;
      End& end = node.ends[link - 1];
      node.waiting.erase(next);
      const auto block =
          end.wants_upload ? node.engine->next_block(LinkId(link), now_) : std::nullopt;
      end.wants_upload = block.has_value();
      if (!block) continue;
      node.waiting.push_back(link);
      begin_block(node, link, *block);
      return;
    }
  }

  /// One block or the usual amount, and what fits into a round trip.
  std::uint64_t bound_between(const Node& node) const {
    const double round_trip = 2 * to_seconds(options_.latency) * node.up.bytes_per_second;
    return std::max<std::uint64_t>(bytes_between, block_bytes_) +
           static_cast<std::uint64_t>(round_trip);
  }

  void begin_block(Node& node, std::uint32_t link, const wire::Block& block) {
    End& end = node.ends[link - 1];
    const double bytes = block.length * wire_overhead;
    const Instant begin = std::max(now_, node.control_until);
    node.uplink_busy = true;
    node.uplink_on = link;
    node.uplink_until = begin + time_for(bytes, node.up);
    end.in_flight += block.length;
    push(node.uplink_until, EventKind::uplink_free, node.index, link, block);
    Node& receiver = *nodes_[end.peer_node];
    const Duration latency = options_.latency;
    const Passage there{begin + latency, node.uplink_until + latency};
    if (racks_.between(node.rack, receiver.rack))
      push(racks_.out_of(node.rack).pass(there, bytes).begin, EventKind::at_rack, receiver.index,
           end.peer_link, block);
    else
      push(receiver.downlink.pass(there, bytes).end, EventKind::block_in, receiver.index,
           end.peer_link, block);
  }

  /// A block between racks, its first byte: on to the next pipe of its way.
  void on_the_way(Node& node, const Event& event) {
    const End* end = node.end(event.link);
    if (end == nullptr) return;
    const double bytes = event.block.length * wire_overhead;
    const Rate slowest = std::min(nodes_[end->peer_node]->up, racks_.rate());
    const Passage there{now_, now_ + time_for(bytes, slowest)};
    if (event.kind == EventKind::at_rack)
      push(racks_.into(node.rack).pass(there, bytes).begin, EventKind::at_host, node.index,
           event.link, event.block);
    else
      push(node.downlink.pass(there, bytes).end, EventKind::block_in, node.index, event.link,
           event.block);
  }

  void uplink_free(Node& node, const Event& event) {
    node.uplink_busy = false;
    node.bytes_up += event.block.length;
    serve_soon(node);
    if (node.end(event.link) != nullptr)
      node.engine->on_block_sent(LinkId(event.link), event.block, now_);
  }

  void block_in(Node& node, const Event& event) {
    const End* end = node.end(event.link);
    if (end == nullptr) return;
    Node& sender = *nodes_[end->peer_node];
    if (End* other = sender.end(end->peer_link)) {
      other->in_flight -= event.block.length;
      serve_soon(sender);
    }
    const LinkId link(event.link);
    const bool wanted = node.engine->on_block_begin(link, event.block, now_);
    if (wanted && sender.poisoner) node.tainted.insert(event.block.piece);
    node.engine->on_block_progress(link, event.block.length, now_);
    node.engine->on_block_end(link, event.block, now_);
  }

  void verified(Node& node, PieceIndex piece) {
    const bool matches = node.tainted.erase(piece) == 0;
    node.engine->on_piece_verified(piece, matches, now_);
    last_progress_ = now_;
    if (!node.engine->complete() || node.complete_s || node.seeder) return;
    node.complete_s = to_seconds(now_ - start_);
    give_up_on(node);
  }

  void tracker_asked(Node& node) {
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

  void tracker_answered(Node& node) {
    const auto reply = std::exchange(node.reply, std::nullopt);
    if (!reply) {
      node.engine->on_tracker_failed(now_);
      return;
    }
    result_.swarm_complete_seen |= reply->fleet && reply->fleet->swarm_complete;
    node.engine->on_tracker_reply(*reply, now_);
  }

  void count_announce(Duration since_start) {
    ++result_.announces;
    const auto second = std::chrono::floor<std::chrono::seconds>(since_start);
    if (std::exchange(announce_second_, second) != second) announces_in_second_ = 0;
    result_.peak_announces_per_s = std::max(result_.peak_announces_per_s, ++announces_in_second_);
  }

  bool done() const { return awaited_ == 0 && result_.swarm_complete_seen; }

  bool given_up(Instant at) const {
    return at - std::max(last_progress_, last_join_) > options_.patience;
  }

  SimulationResult conclude() {
    for (std::uint32_t i = 1; i < nodes_.size(); ++i) {
      result_.complete_s.push_back(nodes_[i]->complete_s);
      result_.wasted_bytes += nodes_[i]->engine->wasted();
    }
    const double seeder_up = options_.seeder_up.value_or(options_.up).bytes_per_second;
    const auto size = static_cast<double>(options_.size_bytes);
    result_.plain_copy_s = size * wire_overhead * options_.efficiency /
                           std::min(seeder_up, options_.down.bytes_per_second);
    result_.seeder_copies = static_cast<double>(nodes_[0]->bytes_up) / size;
    result_.pieces = geometry_.piece_count();
    return std::move(result_);
  }

  void note(std::uint64_t value) {
    result_.fingerprint = (result_.fingerprint ^ value) * 0x100000001b3;
  }

  SimulationOptions options_;
  Random random_;
  tracker::Registry registry_;
  Racks racks_;
  swarm::Geometry geometry_;
  std::uint32_t block_bytes_ = 0;
  const Instant start_ = Instant(std::chrono::hours(1));
  Instant now_ = start_;
  Instant last_progress_ = start_;
  Instant last_join_ = start_;
  EventQueue events_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Node*> to_serve_;
  std::unordered_map<Endpoint, std::uint32_t> by_endpoint_;
  std::uint32_t awaited_ = 0;
  std::chrono::seconds announce_second_{-1};
  std::uint32_t announces_in_second_ = 0;
  SimulationResult result_;
};

void Node::send(LinkId link, const wire::Message& message) {
  world.send_control(*this, link.value(), message);
}

void Node::rank_upload(LinkId link, std::uint32_t rank) {
  if (End* it = end(link.value())) it->rank = rank;
}

void Node::wake_upload(LinkId link) {
  End* it = end(link.value());
  if (it == nullptr) return;
  if (!std::exchange(it->wants_upload, true) &&
      std::find(waiting.begin(), waiting.end(), link.value()) == waiting.end())
    waiting.push_back(link.value());
  world.serve_soon(*this);
}

void Node::dial(const Endpoint& to) { world.connect(*this, to); }

void Node::announce(const std::string&, AnnounceEvent event) {
  announce_event = event;
  world.ask_tracker(*this);
}

void Node::close(LinkId link, const std::string&) {
  End* it = end(link.value());
  if (it == nullptr) return;
  world.push(world.now() + world.latency(), EventKind::reset, it->peer_node, it->peer_link);
  shut(*it);
}

void Node::verify(PieceIndex piece) {
  const double seconds = world.geometry().piece_size(piece) / hash_bytes_per_second;
  world.push(world.now() + from_seconds(seconds), EventKind::verified, index, 0,
             wire::Block{piece, 0, 0});
}

Duration Node::round_trip(LinkId) const { return 2 * world.latency(); }

}  // namespace

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

SimulationResult simulate(const SimulationOptions& options) { return World(options).run(); }

}  // namespace murder::sim
