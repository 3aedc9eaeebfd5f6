// The virtual network of one run: hosts with real engines, what connects them, the tracker, and the
// queue of what is to happen. world.cpp has the lives of hosts and the tracker's side,
// world_traffic.cpp the blocks and messages on their way, simulation.cpp the run.
//
// One thread owns it. No engine is called from inside another: what one orders becomes an event,
// and uplinks that got something to send are served between events. A block costs two events, four
// between racks.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/wire.hpp"
#include "sim/event_queue.hpp"
#include "sim/fabric.hpp"
#include "sim/inbox.hpp"
#include "sim/simulation.hpp"
#include "swarm/engine.hpp"
#include "tracker/registry.hpp"

namespace murder::sim {

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

/// A host, or the seeder: its engine, its links to the network and its ends of connections. What
/// the engine orders goes to the world.
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
  std::uint32_t beginning_on = 0;      ///< the link that gives its next block right now
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

  /// nullptr when the link is closed or never was.
  End* end(std::uint32_t link) {
    return link >= 1 && link <= ends.size() && ends[link - 1].open ? &ends[link - 1] : nullptr;
  }
  /// The number of the new link.
  std::uint32_t add_end(std::uint32_t peer) {
    ends.push_back(End{});
    ends.back().peer_node = peer;
    return static_cast<std::uint32_t>(ends.size());
  }
  /// This end only: the other one hears of it by an event.
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
  void forget(PieceIndex) override {}
  void fetch(const swarm::WebFetch& fetch) override;
  Duration round_trip(LinkId link) const override;
  void banned(const Endpoint&, const std::string&) override {}
};

/// All of one run: what is on its way, and what time it is.
class World {
 public:
  /// The rates in `options` are taken as they are: its efficiency is in them already.
  explicit World(const SimulationOptions& options);

  /// Until all who are awaited are complete and the tracker has said so, or `limit` or `patience`
  /// is over. To be called once.
  SimulationResult run();

  // --- what nodes order ---
  /// Handled at `at`, unless the node has been killed by then.
  void push(Instant at, EventKind kind, std::uint32_t node, std::uint32_t link = 0,
            wire::Block block = {}) {
    events_.push({at, 0, node, link, block, nodes_[node]->life, kind});
  }
  Instant now() const { return now_; }
  Duration latency() const { return options_.latency; }
  const swarm::Geometry& geometry() const { return geometry_; }

  /// The engine is in the middle of something: the uplink is served after it.
  void serve_soon(Node& node) {
    if (std::exchange(node.wants_service, true)) return;
    to_serve_.push_back(&node);
  }
  /// Goes before every block but the one that its own link is sending.
  void send_control(Node& node, std::uint32_t link, const wire::Message& message);
  /// A new pair of ends after three latencies, or a dial that failed.
  void connect(Node& from, const Endpoint& to);
  /// The request gets there after two latencies, the answer back after one more.
  void ask_tracker(Node& node);

 private:
  void add_node(std::uint32_t i);
  void make_engine(Node& node, swarm::Bitfield have);
  Duration longest_wait() const;
  void join_at(Node& node, Instant at);
  void kill(Node& node);
  void give_up_on(Node& node);

  void handle(const Event& event);
  void schedule_tick(Node& node);
  void dialled(Node& node, std::uint32_t target);
  void reset(Node& node, std::uint32_t link);
  void verified(Node& node, PieceIndex piece);
  void fed(Node& node, PieceIndex piece);
  void web_asked(Node& node, const wire::Block& range);
  void web_came(Node& node, const wire::Block& range);
  void note_progress(Node& node);
  void feed_next(Node& node, Instant at);

  void tracker_asked(Node& node);
  void tracker_answered(Node& node);
  void count_announce(Duration since_start);

  void control(Node& node, std::uint32_t link);
  void serve_uplinks();
  void serve_uplink(Node& node);
  std::uint64_t bound_between(const Node& node) const;
  void begin_block(Node& node, std::uint32_t link, const wire::Block& block);
  void on_the_way(Node& node, const Event& event);
  void uplink_free(Node& node, const Event& event);
  void block_in(Node& node, const Event& event);

  bool done() const;
  bool given_up(Instant at) const;
  void note(std::uint64_t value);
  SimulationResult conclude();

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
  Pipe web_seed_;
  std::uint64_t web_bytes_ = 0;
  std::uint32_t awaited_ = 0;
  std::chrono::seconds announce_second_{-1};
  std::uint32_t announces_in_second_ = 0;
  SimulationResult result_;
};

}  // namespace murder::sim
