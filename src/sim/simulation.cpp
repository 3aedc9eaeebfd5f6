#include "sim/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <queue>
#include <unordered_map>
#include <utility>

#include "base/random.hpp"
#include "bittorrent/metainfo.hpp"
#include "tracker/registry.hpp"

namespace murder::sim {
namespace {

constexpr std::uint64_t bytes_between = 128_KiB;  ///< on one link, sent and not yet taken in
constexpr double overhead = 1.04;                 ///< Ethernet, IP and TCP headers on full frames
constexpr double hash_bytes_per_second = 1e9;

enum class Kind : std::uint8_t {
  join,
  kill,
  freeze,
  tick,
  dialled,
  control,
  uplink_wanted,
  uplink_free,
  block_in,
  verified,
  tracker_asked,
  tracker_answered,
  reset,
};

struct Event {
  Instant at;
  std::uint64_t order;
  Kind kind;
  std::uint32_t node;
  std::uint32_t link = 0;  ///< the node's own id of a link
  wire::Block block{};
};
struct Later {
  bool operator()(const Event& a, const Event& b) const {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
};

/// One end of a connection.
struct End {
  std::uint32_t peer_node = 0;
  std::uint32_t peer_link = 0;
  bool open = true;
  std::uint64_t in_flight = 0;  ///< bytes sent and not yet taken in at the other end
  bool wants_upload = false;
  std::deque<std::pair<Instant, std::vector<wire::Message>>> inbox;
  std::uint32_t rank = 0;
};

class World;

struct Node : swarm::Driver {
  Node(World& the_world, std::uint32_t the_index) : world(the_world), index(the_index) {}
  World& world;
  std::uint32_t index;
  std::unique_ptr<swarm::Engine> engine;
  PeerId id;
  Endpoint endpoint;
  Rate up, down;
  bool seeder = false, up_and_running = false, frozen = false, poisoner = false;
  std::map<std::uint32_t, End> ends;
  std::uint32_t next_link = 1;
  std::uint32_t upload_cursor = 0;
  bool uplink_busy = false;
  Instant downlink_free{};
  std::optional<Instant> tick_at;
  std::optional<double> complete_s;
  AnnounceEvent announce_event = AnnounceEvent::none;
  std::deque<AnnounceReply> replies;
  std::map<PieceIndex, bool> tainted;
  std::uint64_t bytes_up = 0;

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

class World {
 public:
  explicit World(const SimulationOptions& options)
      : options_(options),
        random_(options.seed),
        registry_(tracker::RegistryOptions{.expect = options.expect != 0 ? options.expect
                                                                         : options.hosts},
                  Random(random_.next())) {
    geometry_.length = options.size_bytes;
    geometry_.piece_length =
        options.piece_length != 0 ? options.piece_length : default_piece_length(options.size_bytes);
    for (std::uint32_t i = 0; i <= options.hosts; ++i) add_node(i);
  }

  SimulationResult run() {
    while (!events_.empty() && !done()) {
      const Event event = events_.top();
      events_.pop();
      if (event.at - start_ > options_.limit) break;
      now_ = event.at;
      ++result_.events;
      note(static_cast<std::uint64_t>(event.kind) << 56 ^ std::uint64_t{event.node} << 32 ^
           std::uint64_t{event.link} << 16 ^ event.block.piece.value() ^
           static_cast<std::uint64_t>((now_ - start_).count()));
      handle(event);
    }
    for (std::uint32_t i = 1; i < nodes_.size(); ++i) {
      result_.complete_s.push_back(nodes_[i]->complete_s);
      result_.wasted_bytes += nodes_[i]->engine->wasted();
    }
    const double seeder_up = options_.seeder_up.value_or(options_.up).bytes_per_second;
    result_.plain_copy_s = static_cast<double>(options_.size_bytes) * overhead /
                           std::min(seeder_up, options_.down.bytes_per_second);
    result_.seeder_copies =
        static_cast<double>(nodes_[0]->bytes_up) / static_cast<double>(options_.size_bytes);
    return std::move(result_);
  }

  // --- what nodes order ---
  void push(Instant at, Kind kind, std::uint32_t node, std::uint32_t link = 0,
            wire::Block block = {}) {
    events_.push({at, order_++, kind, node, link, block});
  }
  Instant now() const { return now_; }
  Duration latency() const { return options_.latency; }
  const swarm::Geometry& geometry() const { return geometry_; }
  Node& node(std::uint32_t index) { return *nodes_[index]; }

  void serve_uplink(Node& node) {
    if (node.uplink_busy || node.frozen) return;
    for (;;) {
      // The lowest rank; in turn, beginning after the link that was served last.
      auto it = node.ends.end();
      auto candidate = node.ends.upper_bound(node.upload_cursor);
      for (std::size_t tried = 0; tried < node.ends.size(); ++tried, ++candidate) {
        if (candidate == node.ends.end()) candidate = node.ends.begin();
        const End& end = candidate->second;
        if (!end.open || !end.wants_upload || end.in_flight >= bytes_between) continue;
        if (it == node.ends.end() || end.rank < it->second.rank) it = candidate;
      }
      if (it == node.ends.end()) return;
      End& end = it->second;
      const auto block = node.engine->next_block(LinkId(it->first), now_);
      if (!block) {
        end.wants_upload = false;
        continue;
      }
      node.upload_cursor = it->first;
      node.uplink_busy = true;
      end.in_flight += block->length;
      const double seconds = block->length * overhead / node.up.bytes_per_second;
      push(now_ + from_seconds(seconds), Kind::uplink_free, node.index, it->first, *block);
      return;
    }
  }

  void connect(Node& from, const Endpoint& to) {
    const auto it = by_endpoint_.find(to);
    push(now_ + 3 * options_.latency, Kind::dialled, from.index,
         it == by_endpoint_.end() ? ~std::uint32_t{0} : it->second);
  }

  void ask_tracker(Node& node) {
    push(now_ + 2 * options_.latency, Kind::tracker_asked, node.index);
  }

 private:
  void add_node(std::uint32_t i) {
    auto node = std::make_unique<Node>(*this, i);
    node->seeder = i == 0;
    const std::string id = fmt::format("-MU0000-{:012}", i);
    node->id = *PeerId::from_bytes(id);
    node->endpoint = {
        IpAddress::v4({10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                       static_cast<std::uint8_t>(i)}),
        8999};
    by_endpoint_[node->endpoint] = i;
    node->up = node->seeder ? options_.seeder_up.value_or(options_.up) : options_.up;
    node->down = options_.down;
    HostPlan plan;
    if (!node->seeder && i - 1 < options_.plans.size()) plan = options_.plans[i - 1];
    if (plan.up) node->up = *plan.up;
    if (plan.down) node->down = *plan.down;
    if (node->seeder) plan.killed_after = options_.seeder_killed_after;
    node->poisoner = options_.poisoner && *options_.poisoner + 1 == i;
    swarm::Bitfield have(geometry_.piece_count());
    if (node->seeder || node->poisoner) have.set_all();
    swarm::EngineConfig config;
    config.geometry = geometry_;
    config.self = node->id;
    config.seeder = node->seeder;
    config.trackers = {"virtual"};
    config.up = swarm::limit_to(options_.limits.up);
    config.down = swarm::limit_to(options_.limits.down);
    node->engine = std::make_unique<swarm::Engine>(config, have, Random(random_.next()), *node);
    // Processes start within 2 ms of each other.
    const Duration jitter = std::chrono::microseconds(random_.below(2000));
    push(start_ + plan.joins_after + (node->seeder ? Duration{} : jitter), Kind::join, i);
    if (plan.killed_after) push(start_ + *plan.killed_after, Kind::kill, i);
    if (plan.frozen_after) push(start_ + *plan.frozen_after, Kind::freeze, i);
    nodes_.push_back(std::move(node));
  }

  void handle(const Event& event) {
    Node& node = *nodes_[event.node];
    if (event.kind == Kind::join) {
      node.up_and_running = true;
      node.engine->start(now_);
      schedule_tick(node);
      return;
    }
    if (!node.up_and_running || node.frozen) return;
    switch (event.kind) {
      case Kind::kill:
        for (auto& [link, end] : node.ends)
          if (end.open) push(now_ + options_.latency, Kind::reset, end.peer_node, end.peer_link);
        node.ends.clear();
        node.up_and_running = false;
        return;
      case Kind::freeze:
        node.frozen = true;
        return;
      case Kind::tick:
        if (!node.tick_at || *node.tick_at != now_) return;
        node.tick_at.reset();
        node.engine->tick(now_);
        break;
      case Kind::dialled:
        dialled(node, event.link);
        break;
      case Kind::reset:
        if (node.ends.erase(event.link) > 0) node.engine->on_closed(LinkId(event.link), now_);
        break;
      case Kind::control:
        control(node, event.link);
        break;
      case Kind::uplink_wanted:
        serve_uplink(node);
        return;
      case Kind::uplink_free:
        uplink_free(node, event);
        break;
      case Kind::block_in:
        block_in(node, event);
        break;
      case Kind::verified: {
        const bool tainted = node.tainted.erase(event.block.piece) > 0;
        node.engine->on_piece_verified(event.block.piece, !tainted, now_);
        if (node.engine->complete() && !node.complete_s && !node.seeder)
          node.complete_s = to_seconds(now_ - start_);
        break;
      }
      case Kind::tracker_asked:
        tracker_asked(node);
        return;
      case Kind::tracker_answered: {
        if (node.replies.empty()) {
          node.engine->on_tracker_failed(now_);
        } else {
          const AnnounceReply reply = node.replies.front();
          node.replies.pop_front();
          result_.swarm_complete_seen |= reply.fleet && reply.fleet->swarm_complete;
          node.engine->on_tracker_reply(reply, now_);
        }
        break;
      }
      case Kind::join:
        break;
    }
    result_.most_links =
        std::max(result_.most_links, static_cast<std::uint32_t>(node.engine->link_count()));
    schedule_tick(node);
  }

  void schedule_tick(Node& node) {
    const Instant next = node.engine->next_tick(now_);
    if (node.tick_at && *node.tick_at <= next && *node.tick_at > now_) return;
    node.tick_at = std::max(next, now_ + std::chrono::microseconds(1));
    push(*node.tick_at, Kind::tick, node.index);
  }

  void dialled(Node& node, std::uint32_t target) {
    Node* other = target < nodes_.size() ? nodes_[target].get() : nullptr;
    if (other == nullptr || !other->up_and_running || other->frozen) {
      if (other != nullptr) node.engine->on_dial_failed(other->endpoint, now_);
      return;
    }
    const std::uint32_t ours = node.next_link++;
    const std::uint32_t theirs = other->next_link++;
    node.ends[ours] = End{other->index, theirs, true, 0, false, {}};
    other->ends[theirs] = End{node.index, ours, true, 0, false, {}};
    node.engine->on_connected(LinkId(ours), {other->endpoint, other->id, true, true, true}, now_);
    Endpoint from = node.endpoint;
    from.port = 40000;
    if (other->ends.contains(theirs))
      other->engine->on_connected(LinkId(theirs), {from, node.id, true, true, false}, now_);
    schedule_tick(*other);
  }

  void control(Node& node, std::uint32_t link) {
    // The link may be closed by any of its messages.
    while (true) {
      const auto it = node.ends.find(link);
      if (it == node.ends.end() || it->second.inbox.empty() ||
          it->second.inbox.front().first > now_)
        return;
      const std::vector<wire::Message> batch = std::move(it->second.inbox.front().second);
      it->second.inbox.pop_front();
      for (const wire::Message& message : batch)
        node.engine->on_message(LinkId(link), message, now_);
    }
  }

  void uplink_free(Node& node, const Event& event) {
    node.uplink_busy = false;
    node.bytes_up += event.block.length;
    const auto it = node.ends.find(event.link);
    if (it != node.ends.end()) {
      Node& receiver = *nodes_[it->second.peer_node];
      const Instant arrives = std::max(now_ + options_.latency, receiver.downlink_free);
      receiver.downlink_free =
          arrives + from_seconds(event.block.length * overhead / receiver.down.bytes_per_second);
      push(receiver.downlink_free, Kind::block_in, receiver.index, it->second.peer_link,
           event.block);
      node.engine->on_block_sent(LinkId(event.link), event.block, now_);
    }
    serve_uplink(node);
  }

  void block_in(Node& node, const Event& event) {
    const auto it = node.ends.find(event.link);
    if (it == node.ends.end()) return;
    Node& sender = *nodes_[it->second.peer_node];
    const auto other = sender.ends.find(it->second.peer_link);
    if (other != sender.ends.end()) {
      other->second.in_flight -= event.block.length;
      serve_uplink(sender);
    }
    const LinkId link(event.link);
    const bool wanted = node.engine->on_block_begin(link, event.block, now_);
    if (wanted && sender.poisoner) node.tainted[event.block.piece] = true;
    node.engine->on_block_progress(link, event.block.length, now_);
    node.engine->on_block_end(link, event.block, now_);
  }

  void tracker_asked(Node& node) {
    const Duration t = now_ - start_;
    const bool down = options_.tracker_down_from && t >= *options_.tracker_down_from &&
                      (!options_.tracker_down_until || t < *options_.tracker_down_until);
    if (!down) {
      ++result_.announces;
      AnnounceRequest request;
      request.peer_id = node.id;
      request.port = node.endpoint.port;
      request.left = node.engine->bytes_left();
      request.event = node.announce_event;
      request.role = node.seeder ? AnnounceRole::seeder : AnnounceRole::host;
      request.links = static_cast<std::uint32_t>(node.engine->link_count());
      registry_.expire(now_);
      node.replies.push_back(registry_.announce(request, node.endpoint.address, now_));
    }
    push(now_ + options_.latency, Kind::tracker_answered, node.index);
  }

  bool done() const {
    return now_ > start_ && result_.swarm_complete_seen &&
           std::all_of(nodes_.begin() + 1, nodes_.end(), [](const auto& node) {
             return node->complete_s || node->frozen || !node->up_and_running;
           });
  }

  void note(std::uint64_t value) {
    result_.fingerprint = (result_.fingerprint ^ value) * 0x100000001b3;
  }

  SimulationOptions options_;
  Random random_;
  tracker::Registry registry_;
  swarm::Geometry geometry_;
  const Instant start_ = Instant(std::chrono::hours(1));
  Instant now_ = start_;
  std::uint64_t order_ = 0;
  std::priority_queue<Event, std::vector<Event>, Later> events_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unordered_map<Endpoint, std::uint32_t> by_endpoint_;
  SimulationResult result_;
};

void Node::send(LinkId link, const wire::Message& message) {
  const auto it = ends.find(link.value());
  if (it == ends.end()) return;
  Node& peer = world.node(it->second.peer_node);
  const auto other = peer.ends.find(it->second.peer_link);
  if (other == peer.ends.end()) return;
  const Instant at = world.now() + world.latency();
  auto& inbox = other->second.inbox;
  if (inbox.empty() || inbox.back().first != at) {
    inbox.push_back({at, {}});
    world.push(at, Kind::control, peer.index, it->second.peer_link);
  }
  inbox.back().second.push_back(message);
}

void Node::rank_upload(LinkId link, std::uint32_t rank) {
  const auto it = ends.find(link.value());
  if (it != ends.end()) it->second.rank = rank;
}

void Node::wake_upload(LinkId link) {
  const auto it = ends.find(link.value());
  if (it == ends.end()) return;
  it->second.wants_upload = true;
  // The engine is in the middle of something: the uplink is served from the loop.
  world.push(world.now(), Kind::uplink_wanted, index);
}

void Node::dial(const Endpoint& to) { world.connect(*this, to); }

void Node::announce(const std::string&, AnnounceEvent event) {
  announce_event = event;
  world.ask_tracker(*this);
}

void Node::close(LinkId link, const std::string&) {
  const auto it = ends.find(link.value());
  if (it == ends.end()) return;
  world.push(world.now() + world.latency(), Kind::reset, it->second.peer_node,
             it->second.peer_link);
  ends.erase(it);
}

void Node::verify(PieceIndex piece) {
  const double seconds = world.geometry().piece_size(piece) / hash_bytes_per_second;
  world.push(world.now() + from_seconds(seconds), Kind::verified, index, 0,
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
